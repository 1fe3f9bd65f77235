import { z } from "zod";
import { ApiError } from "./api";
import { type ContainerImage, containerImages } from "./container-images";
import { controllerOf, ownerReference } from "./owner-reference";
import type { ClusterClient } from "./connect";

/** A pod of a workload, as far as its template, its containers and its state are looked at. */
export interface RunningPod {
  namespace: string;
  name: string;
  /** `Kind/namespace/name` of its workload; undefined when it has none that is known. */
  workload?: string;
  /** Name of the ReplicaSet that it is of; undefined elsewhere. */
  replicaSet?: string;
  /** Its number in a StatefulSet; undefined elsewhere. */
  ordinal?: number;
  /** Hash of the Argo Rollout's template that it is of; undefined elsewhere. */
  rolloutHash?: string;
  annotations: Record<string, string>;
  containers: ContainerImage[];
  ready: boolean;
  /** How often its containers were started again. */
  restarts: number;
  created: string;
  /** Why containers wait: `container: reason message`, init containers first. */
  waiting: { container: string; reason: string; message: string }[];
}

const texts = z
  .record(z.string(), z.string())
  .nullish()
  .transform((map) => map ?? {});
const statuses = z
  .array(
    z.looseObject({
      name: z.string(),
      restartCount: z.number().default(0),
      state: z
        .looseObject({
          waiting: z.looseObject({ reason: z.string().nullish(), message: z.string().nullish() }).nullish(),
        })
        .nullish(),
    }),
  )
  .nullish()
  .transform((list) => list ?? []);
const podSchema = z.looseObject({
  metadata: z.looseObject({
    namespace: z.string(),
    name: z.string(),
    creationTimestamp: z.string().default(""),
    deletionTimestamp: z.string().nullish(),
    labels: texts,
    annotations: texts,
    ownerReferences: z
      .array(z.looseObject({ kind: z.string(), name: z.string(), controller: z.boolean().nullish() }))
      .nullish(),
  }),
  spec: z.looseObject({}).prefault({}),
  status: z
    .looseObject({
      phase: z.string().default("Unknown"),
      conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).nullish(),
      containerStatuses: statuses,
      initContainerStatuses: statuses,
    })
    .prefault({}),
});

/** The pods of a namespace that are neither finished nor about to go, of one workload when a selector is given. */
export async function runningPods(
  client: ClusterClient,
  namespace: string,
  labelSelector?: string,
): Promise<RunningPod[]> {
  const select = labelSelector === undefined ? {} : { labelSelector };
  const pods = await client.list({ apiVersion: "v1", kind: "Pod" }, namespace, podSchema, select);
  return pods
    .filter(({ metadata, status }) => !metadata.deletionTimestamp && !["Succeeded", "Failed"].includes(status.phase))
    .map(({ metadata: at, spec, status }) => ({
      ...{ namespace: at.namespace, name: at.name, annotations: at.annotations, created: at.creationTimestamp },
      ...ownerOf(at, at.labels, at.ownerReferences ?? []),
      containers: containerImages(spec),
      ready: (status.conditions ?? []).some(({ type, status: value }) => type === "Ready" && value === "True"),
      restarts: [...status.initContainerStatuses, ...status.containerStatuses].reduce(
        (sum, { restartCount }) => sum + restartCount,
        0,
      ),
      waiting: [...status.initContainerStatuses, ...status.containerStatuses].flatMap(({ name, state }) =>
        state?.waiting
          ? [{ container: name, reason: state.waiting.reason ?? "", message: state.waiting.message ?? "" }]
          : [],
      ),
    }));
}

const replicaSetSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string(), ownerReferences: z.array(ownerReference).nullish() }),
});

/**
 * The same pods with the workloads that own their ReplicaSets. The name of one says so as long as its workload made it;
 * one that was left over (`kubectl delete --cascade=orphan`) and adopted by another workload keeps its name.
 */
export async function withAdopted(
  client: ClusterClient,
  namespace: string,
  pods: readonly RunningPod[],
  labelSelector?: string,
): Promise<RunningPod[]> {
  const select = labelSelector === undefined ? {} : { labelSelector };
  const type = { apiVersion: "apps/v1", kind: "ReplicaSet" };
  const sets = await client.list(type, namespace, replicaSetSchema, select).catch((error: unknown) => {
    if (error instanceof ApiError && error.code === 403) return [];
    throw error;
  });
  const owners = new Map(sets.map(({ metadata }) => [metadata.name, controllerOf(metadata.ownerReferences)]));
  return pods.map((pod) => {
    const owner = owners.get(pod.replicaSet ?? "");
    if (owner?.kind !== "Deployment" && owner?.kind !== "Rollout") return pod;
    return { ...pod, workload: `${owner.kind}/${namespace}/${owner.name}` };
  });
}

/**
 * The workload behind a pod; a Deployment or Rollout owns it through a ReplicaSet that is named after the template's
 * hash, unless it adopted that: {@link withAdopted}.
 */
export function ownerOf(
  { namespace, name: podName }: { namespace: string; name: string },
  labels: Readonly<Record<string, string>>,
  owners: readonly { kind: string; name: string; controller?: boolean | null }[],
): Pick<RunningPod, "workload" | "ordinal" | "rolloutHash" | "replicaSet"> {
  const owner = owners.find(({ controller }) => controller === true);
  if (!owner) return {};
  const { kind, name } = owner;
  if (kind === "StatefulSet") {
    // Its name ends in its number; the label is newer than some clusters.
    const ordinal = /-(\d+)$/.exec(podName)?.[1];
    return { workload: `StatefulSet/${namespace}/${name}`, ...(ordinal ? { ordinal: Number(ordinal) } : {}) };
  }
  if (kind === "DaemonSet") return { workload: `DaemonSet/${namespace}/${name}` };
  if (kind !== "ReplicaSet") return {};
  for (const [of, label] of [
    ["Rollout", "rollouts-pod-template-hash"],
    ["Deployment", "pod-template-hash"],
  ] as const) {
    const suffix = `-${labels[label] ?? ""}`;
    if (suffix !== "-" && name.endsWith(suffix)) {
      const workload = `${of}/${namespace}/${name.slice(0, -suffix.length)}`;
      return { replicaSet: name, workload, ...(of === "Rollout" ? { rolloutHash: suffix.slice(1) } : {}) };
    }
  }
  return { replicaSet: name };
}
