import type { Workload } from "./facts";
import type { Release } from "./release";

/** What a workload lacks to outlive a drained node, in words; undefined when nothing. */
export function lacking(one: Workload, wanted: { replicas: number; budget: boolean }): string | undefined {
  const lacks = [
    ...(one.replicas < wanted.replicas ? [`${one.replicas} of ${wanted.replicas} replicas`] : []),
    ...(wanted.budget && one.budget === null ? ["no PodDisruptionBudget"] : []),
  ];
  return lacks.length > 0 ? lacks.join(" and ") : undefined;
}

/** Replicas that a Release's values give a component; 1, the chart's default, where they do not say. */
export function replicasOf(release: Release, component: string): number {
  const count = release.value(component, "replicaCount");
  return typeof count === "number" ? count : 1;
}
