import { dig, digList, isMap } from "./objects";

/** What a pod is made from. */
export interface PodSource {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The pod template. */
  readonly template: { readonly metadata?: unknown; readonly spec?: unknown };
  /** Names of a StatefulSet's claim templates. */
  readonly claimTemplates: readonly string[];
  /** Number of a StatefulSet's first pod. Default 0. */
  readonly firstOrdinal?: number;
  /** What an Argo Rollout gives its stable pods beside the template. */
  readonly podMetadata?: unknown;
}

/** Stands for the hash and the UID that only the controller's own ReplicaSet has; nothing of it is kept. */
const HASH = "casaupgrade";
const UID = "00000000-0000-4000-8000-000000000000";
/** Kinds whose pods belong to a ReplicaSet, with the label in which that has the template's hash. */
const BY_REPLICA_SET: Readonly<Record<string, string>> = {
  Deployment: "pod-template-hash",
  Rollout: "rollouts-pod-template-hash",
};
/** Longest name that leaves room for what the API server adds. */
const LONGEST = 200;
/** Longest value of a label. */
const MOST_OF_LABEL = 63;

/**
 * A pod as the workload's controller would create it, for a dry-run: with an owner, since policies refuse pods that
 * have none, and with the labels that webhooks may select by.
 */
export function podOf(source: PodSource): object {
  const { kind, name, namespace, template, claimTemplates, podMetadata } = source;
  const hashLabel = BY_REPLICA_SET[kind];
  const owner =
    hashLabel === undefined ? { kind, name } : { kind: "ReplicaSet", name: `${name.slice(0, LONGEST)}-${HASH}` };
  const apiVersion = kind === "Job" ? "batch/v1" : "apps/v1";
  const both = (field: string) => ({ ...mapAt(template.metadata, field), ...mapAt(podMetadata, field) });
  const finalizers = digList(template.metadata, "finalizers");
  // Of a template's metadata controllers take these alone (GetPodFromTemplate in Kubernetes' source).
  const metadata = {
    labels: { ...both("labels"), ...ownLabels(source) },
    annotations: both("annotations"),
    ...(finalizers.length > 0 ? { finalizers } : {}),
    ownerReferences: [{ apiVersion, ...owner, uid: UID, controller: true }],
  };
  const spec = isMap(template.spec) ? template.spec : {};
  const volumes = digList(spec, "volumes");
  const own = new Set(volumes.map((volume) => dig(volume, "name")));
  // The controller of a StatefulSet adds a volume for each claim template; without it the mounts would be refused.
  const claims = claimTemplates
    .filter((claim) => !own.has(claim))
    .map((claim) => ({ name: claim, persistentVolumeClaim: { claimName: `${claim}-${name}-0` } }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata, namespace, generateName: `${owner.name.slice(0, LONGEST)}-` },
    spec: { ...spec, ...(claims.length > 0 ? { volumes: [...volumes, ...claims] } : {}) },
  };
}

/** Labels that the kind's controller puts on the pod. */
function ownLabels({ kind, name, firstOrdinal = 0 }: PodSource): Record<string, string> {
  const hashLabel = BY_REPLICA_SET[kind];
  if (hashLabel !== undefined) return { [hashLabel]: HASH };
  if (kind === "DaemonSet") return { "controller-revision-hash": HASH, "pod-template-generation": "1" };
  if (kind === "Job") return short({ "job-name": name, "batch.kubernetes.io/job-name": name });
  if (kind !== "StatefulSet") return {};
  return short({
    "apps.kubernetes.io/pod-index": `${firstOrdinal}`,
    "controller-revision-hash": `${name}-${HASH}`,
    "statefulset.kubernetes.io/pod-name": `${name}-${firstOrdinal}`,
  });
}

const short = (labels: Record<string, string>) =>
  Object.fromEntries(Object.entries(labels).filter(([, value]) => value.length <= MOST_OF_LABEL));

function mapAt(metadata: unknown, field: string): Record<string, unknown> {
  const found = dig(metadata, field);
  return isMap(found) ? found : {};
}
