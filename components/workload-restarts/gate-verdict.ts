import type { RunningPod } from "../../kubernetes/running-pods";
import type { LiveWorkload } from "../../kubernetes/workloads";
import { progressOf } from "../../kubernetes/workloads";
import { injectedInto, type InjectionMode, type InjectorAnswer, podLacks } from "./injected";
import { isOfTemplate, keptByPartition, replacedPods } from "./replaced-pods";
import {
  AGAIN_ANNOTATION,
  lostRestartAt,
  marksOf,
  momentOf,
  REASON_ANNOTATION,
  STAMP_ANNOTATION,
  takenBack,
} from "./stamp";

/** How far a restart is. */
export type GateVerdict =
  /** `note`: what could not be looked at. */
  | { readonly state: "done"; readonly note?: string }
  /** There is nothing to restart any more. */
  | { readonly state: "gone"; readonly why: string; readonly left: "not-found" | "being-deleted" }
  /** Waiting may help. */
  | { readonly state: "waiting"; readonly why: string }
  /** Waiting cannot help, unless `mayPass` for a moment: the injector that was asked may be one that is about to go. */
  | { readonly state: "failed"; readonly why: string; readonly mayPass?: true };

/** What the restart wrote. */
export interface Written {
  readonly stamp: string;
  readonly again?: string;
  readonly reason?: string;
}

/** Judges a workload by its own account: whether the stamp is still there, and how many pods its controller counts. */
export function judgeWorkload(live: LiveWorkload | undefined, written: Written): GateVerdict {
  if (live === undefined) return { state: "gone", why: "it was deleted", left: "not-found" };
  if (live.deleting) return { state: "gone", why: "it is being deleted", left: "being-deleted" };
  const annotation = lostAnnotation(marksOf(live), written);
  const lost = lostRestartAt(live) ? "spec.restartAt" : annotation && `the annotation ${annotation}`;
  if (lost !== undefined) {
    const writers = takenBack(live)?.writers ?? [];
    const where = live.kind === "Rollout" ? "it" : "its pod template";
    const known = writers.length > 0 ? ` (${where} is written by ${writers.join(", ")})` : "";
    return {
      state: "failed",
      why:
        `somebody took ${lost} off ${where}, or put another one there${known}, so its pods ` +
        "need not be those of this restart. What manages this workload must leave that alone; or exclude " +
        "the workload (restarts.exclude) and restart it through what manages it",
    };
  }
  return live.rolledOut ? { state: "done" } : { state: "waiting", why: progressOf(live) };
}

/**
 * Judges the pods of a workload that counts as rolled out: each must be of the new template, ready, and carry what the
 * injector of this moment injects.
 *
 * @param pods those that are not about to go.
 * @param answer what the injector says; a pod is compared with nothing when it could not be asked.
 */
export function judgePods(
  live: LiveWorkload,
  pods: readonly RunningPod[],
  answer: InjectorAnswer,
  mode: InjectionMode,
  written: Written,
): GateVerdict {
  const own = replacedPods(live, pods);
  for (const pod of own) {
    const { name, ready } = pod;
    const isOld = isOldPod(live, pod, written);
    // Nothing takes away the old pods of a workload that counts as restarted by somebody else.
    const state = live.kind !== "Rollout" && momentOf(live) !== undefined ? "failed" : "waiting";
    if (isOld !== undefined) return { state, why: `pod ${name} is still ${isOld}` };
    if (!ready) return { state: "waiting", why: `pod ${name} is not ready` };
  }
  if (own.length < live.replicas - keptByPartition(live)) {
    return { state: "waiting", why: `${own.length} of ${live.replicas} pods are there` };
  }
  if (!("injected" in answer)) {
    const isBare = (pod: RunningPod) => injectedInto(mode, pod, live.template.spec).containers.length === 0;
    if (answer.problem === "refused" && own.some(isBare)) {
      const note = `whether its pods have what the injector gives is not known, since ${answer.message}`;
      return { state: "done", note };
    }
    if (answer.problem !== "down") return { state: "done" };
    return { state: "waiting", why: `the injector does not answer, so its pods cannot be compared: ${answer.message}` };
  }
  for (const pod of own.filter((one) => isOfTemplate(live, one))) {
    const what = podLacks(mode, pod, live.template.spec, answer);
    if (what !== undefined) return { state: "failed", why: `pod ${pod.name} ${what}`, mayPass: true };
  }
  return { state: "done" };
}

/** Why a pod is none of the restart, in words; undefined when it is one. */
export function isOldPod(live: LiveWorkload, pod: RunningPod, written: Written): string | undefined {
  const since = momentOf(live);
  if (since === undefined) {
    return lostAnnotation(pod.annotations, written) === undefined ? undefined : "one of the old template";
  }
  return Date.parse(pod.created) >= Date.parse(since) ? undefined : `one of before ${since}`;
}

function lostAnnotation(
  annotations: Readonly<Record<string, string>>,
  { stamp, again, reason }: Written,
): string | undefined {
  if (annotations[STAMP_ANNOTATION] !== stamp) return STAMP_ANNOTATION;
  if (again !== undefined && annotations[AGAIN_ANNOTATION] !== again) return AGAIN_ANNOTATION;
  return reason !== undefined && annotations[REASON_ANNOTATION] !== reason ? REASON_ANNOTATION : undefined;
}
