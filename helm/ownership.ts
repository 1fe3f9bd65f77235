import { UserError } from "../shared/user-error";
import { z } from "zod";
import { RESOURCE_POLICY } from "../crds/crds";
import { groupOf, type KubeObject, objectKey } from "../kubernetes/objects";
import { ApiError } from "../kubernetes/api";
import { type ClusterClient, parseObject } from "../kubernetes/connect";

/** An object of the chart that exists on the cluster and belongs to somebody else; helm would refuse the upgrade. */
export interface Conflict {
  /** API group; empty for the core one. */
  group: string;
  kind: string;
  name: string;
  /** Undefined for objects without a namespace. */
  namespace?: string;
  /** The release whose marks it carries; undefined when it carries none. */
  owner?: { name: string; namespace: string };
}

const live = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    labels: z.record(z.string(), z.string()).nullish(),
    annotations: z.record(z.string(), z.string()).nullish(),
  }),
});
const NAME = "meta.helm.sh/release-name";
const NAMESPACE = "meta.helm.sh/release-namespace";
const MANAGED_BY = "app.kubernetes.io/managed-by";

/**
 * Finds what helm would refuse to take over: objects that are new in the chart, exist already, and do not carry this
 * release's ownership marks. Objects that the installed revision rendered are the release's own. Objects that may not
 * be read are passed over; that is for the permission check to say.
 */
export async function findConflicts(
  client: ClusterClient,
  objects: KubeObject[],
  installed: readonly KubeObject[],
  release: { name: string; namespace: string },
): Promise<Conflict[]> {
  const own = new Set(installed.map((object) => objectKey(object, release.namespace)));
  const fresh = objects.filter((object) => !own.has(objectKey(object, release.namespace)));
  return ofExisting(client, fresh, release.namespace, (object, existing) => conflictOf(object, existing, release));
}

/** What is found out about those of the objects that exist; what may not be read is passed over. */
async function ofExisting<T>(
  client: ClusterClient,
  objects: readonly KubeObject[],
  defaultNamespace: string,
  judge: (object: KubeObject, existing: unknown) => T[],
): Promise<T[]> {
  const found = await Promise.all(
    objects.map(async (object): Promise<T[]> => {
      const { name, namespace = defaultNamespace } = object.metadata;
      if (name === undefined) return [];
      const existing = await client.api.get(object, namespace, name).catch(nothingIfForbidden);
      return existing === undefined ? [] : judge(object, existing);
    }),
  );
  return found.flat();
}

/**
 * Objects of the chart that carry this release's marks although helm has no record of it: the record was lost, or is
 * kept elsewhere. Those that helm was told to keep are what an uninstall leaves.
 */
export async function findOwnMarks(
  client: ClusterClient,
  objects: readonly KubeObject[],
  release: { name: string; namespace: string },
): Promise<string[]> {
  return ofExisting(client, objects, release.namespace, (object, existing) => {
    if (conflictOf(object, existing, release).length > 0) return [];
    const { annotations } = parseObject(object.kind, existing, live).metadata;
    const { name = "", namespace = release.namespace } = object.metadata;
    return annotations?.[RESOURCE_POLICY] === "keep" ? [] : [`${object.kind} ${namespace}/${name}`];
  });
}

/** One error for an install over a release that helm does not know of. */
export function lostRecordProblem(
  marked: readonly string[],
  { name, namespace }: { name: string; namespace: string },
  context: string,
): UserError | undefined {
  if (marked.length === 0) return undefined;
  const where = `--namespace ${namespace} --kube-context ${context}`;
  const more = marked.length > 5 ? `, and ${marked.length - 5} more` : "";
  return new UserError(
    "release",
    `helm has no record of release ${namespace}/${name}, but objects of the chart exist that belong to it: ` +
      `${marked.slice(0, 5).join(", ")}${more}. Its record was deleted, or is kept elsewhere (HELM_DRIVER sql); an install ` +
      "would take them over without knowing what they were",
    `bring the record back (Secrets sh.helm.release.v1.${name}.v* of namespace ${namespace}, from a backup); or, if these objects ` +
      `may be taken over as they are: helm upgrade --install ${name} <the chart that is running> ${where}, then repeat`,
  );
}

function nothingIfForbidden(error: unknown): undefined {
  if (error instanceof ApiError && error.code === 403) return undefined;
  throw error;
}

/** helm's rule: both annotations name the release and the label says Helm, or the object is not its own. */
export function conflictOf(
  { apiVersion, kind }: { apiVersion: string; kind: string },
  existing: unknown,
  release: { name: string; namespace: string },
): Conflict[] {
  const { metadata } = parseObject(kind, existing, live);
  const name = metadata.annotations?.[NAME];
  const namespace = metadata.annotations?.[NAMESPACE];
  const byHelm = metadata.labels?.[MANAGED_BY] === "Helm";
  if (byHelm && name === release.name && namespace === release.namespace) return [];
  const isOther = name !== undefined && (name !== release.name || namespace !== release.namespace);
  return [
    {
      group: groupOf(apiVersion),
      kind,
      name: metadata.name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      ...(isOther ? { owner: { name, namespace: namespace ?? release.namespace } } : {}),
    },
  ];
}

/** One error for all conflicts, with the lines that uninstall the other releases or hand the objects over. */
export function ownershipProblem(
  conflicts: Conflict[],
  release: { name: string; namespace: string },
  context: string,
): UserError | undefined {
  if (conflicts.length === 0) return undefined;
  const lines = conflicts.map(({ kind, name, namespace, owner }) => {
    const whose = owner ? `belongs to release ${owner.namespace}/${owner.name}` : "belongs to no helm release";
    return `    ${kind} ${namespace ? `${namespace}/` : ""}${name} ${whose}`;
  });
  const owners = new Map(
    conflicts.flatMap(({ owner }) => (owner ? [[`${owner.namespace}/${owner.name}`, owner]] : [])),
  );
  const uninstall = [...owners.values()].map(
    (owner) => `helm uninstall ${owner.name} --namespace ${owner.namespace} --kube-context ${context}`,
  );
  const handOver = [...new Set(conflicts.map(({ namespace }) => namespace))].flatMap((namespace) => {
    const there = conflicts.filter((conflict) => conflict.namespace === namespace);
    const names = there
      .map(({ group, kind, name }) => `${kind.toLowerCase()}${group ? `.${group}` : ""}/${name}`)
      .join(" ");
    const flags = `--overwrite --context ${context}${namespace ? ` --namespace ${namespace}` : ""} ${names}`;
    return [
      `kubectl label ${flags} ${MANAGED_BY}=Helm`,
      `kubectl annotate ${flags} ${NAME}=${release.name} ${NAMESPACE}=${release.namespace}`,
    ];
  });
  return new UserError(
    "ownership",
    `the chart brings objects that exist already and are not release ${release.namespace}/${release.name}'s:\n${lines.join("\n")}`,
    [
      ...(uninstall.length > 0 ? ["uninstall the other release, if it is no longer needed:", ...uninstall, "or"] : []),
      `hand the objects over to this release${owners.size > 0 ? " (uninstalling the other one later would still delete them)" : ""}:`,
      ...handOver,
    ].join("\n    "),
  );
}
