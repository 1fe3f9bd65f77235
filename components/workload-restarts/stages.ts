import { placesOf } from "./queue";
import { CANARIES, queuedGroups, type RestartPlan, type RestartTarget } from "./restarts";

/** The canaries are watched for a while before the others follow. */
export interface Soak {
  readonly canaries: readonly RestartTarget[];
  /** 0: nothing is left that could follow. */
  readonly seconds: number;
}

/** What takes a place in the queue. */
export type QueueItem = { readonly restart: RestartTarget } | { readonly soak: Soak };

/**
 * What is done in turn, stage by stage: each is finished before the next one begins.
 *
 * @param soakSeconds how long the canaries are watched; 0: not at all.
 */
export function stagesOf(plan: RestartPlan, soakSeconds: number): QueueItem[][] {
  const restarts = (targets: readonly RestartTarget[]) => targets.map((restart) => ({ restart }));
  const groups = queuedGroups(plan);
  const all = plan.groups.find(({ name }) => name === CANARIES)?.targets ?? [];
  const canaries = all.filter(({ brokenBefore, held }) => !brokenBefore && !held);
  if (soakSeconds === 0 || canaries.length === 0) return groups.map(restarts);
  const isCanary = (targets: readonly RestartTarget[]) => targets.some((target) => canaries.includes(target));
  const rest = groups.filter((targets) => !isCanary(targets));
  const follows = rest.flat().some(({ waits }) => !waits);
  const soak: Soak = { canaries, seconds: follows ? soakSeconds : 0 };
  return [...groups.filter(isCanary).map(restarts), [{ soak }], ...rest.map(restarts)];
}

/** How many workloads of a plan are restarted at once: a share counts those of earlier runs, too. */
export function placesFor(maxConcurrent: number | string, plan: RestartPlan): number {
  return placesOf(
    maxConcurrent,
    plan.groups.reduce((sum, { targets }) => sum + targets.length, 0),
  );
}
