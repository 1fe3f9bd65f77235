import { workloadId } from "../../kubernetes/workload";
import type { LiveWorkload } from "../../kubernetes/workloads";
import { restartOf } from "./own-restart";
import { pendingGroups, type RestartPlan } from "./restarts";

/** Workloads that are named before the others are only counted. */
const MOST = 5;

/** Workloads to restart that something else controls, which may take the restart back. */
export function ownerWarnings(plan: RestartPlan, workloads: readonly LiveWorkload[]): string[] {
  const live = new Map(workloads.map((one) => [workloadId(one), one]));
  const owned = pendingGroups(plan)
    .flat()
    .flatMap((target) => {
      const owner = live.get(workloadId(target))?.owner;
      if (!owner) return [];
      const how = restartOf({ ...owner, namespace: target.namespace });
      return [`${workloadId(target)} (of ${owner.kind} ${owner.name}: ${how})`];
    });
  if (owned.length === 0) return [];
  const more = owned.length > MOST ? `, and ${owned.length - MOST} more` : "";
  return [
    "controlled by something that may write them anew. If it takes the stamp off their pod templates, the run fails and " +
      "says so; exclude them then (restarts.exclude), and restart them through what controls them: " +
      `${owned.slice(0, MOST).join(", ")}${more}`,
  ];
}
