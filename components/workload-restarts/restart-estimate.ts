import { skipText } from "./skipped";
import { causeText, pendingGroups, type RestartPlan, type RestartTarget } from "./restarts";
import { workloadId } from "../../kubernetes/workload";
import type { RestartReview } from "./restart-review";
import { timesOf } from "./queue";
import { stagesOf } from "./stages";

/** What the time of one workload's restart depends on. */
export interface RestartFacts {
  replicas: number;
  /** Pods above the desired number while it rolls; 0 for a StatefulSet. */
  surge: number;
  /** Pods that may be missing while it rolls; 1 for a usual StatefulSet. */
  unavailable: number;
  /** Pods of a StatefulSet that keep the old template. Default 0. */
  partition?: number;
  /** Seconds that a pod must be ready before it counts as available. */
  minReadySeconds: number;
  /** Seconds from a pod's start to ready; undefined when not known. */
  startupSeconds?: number;
}

export interface RestartLimits {
  /** Workloads that are restarted at once. */
  maxConcurrent: number;
  /** How long the canaries are watched before the others follow, in seconds. */
  canarySoakSeconds: number;
  /** Longest wait for one workload, in seconds; one that takes longer ends the run. */
  timeoutSeconds: number;
}

/** Start-up time where not even one is known, in seconds. */
const GUESS_SECONDS = 30;
/**
 * What a restart takes beside the pods: the patch, a `kubectl` that starts and notices the end (0.2 to 0.6 s on the
 * embedded cluster).
 */
const OVERHEAD_SECONDS = 1;
/** Workloads without facts are restarted as one pod. */
const UNKNOWN: RestartFacts = { replicas: 1, surge: 1, unavailable: 0, minReadySeconds: 0 };

/**
 * Estimates the time of the restarts by running the queue of components/workload-restarts/component.ts, with an
 * estimated duration in place of each restart. Workloads that are done take
 * no time.
 *
 * @param facts by `Kind/namespace/name`.
 */
export function estimateRestarts(
  plan: RestartPlan,
  facts: ReadonlyMap<string, RestartFacts>,
  { maxConcurrent, canarySoakSeconds, timeoutSeconds }: RestartLimits,
): Omit<RestartReview, "enabled"> & { slow: string[] } {
  const pending = pendingGroups(plan);
  const targets = pending.flat();
  const factsOf = (target: RestartTarget) => facts.get(workloadId(target)) ?? UNKNOWN;
  const known = [...facts.values()].flatMap(({ startupSeconds }) => startupSeconds ?? []);
  const usual = median(known) ?? GUESS_SECONDS;
  const durations = targets.map((target) => {
    const own = factsOf(target);
    return rolloutSeconds(own, own.startupSeconds ?? usual);
  });
  const stages = stagesOf(plan, canarySoakSeconds);
  const sizes = stages.map((stage) => stage.length);
  const items = stages.flat();
  const secondsOf = (restart: (target: RestartTarget) => number) =>
    items.map((item) => ("soak" in item ? item.soak.seconds : restart(item.restart)));
  const place = new Map(targets.map((target, i) => [target, i]));
  const usually = timesOf(
    sizes,
    maxConcurrent,
    secondsOf((target) => durations[place.get(target) ?? -1] ?? 0),
  );
  const atMost = timesOf(
    sizes,
    maxConcurrent,
    secondsOf(() => timeoutSeconds + OVERHEAD_SECONDS),
  );
  const starts = new Map(items.map((item, i) => ["soak" in item ? item : item.restart, usually.starts[i] ?? 0]));
  return {
    slow: targets.filter((_, i) => isSlow(durations[i] ?? 0, timeoutSeconds)).map(workloadId),
    maxConcurrent,
    groups: plan.groups.map((group) => ({
      name: group.name,
      workloads: group.targets.map((target) => {
        const at = place.get(target);
        return {
          workload: workloadId(target),
          done: target.done || target.waits === true,
          replicas: factsOf(target).replicas,
          seconds: at === undefined ? 0 : tenths(durations[at] ?? 0),
          start: tenths(starts.get(target) ?? 0),
          ...(target.why === undefined ? {} : { why: causeText(target.why) }),
        };
      }),
    })),
    skipped: plan.skipped.map(({ workload, why }) => ({ workload, reason: skipText(why), code: why.code })),
    estimate: {
      seconds: tenths(usually.end),
      worstSeconds: tenths(atMost.end),
      basis: [
        basisOf(targets.map(factsOf), known.length > 0 ? usual : undefined, durations, timeoutSeconds),
        ...items.flatMap((item) =>
          "soak" in item && item.soak.seconds > 0 ? [`${item.soak.seconds} s in which the canaries are watched`] : [],
        ),
      ].join("; "),
    },
  };
}

/**
 * Time of one rolling update. The Deployment controller keeps surge + unavailable pods starting at any moment, a
 * StatefulSet as many as may be missing: so many waves, each as long as a pod takes to be available.
 */
export function rolloutSeconds(facts: RestartFacts, startupSeconds: number): number {
  const { replicas, surge, unavailable, partition = 0, minReadySeconds } = facts;
  const waves = Math.ceil(Math.max(0, replicas - partition) / Math.max(1, surge + unavailable));
  return waves * (startupSeconds + minReadySeconds) + OVERHEAD_SECONDS;
}

function basisOf(
  pending: readonly RestartFacts[],
  usual: number | undefined,
  durations: readonly number[],
  timeoutSeconds: number,
): string {
  if (pending.length === 0) return "nothing is left to restart";
  const known = pending.filter(({ startupSeconds }) => startupSeconds !== undefined).length;
  const unknown = pending.length - known;
  const slow = durations.filter((seconds) => isSlow(seconds, timeoutSeconds)).length;
  return [
    ...(known > 0 ? [`start-up times of the running pods of ${known} of ${pending.length} workloads`] : []),
    ...(unknown > 0
      ? [
          usual === undefined
            ? `no start-up time is known: ${GUESS_SECONDS} s assumed for each pod of ${unknown}`
            : `the median of the known ones, ${tenths(usual)} s, for ${unknown} whose is not known`,
        ]
      : []),
    `waves by each update strategy, ${OVERHEAD_SECONDS} s for the commands of each restart; the time that old pods take to end is not in it`,
    ...(slow > 0 ? [`${slow} would take longer than the limit of ${timeoutSeconds} s and so end the run`] : []),
  ].join("; ");
}

const isSlow = (seconds: number, timeoutSeconds: number) => seconds - OVERHEAD_SECONDS > timeoutSeconds;

/** The middle value; of an even number the mean of the two in the middle; undefined for none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

function tenths(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}
