import { selects } from "../../kubernetes/label-selector";
import { dig, isMap, type KubeObject } from "../../kubernetes/objects";
import type { PodWorkload } from "../../kubernetes/pod-templates";

/** The PodDisruptionBudget that keeps at least one pod of the workload; null when none does. */
export function budgetOf(
  workload: PodWorkload,
  objects: readonly KubeObject[],
  defaultNamespace: string,
): string | null {
  const labels = dig(workload.template, "metadata", "labels");
  const found = objects.find(
    (object) =>
      object.kind === "PodDisruptionBudget" &&
      (object.metadata.namespace ?? defaultNamespace) === workload.namespace &&
      selects(dig(object, "spec", "selector"), isMap(labels) ? labels : {}) &&
      keepsOne(object, workload.replicas),
  );
  return found?.metadata.name ?? null;
}

/** The fewest and the most pods that an autoscaler of the release may leave the workload; undefined without one. */
export function autoscalerLimits(
  { kind, namespace, name }: PodWorkload,
  objects: readonly KubeObject[],
  defaultNamespace: string,
): { fewest: number; most: number } | undefined {
  const found = objects.find(
    (object) =>
      object.kind === "HorizontalPodAutoscaler" &&
      (object.metadata.namespace ?? defaultNamespace) === namespace &&
      dig(object, "spec", "scaleTargetRef", "kind") === kind &&
      dig(object, "spec", "scaleTargetRef", "name") === name,
  );
  if (!found) return undefined;
  const [least, most] = [dig(found, "spec", "minReplicas"), dig(found, "spec", "maxReplicas")];
  const fewest = typeof least === "number" ? least : 1;
  return { fewest, most: typeof most === "number" ? Math.max(most, fewest) : fewest };
}

/** False for a budget that lets all pods go at once: `minAvailable: 0`, or `maxUnavailable` of all. */
function keepsOne(budget: KubeObject, replicas: number): boolean {
  const pods = (value: unknown, round: (x: number) => number) =>
    typeof value === "number"
      ? value
      : typeof value === "string" && value.endsWith("%")
        ? round((parseInt(value, 10) / 100) * replicas)
        : undefined;
  // The disruption controller rounds both up.
  const least = pods(dig(budget, "spec", "minAvailable"), Math.ceil);
  if (least !== undefined) return least > 0;
  const most = pods(dig(budget, "spec", "maxUnavailable"), Math.ceil);
  return most !== undefined && most < Math.max(replicas, 1);
}
