import type { ClusterClient } from "../../../kubernetes/connect";
import { workloadId } from "../../../kubernetes/workload";
import type { LiveWorkload } from "../../../kubernetes/workloads";
import type { InjectionMode } from "../injected";
import type { RecordedStamp } from "../restarts";
import { type ConfigurationRef, newSince } from "./new-since";

/**
 * A record without the workloads whose pods somebody replaced by hand since: all of them are younger than the
 * configuration. Nobody is told again to delete the pods of an OnDelete workload that did.
 */
export async function withoutRenewed(
  client: ClusterClient,
  mode: InjectionMode,
  record: RecordedStamp,
  workloads: readonly LiveWorkload[],
  configuration: readonly ConfigurationRef[],
): Promise<RecordedStamp> {
  const behind = workloads.filter((one) => one.replicas > 0 && record.stale.includes(workloadId(one)));
  const since = await Promise.all(behind.map((one) => newSince(client, mode, one, configuration)));
  const renewed = new Set(behind.filter((_, i) => since[i] !== undefined).map(workloadId));
  return { ...record, stale: record.stale.filter((id) => !renewed.has(id)) };
}
