import { selects } from "../../kubernetes/label-selector";
import { dig, isMap, type KubeObject } from "../../kubernetes/objects";
import { workloadId } from "../../kubernetes/workload";
import type { LiveWorkload } from "../../kubernetes/workloads";
import { listed } from "../../shared/listed";
import { reloaderText } from "./reloader";
import { pendingGroups, type RestartPlan } from "./restarts";

/** Workloads that are named before the others are only counted. */
const MOST = 5;

/**
 * What meets the restarts from outside, in words: budgets that a rolling update does not ask, quotas that leave its
 * pods no room, autoscalers, and controllers that restart by themselves.
 *
 * @param objects PodDisruptionBudgets, ResourceQuotas and HorizontalPodAutoscalers of the workloads' namespaces.
 * @param settings `places`: how many workloads are restarted at once; `changes`: ConfigMaps and Secrets that this
 * upgrade changes.
 */
export function surroundingWarnings(
  plan: RestartPlan,
  workloads: readonly LiveWorkload[],
  objects: readonly KubeObject[],
  { places, changes }: { places: number; changes: readonly KubeObject[] },
): string[] {
  const byId = new Map(workloads.map((one) => [workloadId(one), one]));
  const live = pendingGroups(plan)
    .flat()
    .flatMap((target) => byId.get(workloadId(target)) ?? []);
  return [
    ...told(
      belowBudgets(live, objects, places),
      "fall below their PodDisruptionBudget while they are restarted, because a rolling update does not ask it; drains of nodes wait meanwhile",
    ),
    ...told(
      live.flatMap((one) => heldByBudget(one, objects)),
      "cannot be restarted, because their PodDisruptionBudget lets no pod go, which Argo asks of each; allow one",
    ),
    ...told(
      live.filter(({ kind, replicas }) => kind === "Rollout" && replicas === 1).map(workloadId),
      "have no pod for as long as a new one takes to start, because Argo takes the old one away first",
    ),
    ...quotaWarnings(live, objects, places),
    ...told(
      live.flatMap((one) => autoscalerOf(one, objects)),
      "may be scaled by a HorizontalPodAutoscaler while they are restarted; new pods that do not report yet count as idle or busy",
    ),
    ...told(
      live.flatMap((one) => reloaderText(one, changes)),
      "are restarted by Reloader, too, when a ConfigMap or Secret of theirs changes. They are not restarted again here if " +
        "all of their pods turn out to be younger than the new configuration then; else they are, because nothing but a " +
        "restart gives it to the others",
    ),
  ];
}

function told(found: readonly string[], what: string): string[] {
  if (found.length === 0) return [];
  return [`workloads that ${what}: ${listed(found, MOST)}`];
}

/** The budgets that count pods of a workload, and how many of them may be missing. */
function budgetsOf(workload: LiveWorkload, objects: readonly KubeObject[]): { object: KubeObject; allowed: number }[] {
  return objects.flatMap((object) => {
    if (object.kind !== "PodDisruptionBudget" || object.metadata.namespace !== workload.namespace) return [];
    if (!selects(dig(object, "spec", "selector"), workload.podLabels)) return [];
    const allowed = allowedByStatus(object) ?? allowedMissing(dig(object, "spec"), workload.replicas);
    return allowed === undefined ? [] : [{ object, allowed }];
  });
}

/** Argo evicts pods, which the budget may refuse. */
function heldByBudget(workload: LiveWorkload, objects: readonly KubeObject[]): string[] {
  if (workload.kind !== "Rollout") return [];
  return budgetsOf(workload, objects)
    .filter(({ allowed }) => allowed === 0)
    .map(({ object }) => `${workloadId(workload)} (${object.metadata.name ?? ""})`);
}

/** Workloads that fall below a budget, each by itself or, where they share one, those that are restarted at once. */
function belowBudgets(live: readonly LiveWorkload[], objects: readonly KubeObject[], places: number): string[] {
  const sharing = new Map<KubeObject, { workload: LiveWorkload; allowed: number; missing: number }[]>();
  for (const workload of live.filter(({ kind }) => kind !== "Rollout")) {
    for (const { object, allowed } of budgetsOf(workload, objects)) {
      sharing.set(object, [...(sharing.get(object) ?? []), { workload, allowed, missing: missingPods(workload) }]);
    }
  }
  return [...sharing].flatMap(([object, found]) => {
    const name = object.metadata.name ?? "";
    const alone = found.filter(({ allowed, missing }) => missing > allowed);
    if (alone.length > 0) {
      return alone.map(
        ({ workload, allowed, missing }) =>
          `${workloadId(workload)} (${name}: ${allowed} may be missing, ${missing} are)`,
      );
    }
    const most = found.map(({ missing }) => missing).sort((a, b) => b - a);
    const together = most.slice(0, places).reduce((sum, missing) => sum + missing, 0);
    const allowed = allowedByStatus(object);
    if (allowed === undefined || together <= allowed) return [];
    const ids = found.map(({ workload }) => workloadId(workload)).join(" and ");
    return [`${ids} at once (${name}: ${allowed} may be missing, ${together} are)`];
  });
}

/** What the disruption controller made of a budget: it counts the pods of all workloads that share it. */
function allowedByStatus(budget: KubeObject): number | undefined {
  const [expected, desired] = [dig(budget, "status", "expectedPods"), dig(budget, "status", "desiredHealthy")];
  const seen = dig(budget, "status", "observedGeneration") === dig(budget, "metadata", "generation");
  return seen && typeof expected === "number" && typeof desired === "number" && expected > 0
    ? Math.max(0, expected - desired)
    : undefined;
}

/** Pods that may be missing while its controller replaces them. */
function missingPods({ strategy, replicas }: LiveWorkload): number {
  return Math.min(strategy.unavailable, Math.max(0, replicas - strategy.partition));
}

/** The disruption controller rounds both up. */
function allowedMissing(spec: unknown, replicas: number): number | undefined {
  const pods = (value: unknown) =>
    typeof value === "number"
      ? value
      : typeof value === "string" && /^\d+%$/.test(value)
        ? Math.ceil((Number.parseInt(value, 10) * replicas) / 100)
        : undefined;
  const least = pods(dig(spec, "minAvailable"));
  return least === undefined ? pods(dig(spec, "maxUnavailable")) : Math.max(0, replicas - least);
}

/** Quotas on the number of pods; what else a quota counts the API server says when it is asked for a pod. */
function quotaWarnings(live: readonly LiveWorkload[], objects: readonly KubeObject[], places: number): string[] {
  return objects.flatMap((object) => {
    // A quota with a scope counts some pods only, and which is not known here.
    if (object.kind !== "ResourceQuota" || isMap(dig(object, "spec", "scopeSelector"))) return [];
    if (Array.isArray(dig(object, "spec", "scopes"))) return [];
    const { namespace = "", name = "" } = object.metadata;
    const surges = live
      .filter((one) => one.namespace === namespace)
      .map(({ strategy }) => strategy.surge)
      .sort((a, b) => b - a);
    const needed = surges.slice(0, places).reduce((sum, surge) => sum + surge, 0);
    const room = roomForPods(object);
    if (room === undefined || needed <= room) return [];
    const [most = 0] = surges;
    const what = most > room ? `one of them alone needs ${most} more` : `${places} at a time need ${needed} more`;
    return [
      `quota ${name} of namespace ${namespace} leaves room for ${room} pods, and of the workloads to restart there ${what} ` +
        "than run now: their pods are refused. Raise the quota, or " +
        (most > room ? "let their strategy surge less" : "restart fewer at a time (restarts.maxConcurrent)"),
    ];
  });
}

function roomForPods(quota: KubeObject): number | undefined {
  const rooms = ["pods", "count/pods"].flatMap((key) => {
    const [hard, used] = ["hard", "used"].map((which) => Number(dig(quota, "status", which, key) ?? NaN));
    return hard === undefined || used === undefined || Number.isNaN(hard - used) ? [] : [Math.max(0, hard - used)];
  });
  return rooms.length === 0 ? undefined : Math.min(...rooms);
}

function autoscalerOf(workload: LiveWorkload, objects: readonly KubeObject[]): string[] {
  const holds = (object: KubeObject) =>
    object.kind === "HorizontalPodAutoscaler" &&
    object.metadata.namespace === workload.namespace &&
    dig(object, "spec", "scaleTargetRef", "kind") === workload.kind &&
    dig(object, "spec", "scaleTargetRef", "name") === workload.name;
  return objects.filter(holds).map(({ metadata }) => `${workloadId(workload)} (${metadata.name ?? ""})`);
}
