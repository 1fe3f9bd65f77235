import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { type RunningPod, runningPods } from "../../../kubernetes/running-pods";
import { workloadId } from "../../../kubernetes/workload";
import { workloadFacts } from "../../../kubernetes/workloads";
import type { GateJob } from "../gate-job";
import { type GateVerdict, judgePods, judgeWorkload } from "../gate-verdict";
import { askInjector } from "./injector";

/** Looks once how far a restart is. */
export async function lookAtRestart(client: ClusterClient, job: GateJob): Promise<GateVerdict> {
  const { kind, namespace, name, mode } = job;
  const object = await client.api.get({ apiVersion: "apps/v1", kind }, namespace, name);
  const live = object === undefined ? undefined : workloadFacts(kind, object);
  const verdict = judgeWorkload(live, job);
  if (live === undefined || verdict.state !== "done") return verdict;
  // Where pods may not be listed, the counts of the controller have to do; the review says so.
  const pods = await podsOf(client, namespace, live.podSelector);
  if (pods === undefined) return verdict;
  const own = pods.filter(({ workload }) => workload === workloadId(live));
  return judgePods(live, own, await askInjector(client, mode, live), mode, job);
}

async function podsOf(client: ClusterClient, namespace: string, selector: string): Promise<RunningPod[] | undefined> {
  try {
    return await runningPods(client, namespace, selector);
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return undefined;
    throw error;
  }
}
