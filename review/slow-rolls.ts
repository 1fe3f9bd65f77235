import { readStartupTimes } from "../components/workload-restarts/cluster/startup-times";
import { rolloutSeconds } from "../components/workload-restarts/restart-estimate";
import type { ClusterClient } from "../kubernetes/connect";
import { podWorkload } from "../kubernetes/pod-templates";
import { listed } from "../shared/listed";
import type { Upgraded } from "./upgraded";

/**
 * Workloads of the release that helm would give up on, because replacing their pods takes longer than it waits: by how
 * long their pods took to start and by their update strategy.
 *
 * @param limit longest wait of helm, in seconds.
 */
export async function slowRolls(
  client: ClusterClient,
  { objects, replaced, namespace }: Upgraded,
  limit: number,
): Promise<string[]> {
  const rolling = objects.flatMap(({ after }) => {
    const workload = podWorkload(after, namespace);
    if (!workload || workload.replicas === 0 || !replaced.has(workload.id)) return [];
    return workload.strategy.type === "OnDelete" || workload.strategy.paused ? [] : [workload];
  });
  if (rolling.length === 0) return [];
  const startup = await readStartupTimes(
    client,
    rolling.map((one) => one.namespace),
  );
  const slow = rolling.flatMap(({ id, replicas, strategy }) => {
    const seconds = Math.round(rolloutSeconds({ ...strategy, replicas }, startup.get(id) ?? 0));
    return seconds > limit ? [`${id} (about ${seconds} s)`] : [];
  });
  if (slow.length === 0) return [];
  return [
    `helm would give up on ${listed(slow)}: by their strategy and the start of their pods they take longer than timeouts.release ` +
      `(${limit} s): pulumi config set --path timeouts.release <seconds>`,
  ];
}
