import type { ClusterClient } from "../../../kubernetes/connect";
import { workloadId } from "../../../kubernetes/workload";
import type { LiveWorkload } from "../../../kubernetes/workloads";
import type { InjectionMode } from "../injected";
import { type RefusedPod, refusedPodWarnings } from "../refused-pods";
import { pendingGroups, type RestartPlan } from "../restarts";
import { askInjector } from "./injector";

/** Workloads whose new pod is asked about one by one; more would only load the API server. */
const MOST = 50;

/**
 * What a reviewer should know of workloads to restart whose new pods the API server would refuse as things are: quotas
 * with the proxy's requests in them, limits, priority classes, pod security, admission policies. Each is asked about by
 * a dry-run, because all of these may differ from one to the next.
 */
export async function refusedPods(
  client: ClusterClient,
  mode: InjectionMode,
  plan: RestartPlan,
  workloads: readonly LiveWorkload[],
): Promise<string[]> {
  if (client.readOnly) return [];
  const live = new Map(workloads.map((one) => [workloadId(one), one]));
  const asked = pendingGroups(plan)
    .flat()
    .flatMap((target) => live.get(workloadId(target)) ?? [])
    .slice(0, MOST);
  const answers = await Promise.all(
    asked.map(async (workload): Promise<RefusedPod[]> => {
      const answer = await askInjector(client, mode, workload);
      return "problem" in answer && answer.problem === "refused" ? [{ workload, message: answer.message }] : [];
    }),
  );
  return refusedPodWarnings(answers.flat());
}
