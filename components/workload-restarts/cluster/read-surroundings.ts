import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import type { KubeObject } from "../../../kubernetes/objects";
import { kubeObject } from "../../../kubernetes/objects";

const KINDS = [
  { apiVersion: "policy/v1", kind: "PodDisruptionBudget" },
  { apiVersion: "v1", kind: "ResourceQuota" },
  { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler" },
] as const;

/** What meets restarts in these namespaces; what may not be listed is passed over. */
export async function readSurroundings(client: ClusterClient, namespaces: readonly string[]): Promise<KubeObject[]> {
  const lists = namespaces.flatMap((namespace) =>
    KINDS.map(async (type) => {
      try {
        return await client.list(type, namespace, kubeObject);
      } catch (error) {
        if (error instanceof ApiError && error.code === 403) return [];
        throw error;
      }
    }),
  );
  return (await Promise.all(lists)).flat();
}
