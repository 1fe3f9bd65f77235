import { setTimeout as sleep } from "node:timers/promises";
import * as k8s from "@kubernetes/client-node";
import type { ClusterAccess } from "./access";

/** How often the cluster is asked while helm waits, in milliseconds. */
const POLL_MS = 2000;

/** How far the rollout of one workload is. */
export interface Rollout {
  kind: string;
  name: string;
  wanted: number;
  available: number;
}

/** One line that says what a release still waits for; undefined when all its workloads are available. */
function waitingLine(rollouts: Rollout[]): string | undefined {
  const [first, ...more] = rollouts.filter(({ wanted, available }) => available < wanted);
  if (!first) return undefined;
  const others = more.length > 0 ? ` (and ${more.length} more)` : "";
  return `waiting for ${first.kind} ${first.name}: ${first.available} of ${first.wanted} available${others}`;
}

/**
 * Tells from time to time what the release still waits for, until `done` is aborted. Never fails: when the cluster
 * cannot be asked, helm will say so.
 */
export async function reportRollout(
  cluster: ClusterAccess,
  release: { name: string; namespace: string },
  status: (message: string) => void,
  done: AbortSignal,
): Promise<void> {
  const apps = cluster.kubeConfig.makeApiClient(k8s.AppsV1Api);
  let last: string | undefined;
  while (!done.aborted) {
    try {
      await sleep(POLL_MS, undefined, { signal: done, ref: false });
      const line = waitingLine(await readRollouts(apps, release));
      if (line && line !== last && !done.aborted) status(line);
      last = line;
    } catch {
      // Aborted, or the API server did not answer this time.
    }
  }
}

async function readRollouts(apps: k8s.AppsV1Api, release: { name: string; namespace: string }): Promise<Rollout[]> {
  const query = { namespace: release.namespace, labelSelector: "app.kubernetes.io/managed-by=Helm" };
  const [deployments, statefulSets, daemonSets] = await Promise.all([
    apps.listNamespacedDeployment(query),
    apps.listNamespacedStatefulSet(query),
    apps.listNamespacedDaemonSet(query),
  ]);
  const own = <T extends k8s.KubernetesObject>(list: { items: T[] }) =>
    list.items.filter((item) => item.metadata?.annotations?.["meta.helm.sh/release-name"] === release.name);
  return [
    ...own(deployments).map((it) => rollout("Deployment", it, it.spec?.replicas ?? 1, it.status)),
    ...own(statefulSets).map((it) => rollout("StatefulSet", it, it.spec?.replicas ?? 1, it.status)),
    ...own(daemonSets).map((it) => daemonRollout(it)),
  ];
}

function rollout(
  kind: string,
  object: k8s.KubernetesObject,
  wanted: number,
  status: k8s.V1DeploymentStatus | k8s.V1StatefulSetStatus | undefined,
): Rollout {
  // Numbers that belong to the object before its last change count for nothing.
  const current = (status?.observedGeneration ?? 0) >= (object.metadata?.generation ?? 0);
  const available = current ? Math.min(status?.updatedReplicas ?? 0, status?.availableReplicas ?? 0) : 0;
  return { kind, name: object.metadata?.name ?? "", wanted, available };
}

function daemonRollout(object: k8s.V1DaemonSet): Rollout {
  const { status } = object;
  const available = Math.min(status?.updatedNumberScheduled ?? 0, status?.numberAvailable ?? 0);
  return {
    kind: "DaemonSet",
    name: object.metadata?.name ?? "",
    wanted: status?.desiredNumberScheduled ?? 0,
    available,
  };
}
