import { z } from "zod";
import { parseObject } from "./connect";
import { labelSelector, selectorText } from "./selector-text";
import { progressOf, workloadFacts } from "./workloads";

/** How far a workload of any kind is, in words. */
export interface Rollout {
  kind: string;
  namespace: string;
  name: string;
  complete: boolean;
  /** For example `1 of 2 replicas updated, 0 available`. */
  progress: string;
  /** Conditions that name a failure, for example `Progressing: ProgressDeadlineExceeded …`. */
  failures: string[];
  /** Label selector of its pods; empty when it has none of its own. */
  podSelector: string;
}

const count = z
  .number()
  .nullish()
  .transform((value) => value ?? 0);
const condition = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string().nullish(),
  message: z.string().nullish(),
});
const anyWorkload = z.looseObject({
  metadata: z.looseObject({ namespace: z.string(), name: z.string(), generation: count }),
  spec: z.looseObject({
    selector: labelSelector.nullish(),
    completions: z.number().nullish(),
    suspend: z.boolean().nullish(),
  }),
  status: z
    .looseObject({
      conditions: z.array(condition).nullish(),
      // Of an Argo Rollout it is a text.
      observedGeneration: z.union([count, z.string().transform(Number)]),
      desiredNumberScheduled: count,
      updatedNumberScheduled: count,
      numberAvailable: count,
      succeeded: count,
      failed: count,
      active: count,
    })
    .prefault({}),
});
type AnyWorkload = z.infer<typeof anyWorkload>;

/** API versions of the kinds that can be explained. */
export const WORKLOAD_VERSIONS: Readonly<Record<string, string>> = {
  Deployment: "apps/v1",
  StatefulSet: "apps/v1",
  DaemonSet: "apps/v1",
  Rollout: "argoproj.io/v1alpha1",
  Job: "batch/v1",
};

/** Reads how far a Deployment, StatefulSet, DaemonSet, Argo Rollout or Job is. */
export function rolloutOf(kind: string, live: unknown): Rollout {
  const parsed = parseObject(kind, live, anyWorkload);
  const { metadata, spec, status } = parsed;
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    ...stateOf(kind, live, parsed),
    failures: (status.conditions ?? [])
      .filter(isFailure)
      .map(({ type, reason, message }) => `${type}: ${words(reason, message)}`),
    podSelector: selectorText(spec.selector ?? {}),
  };
}

function stateOf(
  kind: string,
  live: unknown,
  { metadata, spec, status }: AnyWorkload,
): { complete: boolean; progress: string } {
  if (kind === "Deployment" || kind === "StatefulSet" || kind === "Rollout") {
    const facts = workloadFacts(kind, live);
    return { complete: facts.rolledOut, progress: progressOf(facts) };
  }
  if (kind === "Job") {
    const done = (status.conditions ?? []).some(({ type, status: value }) => type === "Complete" && value === "True");
    const counts = `${status.succeeded} of ${spec.completions ?? 1} completed, ${status.failed} failed, ${status.active} running`;
    return { complete: done, progress: spec.suspend ? `${counts}, suspended` : counts };
  }
  const { desiredNumberScheduled: desired, updatedNumberScheduled: updated, numberAvailable: available } = status;
  const complete = status.observedGeneration >= metadata.generation && updated >= desired && available >= desired;
  return { complete, progress: `${updated} of ${desired} pods updated, ${available} available` };
}

/** `Available: False` only repeats the counts; the others say something. */
function isFailure({ type, status }: z.infer<typeof condition>): boolean {
  return (
    (status === "True" && ["ReplicaFailure", "Failed"].includes(type)) || (status === "False" && type === "Progressing")
  );
}

/** Joins what is there of a reason and a message. */
export function words(...parts: (string | null | undefined)[]): string {
  return parts.filter((part) => part).join(" ");
}
