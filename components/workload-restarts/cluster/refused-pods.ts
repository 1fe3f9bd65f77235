import type { ClusterClient } from "../../../kubernetes/connect";
import { notSampled, sample } from "../../../kubernetes/sample";
import { tryPod } from "../../../kubernetes/try-pod";
import { workloadId } from "../../../kubernetes/workload";
import type { LiveWorkload } from "../../../kubernetes/workloads";
import type { InjectionFacts } from "../injection-facts";
import { type RefusedPod, refusedPodWarnings } from "../refused-pods";
import { pendingGroups, type RestartPlan } from "../restarts";

/** Workloads whose new pod is asked about one by one; more would only load the API server. */
const MOST = 50;

/**
 * What a reviewer should know of workloads to restart whose new pods the API server would refuse as things are: quotas
 * with the proxy's requests in them, limits, priority classes, pod security, admission policies. Each is asked about by
 * a dry-run, because all of these may differ from one to the next.
 */
export async function refusedPods(
  client: ClusterClient,
  plan: RestartPlan,
  workloads: readonly LiveWorkload[],
  { answers, askedAlone }: InjectionFacts,
): Promise<string[]> {
  if (client.readOnly) return [];
  const live = new Map(workloads.map((one) => [workloadId(one), one]));
  const pending = pendingGroups(plan)
    .flat()
    .flatMap((target) => live.get(workloadId(target)) ?? []);
  const known = pending.filter((one) => askedAlone.has(workloadId(one)));
  const unknown = pending.filter((one) => !askedAlone.has(workloadId(one)));
  const asked = sample(unknown, MOST);
  const refused = await Promise.all(
    [...known, ...asked].map(async (workload): Promise<RefusedPod[]> => {
      const answer = answers.get(workloadId(workload));
      const own = known.includes(workload) && answer !== undefined ? answer : await tryPod(client, workload);
      return "problem" in own && own.problem === "refused" ? [{ workload, message: own.message }] : [];
    }),
  );
  return [...refusedPodWarnings(refused.flat()), ...notSampled(pending.length, known.length + asked.length)];
}
