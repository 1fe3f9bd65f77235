import { workloadId } from "../../kubernetes/workload";
import type { LiveWorkload } from "../../kubernetes/workloads";
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
      return owner ? [`${workloadId(target)} (${owner.kind} ${owner.name})`] : [];
    });
  if (owned.length === 0) return [];
  const more = owned.length > MOST ? ` and ${owned.length - MOST} more` : "";
  return [
    `controlled by something that may write them anew: ${owned.slice(0, MOST).join(", ")}${more}. If it takes the ` +
      "stamp off their pod templates, the run fails and says so; exclude them then (restarts.exclude), and restart them " +
      "through what controls them",
  ];
}
