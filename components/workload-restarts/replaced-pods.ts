import type { RunningPod } from "../../kubernetes/running-pods";
import { workloadId } from "../../kubernetes/workload";
import type { LiveWorkload } from "../../kubernetes/workloads";
import { pendingGroups, type RestartPlan } from "./restarts";

/** How many pods of a StatefulSet its partition keeps on the old template, and is meant to. */
export function keptByPartition({ strategy, replicas }: Pick<LiveWorkload, "strategy" | "replicas">): number {
  return Math.min(strategy.partition, replicas);
}

/** Whether its partition keeps all of its pods on the template that they have. */
export function keepsAll(live: Pick<LiveWorkload, "strategy" | "replicas">): boolean {
  return keptByPartition(live) >= live.replicas && live.replicas > 0;
}

/** The pods that a restart replaces: a partition keeps those before it, counted from the first. */
export function replacedPods<Pod extends Pick<RunningPod, "ordinal">>(
  { strategy, firstOrdinal = 0 }: Pick<LiveWorkload, "strategy" | "firstOrdinal">,
  pods: readonly Pod[],
): Pod[] {
  return pods.filter(({ ordinal }) => ordinal === undefined || ordinal - firstOrdinal >= strategy.partition);
}

/** Whether none of its pods is of an older template than its own, except those that a partition keeps. */
export function hasOnlyNewPods(
  live: Pick<LiveWorkload, "kind" | "strategy" | "replicas" | "updated" | "old" | "generation" | "observedGeneration">,
): boolean {
  if (live.observedGeneration < live.generation) return false;
  return live.kind === "Rollout" ? live.updated >= live.replicas : live.old <= keptByPartition(live);
}

/**
 * Whether a pod is one of the template that the injector was asked about. In the middle of an update an Argo Rollout
 * runs pods of two, and a restart replaces each by one of its own.
 */
export function isOfTemplate(
  { podHash }: Pick<LiveWorkload, "podHash">,
  { rolloutHash }: Pick<RunningPod, "rolloutHash">,
): boolean {
  return podHash === undefined || rolloutHash === undefined || podHash === rolloutHash;
}

/** StatefulSets to restart some of whose pods stay as they are. */
export function partitionWarnings(plan: RestartPlan, workloads: readonly LiveWorkload[]): string[] {
  const live = new Map(workloads.map((one) => [workloadId(one), one]));
  const kept = pendingGroups(plan)
    .flat()
    .flatMap((target) => {
      const now = live.get(workloadId(target));
      const count = now ? keptByPartition(now) : 0;
      return now && count > 0 ? [`${workloadId(target)} (${count} of ${now.replicas})`] : [];
    });
  if (kept.length === 0) return [];
  return [`a partition keeps pods of these on the configuration that they have: ${kept.join(", ")}`];
}
