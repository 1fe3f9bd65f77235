import type { RestartTarget } from "./restarts";
import {
  AGAIN_ANNOTATION,
  BROKEN_ANNOTATION,
  FIELD_MANAGER,
  REASON_ANNOTATION,
  RESTARTED_AT_ANNOTATION,
  STAMP_ANNOTATION,
} from "./stamp";

type Marks = Pick<RestartTarget, "again" | "reason" | "brokenBefore">;

/**
 * What restarting a workload writes to it: the stamp on its pod template, and how the provider is to patch. Applied
 * with the field manager that is named here, taking the stamp over from a hand edit.
 */
export function restartPatch(stamp: string, target: Marks) {
  return {
    metadata: { annotations: ownAnnotations(stamp, target) },
    spec: { template: { metadata: { annotations: marks(stamp, target) } } },
  };
}

/** The same for an Argo Rollout, which is restarted by a moment: its controller evicts the pods that are older. */
export function rolloutPatch<Moment>(stamp: string, target: Marks, restartAt: Moment) {
  return {
    metadata: {
      annotations: {
        ...ownAnnotations(stamp, target),
        ...marks(stamp, target),
        [RESTARTED_AT_ANNOTATION]: restartAt,
      },
    },
    spec: { restartAt },
  };
}

/** What is written to a workload that was restarted by somebody else in time: its pods stay as they are. */
export function adoptedPatch(stamp: string, target: Marks & Pick<RestartTarget, "kept">, moment: string) {
  const { kept = {} } = target;
  const { metadata } = rolloutPatch(stamp, target, moment);
  return {
    metadata,
    spec: Object.keys(kept).length === 0 ? undefined : { template: { metadata: { annotations: kept } } },
  };
}

/**
 * A moment as `spec.restartAt` has it. The API server and Argo count in whole seconds, so it is the end of the present
 * one: no pod of before is as new as that.
 */
export function restartAt(now: Date): string {
  const second = new Date((Math.floor(now.getTime() / 1000) + 1) * 1000);
  return second.toISOString().replace(".000Z", "Z");
}

function ownAnnotations(stamp: string, { brokenBefore }: Marks): Record<string, string> {
  return {
    "pulumi.com/patchFieldManager": FIELD_MANAGER,
    // Only our own annotation is written; taking it over from a hand edit is meant.
    "pulumi.com/patchForce": "true",
    // The gate that follows waits; waiting twice only makes the window slower.
    "pulumi.com/skipAwait": "true",
    ...(brokenBefore ? { [BROKEN_ANNOTATION]: stamp } : {}),
  };
}

function marks(stamp: string, { again, reason }: Marks): Record<string, string> {
  return {
    [STAMP_ANNOTATION]: stamp,
    ...(again === undefined ? {} : { [AGAIN_ANNOTATION]: again }),
    ...(reason === undefined ? {} : { [REASON_ANNOTATION]: reason }),
  };
}
