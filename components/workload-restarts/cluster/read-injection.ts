import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { type RunningPod, runningPods } from "../../../kubernetes/running-pods";
import { podWebhooks, selectedKeys } from "../../../kubernetes/webhooks";
import { workloadId } from "../../../kubernetes/workload";
import type { LiveWorkload } from "../../../kubernetes/workloads";
import type { InjectionMode } from "../injected";
import { type InjectionFacts, lackingPods, NO_INJECTION_FACTS } from "../injection-facts";
import { askForEach } from "./injector";

/** Asks the injector about each workload, and compares the running pods with what it says. Changes nothing. */
export async function readInjection(
  client: ClusterClient,
  mode: InjectionMode,
  workloads: readonly LiveWorkload[],
): Promise<InjectionFacts> {
  if (workloads.length === 0) return NO_INJECTION_FACTS;
  const webhooks = await podWebhooks(client);
  // Nobody injects: nothing need be asked.
  if (webhooks?.length === 0) return { ...NO_INJECTION_FACTS, webhooks };
  const answers = await askForEach(client, mode, workloads, selectedKeys(webhooks ?? []));
  const injected = workloads.filter((one) => {
    const answer = answers.get(workloadId(one));
    return answer && "injected" in answer && answer.injected.containers.length > 0;
  });
  const namespaces = [...new Set(injected.map(({ namespace }) => namespace))].sort();
  const pods = await Promise.all(
    namespaces.map(async (namespace) => ({ namespace, of: await list(client, namespace) })),
  );
  const unlisted = pods.flatMap(({ namespace, of }) => (of === undefined ? [namespace] : []));
  const lacking = lackingPods(
    mode,
    injected,
    answers,
    pods.flatMap(({ of }) => of ?? []),
  );
  return { answers, lacking, unlisted, ...(webhooks ? { webhooks } : {}) };
}

async function list(client: ClusterClient, namespace: string): Promise<RunningPod[] | undefined> {
  try {
    return await runningPods(client, namespace);
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return undefined;
    throw error;
  }
}
