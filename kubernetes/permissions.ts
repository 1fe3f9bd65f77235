import { UserError } from "../shared/user-error";
import { z } from "zod";
import { groupOf, type KubeObject } from "./objects";
import { ApiError } from "./api";
import type { ClusterClient } from "./connect";
import { type FindResource, findResources } from "./find-resources";
import { type Permission, ruleList } from "./rules";

export type { Permission } from "./rules";

/** What the upgrade does, as far as permissions go. */
export interface PermissionOptions {
  /** Namespace of the release. */
  namespace: string;
  /** The chart ships CRDs, which are applied. */
  hasCrds: boolean;
  /** Namespaces with workloads to restart. */
  workloadNamespaces: string[];
  /** Those of them with DaemonSets to restart. Default none. */
  daemonSetNamespaces?: string[];
  /** Those of them with Argo Rollouts to restart. Default none. */
  rolloutNamespaces?: string[];
  /** Objects that the installed revision has and the chart does not: helm deletes them. Default none. */
  removed?: KubeObject[];
}

const review = z.looseObject({ status: z.looseObject({ allowed: z.boolean() }) });

/** What the upgrade needs: its own objects, helm's storage and its wait, the CRDs, and the restarts. */
export async function neededPermissions(
  client: ClusterClient,
  objects: KubeObject[],
  options: PermissionOptions,
): Promise<Permission[]> {
  const find = await findResources(client, [...objects, ...(options.removed ?? [])]);
  return permissionsFor(objects, find, options);
}

/**
 * The same, decided from what is given. With no objects it is what every upgrade needs, whatever its chart renders.
 * Kinds that are not served are passed over: a CRD of this very upgrade brings them.
 */
export function permissionsFor(objects: KubeObject[], find: FindResource, options: PermissionOptions): Permission[] {
  const {
    namespace,
    hasCrds,
    workloadNamespaces,
    daemonSetNamespaces = [],
    rolloutNamespaces = [],
    removed = [],
  } = options;
  const objectPermissions = (verbs: string[]) => (object: KubeObject) => {
    const served = find(object.apiVersion, object.kind);
    if (!served) return [];
    const group = groupOf(object.apiVersion);
    const at = served.namespaced ? (object.metadata.namespace ?? namespace) : undefined;
    return permissions(verbs, group, [served.plural], at);
  };
  const all = [
    // helm's storage
    ...permissions(["get", "list", "create", "update", "delete"], "", ["secrets"], namespace),
    // the records of restarts
    ...permissions(["get", "create", "patch"], "", ["configmaps"], namespace),
    // every CASA runtime is made of Deployments, whatever else its chart renders
    ...permissions(["create", "patch"], "apps", ["deployments"], namespace),
    // helm's wait
    ...permissions(["get", "list"], "apps", ["deployments", "statefulsets", "replicasets"], namespace),
    ...permissions(["get", "list"], "", ["pods"], namespace),
    ...(hasCrds
      ? permissions(["get", "list", "watch", "create", "update"], "apiextensions.k8s.io", ["customresourcedefinitions"])
      : []),
    ...workloadNamespaces.flatMap((at) =>
      permissions(["get", "list", "watch", "patch"], "apps", ["deployments", "statefulsets"], at),
    ),
    ...daemonSetNamespaces.flatMap((at) => permissions(["get", "list", "watch", "patch"], "apps", ["daemonsets"], at)),
    ...rolloutNamespaces.flatMap((at) =>
      permissions(["get", "list", "watch", "patch"], "argoproj.io", ["rollouts"], at),
    ),
    ...objects.flatMap(objectPermissions(["get", "create", "patch"])),
    ...removed.flatMap(objectPermissions(["get", "delete"])),
  ];
  return [...new Map(all.map((permission) => [JSON.stringify(permission), permission])).values()];
}

/** Each verb on each resource. */
export function permissions(verbs: string[], group: string, resources: string[], namespace?: string): Permission[] {
  return resources.flatMap((resource) =>
    verbs.map((verb) => ({ verb, group, resource, ...(namespace === undefined ? {} : { namespace }) })),
  );
}

/**
 * What `kubectl exec` or `kubectl port-forward` need: kubectl asks by GET (web sockets) or POST (older ones and
 * proxies), which are two verbs to RBAC, and which of them is not known beforehand.
 */
export function podStream(subresource: "exec" | "portforward", namespace: string): Permission[] {
  return ["get", "create"].map((verb) => ({ verb, group: "", resource: "pods", subresource, namespace }));
}

/** Whether it lets its holder look and nothing more; `get` of a stream to a pod runs commands there. */
export function isRead({ verb, subresource }: Permission): boolean {
  return (
    ["get", "list", "watch"].includes(verb) && (subresource === undefined || ["log", "status"].includes(subresource))
  );
}

/**
 * The permissions that the cluster denies; of those of a client that only reads, what it needs for that. Asked of the
 * API server, which knows all authorizers. Users who may do everything cost one request. None where even asking is
 * denied: then the API server's own refusal has to do.
 */
export async function missingPermissions(client: ClusterClient, wanted: Permission[]): Promise<Permission[]> {
  const needed = client.readOnly ? wanted.filter(isRead) : wanted;
  try {
    if (await isAllowed(client, { verb: "*", group: "*", resource: "*" })) return [];
    const allowed = await Promise.all(needed.map((permission) => isAllowed(client, permission)));
    return needed.filter((_permission, i) => !allowed[i]);
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return [];
    throw error;
  }
}

async function isAllowed(client: ClusterClient, permission: Permission): Promise<boolean> {
  const body = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: { resourceAttributes: permission },
  };
  const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
  return review.parse(await client.api.ask(path, body)).status.allowed;
}

/** One error for all that is missing, with a role that grants it; undefined when nothing is. */
export function permissionProblem(missing: Permission[], context: string): UserError | undefined {
  // RBAC and `auth can-i` write a subresource the same way.
  const named = missing.map((one) =>
    one.subresource === undefined ? one : { ...one, resource: `${one.resource}/${one.subresource}` },
  );
  const first = named[0];
  if (!first) return undefined;
  const lines = gather(named, (one) => [one.group, one.resource, one.namespace, one.name]).map((same) => {
    const { group, resource, namespace, name } = same[0] as Permission;
    const where = namespace ? `in namespace ${namespace}` : "in the cluster";
    return `    ${list(same, "verb")} ${qualified(group, resource)}${name ? ` ${name}` : ""} ${where}`;
  });
  const rules = ruleList(named.map((one) => ({ ...one, subresource: undefined, name: undefined }))).map(
    ({ apiGroups, resources, verbs }) =>
      `      - {apiGroups: ["${apiGroups.join()}"], resources: [${resources.join(", ")}], verbs: [${verbs.join(", ")}]}`,
  );
  const at = first.namespace ? ` --namespace ${first.namespace}` : "";
  return new UserError(
    "permission",
    `the user of context "${context}" is missing permissions:\n${lines.join("\n")}`,
    [
      "use a context that may, or have an administrator bind this role to the user (kubectl create clusterrolebinding):",
      "apiVersion: rbac.authorization.k8s.io/v1",
      "kind: ClusterRole",
      "metadata: {name: casa-upgrade}",
      `rules:\n${rules.join("\n")}`,
      "to see all that an upgrade needs: npx casa-upgrade permissions --role upgrade",
      `to check one: kubectl --context ${context} auth can-i ${first.verb} ${qualified(first.group, first.resource)}${at}`,
    ].join("\n    "),
  );
}

function qualified(group: string, resource: string): string {
  return group ? `${resource}.${group}` : resource;
}

/** The distinct values of a field, in the order of their first appearance. */
function list<K extends string>(items: Record<K, string>[], field: K): string {
  return [...new Set(items.map((item) => item[field]))].join(", ");
}

/** Groups of items with one key, in the order of their first appearance. */
function gather<T>(items: T[], key: (item: T) => unknown[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const id = JSON.stringify(key(item));
    groups.set(id, [...(groups.get(id) ?? []), item]);
  }
  return [...groups.values()];
}
