import type { ClusterClient } from "./connect";
import { type LivePod, podSchema, readyPods } from "./pods";
import { rolloutOf, WORKLOAD_VERSIONS } from "./rollout";

/** A workload as it is on the cluster, undefined when it does not exist, and its ready pods, newest first. */
export async function workloadWithReadyPods(
  client: ClusterClient,
  { kind, namespace, name }: { kind: string; namespace: string; name: string },
): Promise<{ live: unknown; pods: LivePod[] }> {
  const live = await client.api.get({ apiVersion: WORKLOAD_VERSIONS[kind] ?? "", kind }, namespace, name);
  const labelSelector = live === undefined ? "" : rolloutOf(kind, live).podSelector;
  // Without one the API server would list every pod of the namespace.
  if (labelSelector === "") return { live, pods: [] };
  const pods = await client.list({ apiVersion: "v1", kind: "Pod" }, namespace, podSchema, { labelSelector });
  return { live, pods: readyPods(pods) };
}
