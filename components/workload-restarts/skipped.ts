import { z } from "zod";

/** Why a workload is not restarted. */
export const skipCode = z.enum([
  "excluded",
  "no-replicas",
  "paused",
  "on-delete",
  "partition",
  "being-deleted",
  "webhook-down",
  "unchanged",
  "not-found",
  "not-restartable",
  "other-controller",
  "cron-job",
  "job",
  "replica-set",
]);
export type SkipCode = z.infer<typeof skipCode>;

/** Why a workload is not restarted, with what the text needs. */
export type SkipReason =
  | { readonly code: "excluded" | "no-replicas" | "paused" | "on-delete" | "partition" | "unchanged" }
  | { readonly code: "being-deleted" }
  /** `message`: what the API server says of a new pod. */
  | { readonly code: "webhook-down"; readonly message: string }
  | { readonly code: "cron-job" | "job" | "replica-set" }
  /** Something of another kind runs the pods; `how` it is restarted. */
  | { readonly code: "other-controller"; readonly kind: string; readonly how: string }
  /** `namedBy`: who names it. */
  | { readonly code: "not-found"; readonly namedBy: string }
  | { readonly code: "not-restartable"; readonly kind: string; readonly namedBy: string };

/** A workload that is left alone. */
export interface SkippedWorkload {
  /** `Kind/namespace/name`, or `namespace/name` where the kind is not known. */
  readonly workload: string;
  readonly why: SkipReason;
}

/** Whether its pods may go on running under an older configuration. */
const KEEPS_OLD_PODS: Readonly<Record<SkipCode, boolean>> = {
  excluded: true,
  "no-replicas": false,
  paused: true,
  "on-delete": true,
  partition: true,
  "being-deleted": false,
  "webhook-down": true,
  unchanged: false,
  "not-found": false,
  // Nobody can say of a kind that is not known.
  "not-restartable": true,
  "other-controller": true,
  "cron-job": false,
  job: true,
  "replica-set": true,
};

/** Whether a workload that is skipped for this may keep pods with an older configuration. */
export function keepsOldPods(code: SkipCode): boolean {
  return KEEPS_OLD_PODS[code];
}

/**
 * The reason in words. It is in the state of stacks, as an output and as an input of a component: another wording is a
 * change in each of them.
 */
export function skipText(why: SkipReason): string {
  switch (why.code) {
    case "excluded":
      return "excluded by restarts.exclude";
    case "no-replicas":
      return "has no replicas; pods started later get the new configuration";
    case "paused":
      return "its rollout is paused; kubectl rollout resume, then pulumi up again";
    case "on-delete":
      return "its update strategy is OnDelete; delete its pods one by one";
    case "partition":
      return "its partition keeps all of its pods; lower spec.updateStrategy.rollingUpdate.partition, then pulumi up again";
    case "being-deleted":
      return "is being deleted";
    case "webhook-down":
      return `no new pod of it can be created now: ${why.message}`;
    case "unchanged":
      return "its injected configuration does not change";
    case "other-controller":
      return `is of kind ${why.kind}, which is not restarted here: ${why.how}`;
    case "cron-job":
      return "is a CronJob; the pods of its next run get the new configuration";
    case "job":
      return "is a Job; its pods keep what they have until they end";
    case "replica-set":
      return "is a ReplicaSet without a Deployment, so no new template replaces its pods; delete them one by one";
    case "not-found":
      return `not found (named by ${why.namedBy})`;
    case "not-restartable":
      return why.kind === "Pod"
        ? `a Pod without a controller cannot be restarted; delete and create it (named by ${why.namedBy})`
        : `${why.kind} is not restarted, only Deployments and StatefulSets are (named by ${why.namedBy})`;
  }
}

/** Workloads that are left alone, as outputs and component inputs show them. */
export function skippedInWords(skipped: readonly SkippedWorkload[]): { workload: string; reason: string }[] {
  return skipped.map(({ workload, why }) => ({ workload, reason: skipText(why) }));
}
