import { z } from "zod";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { dig } from "../../../kubernetes/objects";
import { rolloutOf } from "../../../kubernetes/rollout";
import { type RunningPod, runningPods, withAdopted } from "../../../kubernetes/running-pods";
import { workloadId } from "../../../kubernetes/workload";
import { type LiveWorkload, readWorkload, readWorkloads } from "../../../kubernetes/workloads";
import type { GateJob } from "../gate-job";
import { isOldPod, judgePods, judgeWorkload } from "../gate-verdict";
import { stampOn } from "../stamp";
import type { Seen } from "../patience";
import { replacedPods } from "../replaced-pods";
import { brokenInOrder, stuckOf } from "../stuck";
import { askInjector } from "./injector";

/** What one look at a restart shows. */
export interface Look extends Seen {
  /** Of the object that was looked at. */
  readonly uid?: string;
  /** Its rollout is paused, and that is what it waits for. */
  readonly paused?: boolean;
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
  const { object, live } = (await readWorkload(client, { kind, namespace, name })) ?? {};
  const verdict = judgeWorkload(live, job);
  const at = { uid: String(dig(object, "metadata", "uid")) };
  if (live === undefined || verdict.state === "failed" || verdict.state === "gone") return { verdict, ...at };
  // Where pods may not be listed, the counts of the controller have to do; the review says so.
  const pods = await podsOf(client, live);
  if (verdict.state === "waiting") {
    const counts = `${live.updated} ${live.available} ${live.old}`;
    // What the conditions say is about an earlier template until the controller has seen the new one.
    const seen = live.observedGeneration >= live.generation;
    // Of a Rollout they are about its last update, which a restart is none of.
    const failures = seen && kind !== "Rollout" ? rolloutOf(kind, object).failures : [];
    // A Deployment has a condition for it; other kinds have events only.
    const missing =
      pods !== undefined &&
      (kind === "DaemonSet" ? live.updated : kind === "Deployment" ? Infinity : pods.length) < live.replicas;
    const old = (pods ?? []).filter((pod) => isOldPod(live, pod, job) !== undefined);
    const [first] = old;
    // While a pod is not ready, a budget holds up the next one and is meant to.
    const held = kind === "Rollout" && !missing && pods?.every(({ ready }) => ready) === true ? first : undefined;
    const refused = missing ? await refusedPod(client, live, since) : held && (await heldPod(client, held));
    if ([...failures, refused ?? ""].some((text) => text.includes("because it is being terminated"))) {
      return { verdict: { state: "gone", why: "its namespace is being deleted", left: "being-deleted" } };
    }
    // A quota that other restarts fill gets room when they are done.
    const isFull = [...failures, refused ?? ""].some((text) => text.includes("exceeded quota"));
    if (isFull && ((await leavingPods(client, namespace)) || (await othersUnderWay(client, live, job.stamp)))) {
      return { verdict, ...at, pods, podSelector: live.podSelector, counts, getsRoom: true, unwatched: true };
    }
    const paused = live.paused ? { why: `its rollout is paused: ${resume(live)}`, hopeless: false } : undefined;
    const stuck =
      brokenInOrder(live, replacedPods(live, old)) ??
      stuckOf(failures, pods?.filter((pod) => !old.includes(pod)) ?? [], refused) ??
      paused;
    const unwatched = held !== undefined;
    const isPaused = paused !== undefined && stuck === paused;
    return { verdict, ...at, stuck, pods, podSelector: live.podSelector, counts, unwatched, paused: isPaused };
  }
  if (pods === undefined) return { verdict, ...at };
  const answer = await askInjector(client, mode, live);
  const podVerdict = judgePods(live, pods, answer, mode, job);
  return { verdict: podVerdict, ...at, pods, podSelector: live.podSelector, unwatched: "problem" in answer };
}

const resume = ({ namespace, name }: LiveWorkload) =>
  `kubectl rollout resume deployment ${name} --namespace ${namespace}`;

/** Whether pods of a namespace are about to go: they count in its quota until then. */
async function leavingPods(client: ClusterClient, namespace: string): Promise<boolean> {
  const pods = await orForbidden(client.api.list({ apiVersion: "v1", kind: "Pod" }, namespace));
  return (pods ?? []).some((one) => dig(one, "metadata", "deletionTimestamp") !== undefined);
}

/** Whether other workloads of a namespace have new pods of this restart, and are not done yet. */
async function othersUnderWay(client: ClusterClient, { kind, namespace, name }: LiveWorkload, stamp: string) {
  const all = await readWorkloads(client, [namespace]);
  return all.some(
    (other) =>
      (other.kind !== kind || other.name !== name) && stampOn(other) === stamp && !other.rolledOut && other.updated > 0,
  );
}

async function podsOf(client: ClusterClient, live: LiveWorkload): Promise<RunningPod[] | undefined> {
  const { namespace, podSelector } = live;
  const pods = await orForbidden(runningPods(client, namespace, podSelector));
  const isOwn = ({ workload }: RunningPod) => workload === workloadId(live);
  const all = pods?.every(isOwn) === false ? await withAdopted(client, namespace, pods, podSelector) : pods;
  return all?.filter(isOwn);
}

const event = z.looseObject({
  message: z.string().default(""),
  involvedObject: z.looseObject({ name: z.string().default("") }),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
});

/** Why the controller could not create a pod since then. */
async function refusedPod(
  client: ClusterClient,
  { kind, namespace, name }: LiveWorkload,
  since: Date,
): Promise<string | undefined> {
  // The pods of a Rollout are created for its ReplicaSets, which are named after it.
  const about = kind === "Rollout" ? "involvedObject.kind=ReplicaSet" : `involvedObject.kind=${kind}`;
  const fieldSelector = `${about}${kind === "Rollout" ? "" : `,involvedObject.name=${name}`},reason=FailedCreate`;
  const events = await orForbidden(
    client.list({ apiVersion: "v1", kind: "Event" }, namespace, event, { fieldSelector }),
  );
  // The API server keeps whole seconds.
  const news = (events ?? []).filter(
    ({ lastTimestamp, eventTime, involvedObject }) =>
      Date.parse(lastTimestamp ?? eventTime ?? "") >= since.getTime() - 1000 &&
      (kind !== "Rollout" || involvedObject.name.replace(/-[^-]+$/, "") === name),
  );
  const last = news.at(-1);
  return last && `FailedCreate: ${last.message}`;
}

/** Why a pod may not be evicted, as the API server says of a dry-run. */
async function heldPod(client: ClusterClient, { namespace, name }: RunningPod): Promise<string | undefined> {
  const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { namespace, name } };
  try {
    await client.api.dryRun("POST", `/api/v1/namespaces/${namespace}/pods/${name}/eviction`, { body });
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.code === 429 ? `pod ${name} may not be evicted: ${error.message}` : undefined;
  }
}

async function orForbidden<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return undefined;
    throw error;
  }
}
