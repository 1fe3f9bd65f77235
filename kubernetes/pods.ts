import { z } from "zod";

export const terminated = z.looseObject({
  exitCode: z.number().optional(),
  signal: z.number().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
});
const containerStatus = z.looseObject({
  name: z.string(),
  ready: z.boolean().default(false),
  restartCount: z.number().default(0),
  state: z
    .looseObject({
      waiting: z.looseObject({ reason: z.string().optional(), message: z.string().optional() }).nullish(),
      terminated: terminated.nullish(),
    })
    .nullish(),
  lastState: z.looseObject({ terminated: terminated.nullish() }).nullish(),
});
/** A pod as far as its state is looked at. */
export const podSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    creationTimestamp: z.string().default(""),
    deletionTimestamp: z.string().optional(),
    finalizers: z.array(z.string()).nullish(),
  }),
  spec: z
    .looseObject({
      volumes: z
        .array(z.looseObject({ persistentVolumeClaim: z.looseObject({ claimName: z.string() }).nullish() }))
        .nullish(),
    })
    .prefault({}),
  status: z
    .looseObject({
      phase: z.string().default("Unknown"),
      reason: z.string().optional(),
      message: z.string().optional(),
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.string(), message: z.string().nullish() }))
        .nullish(),
      containerStatuses: z.array(containerStatus).nullish(),
      initContainerStatuses: z.array(containerStatus).nullish(),
    })
    .prefault({}),
});
export type LivePod = z.infer<typeof podSchema>;
export type LiveContainer = z.infer<typeof containerStatus>;

/** Newest first, by when they were created. */
export function newestFirst(pods: readonly LivePod[]): LivePod[] {
  return [...pods].sort((a, b) => order(b.metadata.creationTimestamp, a.metadata.creationTimestamp));
}

/** The pods that are ready and not about to go, newest first. */
export function readyPods(pods: readonly LivePod[]): LivePod[] {
  return newestFirst(pods).filter(
    ({ metadata, status }) => hasCondition(status, "Ready", "True") && metadata.deletionTimestamp === undefined,
  );
}

/** Whether the condition of this type has this value. */
export function hasCondition(status: LivePod["status"], type: string, value: string): boolean {
  return (status.conditions ?? []).some((condition) => condition.type === type && condition.status === value);
}

/** Of two texts, for sorting. */
export function order(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
