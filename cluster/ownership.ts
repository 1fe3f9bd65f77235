import { z } from "zod";
import { type KubeObject, objectKey } from "../plan/objects";
import type { ClusterClient } from "./connect";
import { PreflightError } from "./problem";

/** An object of the chart that exists on the cluster and belongs to somebody else; helm would refuse the upgrade. */
export interface Conflict {
  kind: string;
  name: string;
  namespace?: string;
  /** `namespace/release` that owns it; undefined when no release does. */
  owner?: string;
}

const live = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    labels: z.record(z.string(), z.string()).nullish(),
    annotations: z.record(z.string(), z.string()).nullish(),
  }),
});

/**
 * Finds what helm would refuse to take over: objects that are new in the chart, exist already, and do not carry this
 * release's ownership marks. Objects that the installed revision rendered are the release's own.
 */
export async function findConflicts(
  client: ClusterClient,
  objects: KubeObject[],
  installed: KubeObject[],
  release: { name: string; namespace: string },
): Promise<Conflict[]> {
  const own = new Set(installed.map((object) => objectKey(object, release.namespace)));
  const fresh = objects.filter((object) => !own.has(objectKey(object, release.namespace)));
  const found = await Promise.all(
    fresh.map(async (object): Promise<Conflict[]> => {
      const { name } = object.metadata;
      if (name === undefined || !(await client.api.resource(object.apiVersion, object.kind))) return [];
      const existing = await client.api.get(object, object.metadata.namespace ?? release.namespace, name);
      if (existing === undefined) return [];
      return conflictOf(object.kind, existing, release);
    }),
  );
  return found.flat();
}

/** helm's rule: both annotations name the release and the label says Helm, or the object is not its own. */
export function conflictOf(kind: string, existing: unknown, release: { name: string; namespace: string }): Conflict[] {
  const { metadata } = live.parse(existing);
  const owner = metadata.annotations?.["meta.helm.sh/release-name"];
  const ownerNamespace = metadata.annotations?.["meta.helm.sh/release-namespace"];
  const byHelm = metadata.labels?.["app.kubernetes.io/managed-by"] === "Helm";
  if (byHelm && owner === release.name && ownerNamespace === release.namespace) return [];
  const at = { kind, name: metadata.name, namespace: metadata.namespace };
  return [owner === undefined ? at : { ...at, owner: `${ownerNamespace ?? ""}/${owner}` }];
}

/** One error for all conflicts, with the lines that uninstall the other release or hand the object over. */
export function ownershipProblem(
  conflicts: Conflict[],
  release: { name: string; namespace: string },
  context: string,
): PreflightError | undefined {
  const first = conflicts[0];
  if (!first) return undefined;
  const lines = conflicts.map(({ kind, name, namespace, owner }) => {
    const whose = owner ? `belongs to another release, ${owner}` : "belongs to no release";
    return `    ${kind} ${namespace ? `${namespace}/` : ""}${name} ${whose}`;
  });
  const [ownerNamespace, ownerName] = first.owner?.split("/") ?? [];
  const uninstall = ownerName
    ? [
        `helm uninstall ${ownerName} --namespace ${ownerNamespace} --kube-context ${context}, if it is no longer needed; or`,
      ]
    : [];
  const at = (kind: string, name: string, namespace?: string) =>
    `--context ${context} ${namespace ? `--namespace ${namespace} ` : ""}${kind.toLowerCase()} ${name}`;
  const handOver = conflicts.flatMap(({ kind, name, namespace }) => [
    `kubectl label --overwrite ${at(kind, name, namespace)} app.kubernetes.io/managed-by=Helm`,
    `kubectl annotate --overwrite ${at(kind, name, namespace)} meta.helm.sh/release-name=${release.name} ` +
      `meta.helm.sh/release-namespace=${release.namespace}`,
  ]);
  return new PreflightError(
    `the chart brings objects that exist already and are not release ${release.namespace}/${release.name}'s:\n${lines.join("\n")}`,
    [...uninstall, "hand them over:", ...handOver].join("\n    "),
  );
}
