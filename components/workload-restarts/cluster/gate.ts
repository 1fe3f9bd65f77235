import { z } from "zod";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { rolloutOf } from "../../../kubernetes/rollout";
import { type RunningPod, runningPods } from "../../../kubernetes/running-pods";
import { workloadId } from "../../../kubernetes/workload";
import { type LiveWorkload, workloadFacts } from "../../../kubernetes/workloads";
import type { GateJob } from "../gate-job";
import { type GateVerdict, judgePods, judgeWorkload } from "../gate-verdict";
import { type Stuck, stuckOf } from "../stuck";
import { askInjector } from "./injector";

/** What one look at a restart shows. */
export interface Look {
  readonly verdict: GateVerdict;
  /** What keeps it from going on. */
  readonly stuck?: Stuck;
  /** Its pods, where they may be looked at. */
  readonly pods?: readonly RunningPod[];
  /** Label selector of its pods. */
  readonly podSelector?: string;
  /** It waits for something that no watch of the workload tells of. */
  readonly unwatched?: boolean;
}

/** The same as {@link lookAtRestart}: an API server that fails for a moment is no reason to give up. */
export async function lookPatiently(client: ClusterClient, job: GateJob, since: Date): Promise<Look> {
  try {
    return await lookAtRestart(client, job, since);
  } catch (error) {
    const passing = error instanceof UnreachableError || (error instanceof ApiError && error.code >= 500);
    if (!passing) throw error;
    const why = `the cluster does not answer: ${error.message}`;
    return { verdict: { state: "waiting", why }, unwatched: true };
  }
}

/**
 * Looks once how far a restart is.
 *
 * @param since when the gate began to look: older events are about other restarts.
 */
export async function lookAtRestart(client: ClusterClient, job: GateJob, since: Date): Promise<Look> {
  const { kind, namespace, name, mode } = job;
  const object = await client.api.get({ apiVersion: "apps/v1", kind }, namespace, name);
  const live = object === undefined ? undefined : workloadFacts(kind, object);
  const verdict = judgeWorkload(live, job);
  if (live === undefined || verdict.state === "failed") return { verdict };
  // Where pods may not be listed, the counts of the controller have to do; the review says so.
  const pods = await podsOf(client, live);
  if (verdict.state === "waiting") {
    // What the conditions say is about an earlier template until the controller has seen the new one.
    const seen = live.observedGeneration >= live.generation;
    const failures = seen ? rolloutOf(kind, object).failures : [];
    // A Deployment has a condition for it; other kinds have events only.
    const missing = kind !== "Deployment" && pods !== undefined && pods.length < live.replicas;
    const refused = missing ? await refusedPod(client, live, since) : undefined;
    return { verdict, stuck: stuckOf(failures, pods ?? [], job.stamp, refused), pods, podSelector: live.podSelector };
  }
  if (pods === undefined) return { verdict };
  const answer = await askInjector(client, mode, live);
  const podVerdict = judgePods(live, pods, answer, mode, job);
  return { verdict: podVerdict, pods, podSelector: live.podSelector, unwatched: "problem" in answer };
}

async function podsOf(client: ClusterClient, live: LiveWorkload): Promise<RunningPod[] | undefined> {
  const pods = await orForbidden(runningPods(client, live.namespace, live.podSelector));
  return pods?.filter(({ workload }) => workload === workloadId(live));
}

const event = z.looseObject({
  message: z.string().default(""),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
});

/** Why the controller could not create a pod since then. */
async function refusedPod(
  client: ClusterClient,
  { kind, namespace, name }: LiveWorkload,
  since: Date,
): Promise<string | undefined> {
  const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name},reason=FailedCreate`;
  const events = await orForbidden(
    client.list({ apiVersion: "v1", kind: "Event" }, namespace, event, { fieldSelector }),
  );
  // The API server keeps whole seconds.
  const news = (events ?? []).filter(
    ({ lastTimestamp, eventTime }) => Date.parse(lastTimestamp ?? eventTime ?? "") >= since.getTime() - 1000,
  );
  const last = news.at(-1);
  return last && `FailedCreate: ${last.message}`;
}

async function orForbidden<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return undefined;
    throw error;
  }
}
