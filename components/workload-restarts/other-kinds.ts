import { restartOf } from "./own-restart";
import type { SkipReason } from "./skipped";

/** What runs pods under a name that is none of the kinds that are restarted. */
export interface OtherWorkload {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Of a kind that is known by its pods only. */
  readonly apiVersion?: string;
  /** Pod template of a CronJob, or of a Job that is not finished. */
  readonly template?: { readonly metadata?: object | null; readonly spec?: object };
}

/** What else a name means, for those that are no workload that is restarted. */
export function otherOf(
  others: readonly OtherWorkload[],
  named: { kind?: string; namespace: string; name: string },
): OtherWorkload | undefined {
  return others.find(
    ({ kind, namespace, name }) =>
      namespace === named.namespace && name === named.name && (named.kind === undefined || named.kind === kind),
  );
}

/** Why it is not restarted. */
export function skipOther(other: OtherWorkload, namedBy: string): SkipReason {
  const { kind, apiVersion } = other;
  if (apiVersion !== undefined) return { code: "other-controller", kind, how: restartOf({ ...other, apiVersion }) };
  switch (kind) {
    case "CronJob":
      return { code: "cron-job" };
    case "Job":
      return { code: "job" };
    case "ReplicaSet":
      return { code: "replica-set" };
    default:
      return { code: "not-restartable", kind, namedBy };
  }
}
