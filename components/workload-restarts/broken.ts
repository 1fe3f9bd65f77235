import { workloadId } from "../../kubernetes/workload";
import { type LiveWorkload, progressOf } from "../../kubernetes/workloads";
import { UserError } from "../../shared/user-error";
import { brokenBefore, type RestartPlan } from "./restarts";

/**
 * What is said of workloads that are to be restarted and are not available as they are.
 *
 * @throws UserError when they refuse the upgrade.
 */
export function brokenWarnings(
  plan: RestartPlan,
  workloads: readonly LiveWorkload[],
  setting: "last" | "refuse",
): string[] {
  const live = new Map(workloads.map((one) => [workloadId(one), one]));
  const texts = brokenBefore(plan).map((target) => {
    const id = workloadId(target);
    const now = live.get(id);
    return now ? `${id} (${progressOf(now)})` : id;
  });
  if (texts.length === 0) return [];
  const what = `not available before the upgrade: ${texts.join(", ")}`;
  if (setting === "refuse") {
    const fix =
      "repair them, or exclude them (restarts.exclude), or pulumi config set --path restarts.brokenBefore last";
    throw new UserError("refused", `MAS workloads are ${what}`, fix);
  }
  return [`${what}. Restarted last; that they are not available afterwards does not stop the upgrade`];
}
