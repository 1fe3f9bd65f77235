import { groupOf, isMap } from "../../kubernetes/objects";

/**
 * How built-in kinds merge lists, by field name: helm sends strategic merge patches for them, which match the items of
 * these lists by a key and leave items of others alone. From the `patchStrategy` and `patchMergeKey` tags of the API
 * types; a conformance test compares this table with the API server's OpenAPI.
 */
const MERGE_KEYS: Record<string, string> = {
  containers: "name",
  initContainers: "name",
  ephemeralContainers: "name",
  volumes: "name",
  env: "name",
  volumeMounts: "mountPath",
  volumeDevices: "devicePath",
  imagePullSecrets: "name",
  secrets: "name",
  hostAliases: "ip",
  topologySpreadConstraints: "topologyKey",
  resourceClaims: "name",
  schedulingGates: "name",
  webhooks: "name",
  matchConditions: "name",
  conditions: "type",
  ownerReferences: "uid",
  variables: "name",
  drivers: "name",
  "x-kubernetes-validations": "rule",
};

/** Maps of which a patch that changes anything drops every key that the target does not have. */
const RETAIN_KEYS = new Set(["strategy", "volumes", "resourceClaims"]);

/** API groups that helm has Go types for; everything else it patches as plain JSON (client-go's scheme, helm 3.22). */
const TYPED_GROUPS = new Set([
  "",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "apps",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "autoscaling",
  "batch",
  "certificates.k8s.io",
  "coordination.k8s.io",
  "discovery.k8s.io",
  "events.k8s.io",
  "extensions",
  "flowcontrol.apiserver.k8s.io",
  "networking.k8s.io",
  "node.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "resource.k8s.io",
  "scheduling.k8s.io",
  "storage.k8s.io",
  "storagemigration.k8s.io",
]);

/** Whether helm knows the kind's Go type, and so patches it strategically. */
export function isTyped(apiVersion: string): boolean {
  return TYPED_GROUPS.has(groupOf(apiVersion));
}

/** The key that items of a list are matched by, or undefined for a list that is replaced as a whole. */
export function mergeKey(path: readonly string[]): string | undefined {
  const field = path.at(-1) ?? "";
  // A container's ports are matched by containerPort, a Service's by port; other kinds replace theirs.
  if (field === "ports") {
    if (path.length === 2 && path[0] === "spec") return "port";
    return path.some((step) => /^(initC|ephemeralC|c)ontainers$/.test(step)) ? "containerPort" : undefined;
  }
  // A ServiceAccount's are replaced, a pod's merged.
  if (field === "imagePullSecrets" && path.length === 1) return undefined;
  return MERGE_KEYS[field];
}

/**
 * Whether a map under this path is one of {@link RETAIN_KEYS}: the field itself, or an item of the list of that name.
 */
export function retainsKeys(path: readonly string[]): boolean {
  const field = path.at(-1)?.startsWith("[") ? path.at(-2) : path.at(-1);
  return field !== undefined && RETAIN_KEYS.has(field);
}

/** A list's items by their merge key; undefined when an item has none or two have the same. */
export function byKey(list: readonly unknown[], key: string): Map<string, unknown> | undefined {
  const items = new Map<string, unknown>();
  for (const item of list) {
    const id = isMap(item) ? item[key] : undefined;
    if (typeof id !== "string" && typeof id !== "number") return undefined;
    if (items.has(String(id))) return undefined;
    items.set(String(id), item);
  }
  return items;
}
