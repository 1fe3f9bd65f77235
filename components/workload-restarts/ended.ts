import { RunError } from "@pulumi/pulumi";
import { z } from "zod";
import { workloadId } from "../../kubernetes/workload";
import { listed } from "../../shared/listed";
import { errorText } from "../../shared/user-error";
import type { RestartTarget } from "./restarts";
import { keepsOldPods, type SkippedWorkload, type SkipReason } from "./skipped";

/** What the gate behind a restart says where there is more to say than that it is done. */
export const gateResult = z.strictObject({
  /** In words; told once. */
  told: z.string(),
  /** Why the workload is not restarted any more; undefined: it is. */
  left: z.enum(["not-found", "being-deleted", "paused"]).optional(),
});
export type GateResult = z.infer<typeof gateResult>;

/** Reads what a gate put out; undefined when there is nothing to say, or an earlier version of it ran. */
export function parseGateResult(stdout: string | undefined): GateResult | undefined {
  if (!stdout) return undefined;
  try {
    return gateResult.safeParse(JSON.parse(stdout)).data;
  } catch {
    return undefined;
  }
}

/** A workload whose turn came. */
export interface Ended {
  readonly target: RestartTarget;
  /** It carries the stamp of this restart. */
  readonly patched?: true;
  /** Why it was left alone after all. */
  readonly left?: SkipReason;
}

/** Workloads that were left alone when their turn came, as a plan has those that it leaves out from the beginning. */
export interface LeftAlone {
  readonly skipped: readonly SkippedWorkload[];
  readonly stale: readonly string[];
}

export function leftAlone(ended: readonly Ended[]): LeftAlone {
  const skipped = ended.flatMap(({ target, left }) => (left ? [{ workload: workloadId(target), why: left }] : []));
  const stale = ended.flatMap(({ target, left, patched }) => {
    const mayBeOld = left !== undefined && !patched && (keepsOldPods(left.code) || left.code === "no-replicas");
    return mayBeOld ? [workloadId(target)] : [];
  });
  return { skipped, stale };
}

/** A gate's reason as a plan has it. */
export function reasonOf(left: NonNullable<GateResult["left"]>, namedBy: string): SkipReason {
  return left === "not-found" ? { code: left, namedBy } : { code: left };
}

/** @throws RunError that names the workloads which webhooks held up, since their pods keep an old configuration. */
export function refuseHeldUp({ skipped }: LeftAlone): void {
  const held = skipped.flatMap(({ workload, why }) => (why.code === "webhook-down" ? [{ workload, ...why }] : []));
  const [first] = held;
  if (first === undefined) return;
  const which = listed(held.map(({ workload }) => workload));
  const problem = `not restarted, because no new pod of them can be created: ${which} (${first.message}). All others are done`;
  throw new RunError(errorText(problem, "repair what serves the webhook, then pulumi up again"));
}
