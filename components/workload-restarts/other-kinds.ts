import type { WorkloadKind } from "../../kubernetes/workload";
import type { SkipReason } from "./skipped";

/** What runs pods under a name that is no Deployment, StatefulSet or DaemonSet. */
export interface OtherWorkload {
  readonly kind: "Rollout" | "CronJob" | "ReplicaSet" | "Job" | "Pod";
  readonly namespace: string;
  readonly name: string;
  /** The workload whose template an Argo Rollout runs pods of. */
  readonly refersTo?: { readonly kind: string; readonly name: string };
}

/** What else a name means, for those that are no workload that a new template restarts. */
export function otherOf(
  others: readonly OtherWorkload[],
  named: { kind?: string; namespace: string; name: string },
): OtherWorkload | undefined {
  return others.find(
    ({ kind, namespace, name }) =>
      namespace === named.namespace && name === named.name && (named.kind === undefined || named.kind === kind),
  );
}

/** The Argo Rollout that runs the pods of a workload, which itself is scaled to nothing then. */
export function rolloutOfWorkload(
  others: readonly OtherWorkload[],
  workload: { kind: WorkloadKind; namespace: string; name: string },
): OtherWorkload | undefined {
  return others.find(
    ({ namespace, refersTo }) =>
      namespace === workload.namespace && refersTo?.kind === workload.kind && refersTo.name === workload.name,
  );
}

/** Why it is not restarted. */
export function skipOther({ kind, namespace, name }: OtherWorkload, namedBy: string): SkipReason {
  switch (kind) {
    case "Rollout":
      return { code: "rollout", rollout: name, namespace };
    case "CronJob":
      return { code: "cron-job" };
    case "Job":
      return { code: "job" };
    case "ReplicaSet":
      return { code: "replica-set" };
    case "Pod":
      return { code: "not-restartable", kind, namedBy };
  }
}
