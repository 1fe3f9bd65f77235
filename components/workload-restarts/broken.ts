import { workloadId } from "../../kubernetes/workload";
import { type LiveWorkload, progressOf } from "../../kubernetes/workloads";
import { UserError } from "../../shared/user-error";
import { brokenBefore, CANARIES, type RestartPlan, type RestartTarget } from "./restarts";

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
  const progress = (target: RestartTarget) => {
    const id = workloadId(target);
    const now = live.get(id);
    return now ? `${id} (${progressOf(now)})` : id;
  };
  const broken = brokenBefore(plan);
  const texts = broken.map(progress);
  const left = plan.groups
    .flatMap(({ targets }) => targets)
    .filter((target) => target.done && target.brokenBefore && live.get(workloadId(target))?.rolledOut === false);
  const waits = plan.groups.flatMap(({ targets }) => targets.filter((target) => target.waits));
  const old = [
    ...(left.length === 0
      ? []
      : [`restarted and not rolled out since, so some of their pods may be old: ${left.map(progress).join(", ")}`]),
    ...(waits.length === 0
      ? []
      : [
          `restarted already, and not available at the moment: ${waits.map(progress).join(", ")}. They are not ` +
            "restarted again; where an earlier run ended before they were available, the next one waits for them",
        ]),
  ];
  if (texts.length === 0) return old;
  const what = `not available before the upgrade: ${texts.join(", ")}`;
  if (setting === "refuse") {
    const fix =
      "repair them, or exclude them (restarts.exclude), or pulumi config set --path restarts.brokenBefore last";
    throw new UserError("refused", `MAS workloads are ${what}`, fix);
  }
  const canaries = plan.groups.find(({ name }) => name === CANARIES)?.targets ?? [];
  const lost = canaries.filter((target) => broken.includes(target)).map(workloadId);
  const untried =
    lost.length === 0
      ? ""
      : `. ${lost.join(", ")} ${lost.length === 1 ? "is a canary" : "are canaries"}: nothing is tried there before the others, and nothing watched`;
  return [
    `${what}. Restarted last; that they are not available afterwards does not stop the upgrade${untried}`,
    ...old,
  ];
}
