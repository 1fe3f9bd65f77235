/**
 * Input paths per kind whose change replaces the object, as the official provider has them; `[*]` stands for any index.
 * Everything else is updated in place.
 */
const IMMUTABLE: Record<string, string[]> = {
  "apps/Deployment": ["spec.selector"],
  "apps/DaemonSet": ["spec.selector"],
  "apps/StatefulSet": [
    "spec.podManagementPolicy",
    "spec.revisionHistoryLimit",
    "spec.selector",
    "spec.serviceName",
    "spec.volumeClaimTemplates",
  ],
  "batch/Job": ["spec.completions", "spec.parallelism", "spec.selector", "spec.template"],
  "/PersistentVolumeClaim": ["spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"],
  "/PersistentVolume": ["spec.csi", "spec.hostPath", "spec.local", "spec.nfs"],
  // A Pod's tolerations and activeDeadlineSeconds may change; what else a running Pod allows nobody changes in a
  // program.
  "/Pod": [
    "affinity",
    "automountServiceAccountToken",
    "containers[*].args",
    "containers[*].command",
    "containers[*].env",
    "containers[*].image",
    "containers[*].ports",
    "containers[*].resources",
    "containers[*].volumeMounts",
    "dnsPolicy",
    "hostNetwork",
    "initContainers",
    "nodeName",
    "nodeSelector",
    "restartPolicy",
    "schedulerName",
    "securityContext",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "volumes",
  ].map((path) => `spec.${path}`),
  "/ResourceQuota": ["spec.scopes"],
  "/Service": ["spec.clusterIP"],
  "storage.k8s.io/StorageClass": ["parameters", "provisioner"],
  "rbac.authorization.k8s.io/RoleBinding": ["roleRef"],
  "rbac.authorization.k8s.io/ClusterRoleBinding": ["roleRef"],
};

const IDENTITY = ["metadata.name", "metadata.namespace"];

export interface Mutability {
  /** ConfigMap data may change in place instead of replacing the object. */
  configMapMutable: boolean;
  secretMutable: boolean;
}

/** The paths whose change replaces this object; a patch is of another object only when it names another. */
export function replacingPaths(
  object: { apiVersion: string; kind: string; patch: boolean; immutable: boolean },
  settings: Mutability,
): string[] {
  if (object.patch) return IDENTITY;
  const group = object.apiVersion.includes("/") ? (object.apiVersion.split("/")[0] ?? "") : "";
  const own = IMMUTABLE[`${group}/${object.kind}`] ?? [];
  if (group === "" && object.kind === "ConfigMap" && (object.immutable || !settings.configMapMutable)) {
    return [...IDENTITY, "data", "binaryData"];
  }
  if (group === "" && object.kind === "Secret") {
    const data = object.immutable || !settings.secretMutable ? ["data", "stringData"] : [];
    return [...IDENTITY, "type", ...data];
  }
  return [...IDENTITY, ...own];
}

/** Whether a property path is one of the given ones or below one. */
export function isBelow(path: string, patterns: string[]): boolean {
  return patterns.some((pattern) => {
    const escaped = pattern.replace(/[.$]/g, "\\$&").replaceAll("[*]", "\\[\\d+\\]");
    return new RegExp(`^${escaped}($|[.[])`).test(path);
  });
}
