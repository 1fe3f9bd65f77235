import type { CrdReview, Review, Roll } from "./schema";
import { count, duration, pendingRestarts } from "./words";

/** One bar of the timeline and what it says. */
export interface Bar {
  label: string;
  kind: "backup" | "crds" | "roll" | "down" | "restart";
  /**
   * Seconds after the first restart, and how long; undefined for steps before the restarts, whose time nobody knows.
   */
  time?: { start: number; seconds: number };
}

/** Bars under one name, drawn below each other. */
export interface Lane {
  name: string;
  /** Steps one after the other: backup, CRDs, chart, restarts. */
  step: "backup" | "crds" | "chart" | "restarts";
  bars: Bar[];
}

/** Of more, those that are alike are one bar. */
const MOST = { crds: 12, rolls: 24, restarts: 60, canaries: 12, groups: 40 };
/** Name that components/workload-restarts/restarts.ts gives the group that goes first. */
const CANARIES = "canaries";

type Group = ReturnType<typeof pendingRestarts>[number];

/** What the timeline draws, in the order of the upgrade: at most some hundred bars for any number of objects. */
export function lanesOf({ runtime: { backup }, crds, rolls, restarts }: Review): Lane[] {
  const lanes: Lane[] = [
    { name: "Backup", step: "backup", bars: backup.planned ? [{ label: backup.why, kind: "backup" }] : [] },
    { name: "CRDs", step: "crds", bars: crdBars(crds) },
    { name: "Chart", step: "chart", bars: rollBars(rolls) },
    ...restartLanes(pendingRestarts(restarts)),
  ];
  return lanes.filter(({ bars }) => bars.length > 0);
}

function crdBars(crds: readonly CrdReview[]): Bar[] {
  const changed = crds.filter(({ action }) => action === "create" || action === "update");
  const label = ({ name, action, customResources: { pruned, rejected } }: CrdReview) =>
    `${action} ${name}${pruned + rejected > 0 ? ": custom resources affected" : ""}`;
  if (changed.length <= MOST.crds) return changed.map((crd) => ({ label: label(crd), kind: "crds" }));
  const shown = changed.slice(0, MOST.crds - 1).map((crd): Bar => ({ label: label(crd), kind: "crds" }));
  return [...shown, { label: `${changed.length - shown.length} more CRDs`, kind: "crds" }];
}

const DOWNTIMES: Roll["downtime"]["expected"][] = ["deadlock", "until-ready", "brief", "none"];

function rollBars(rolls: readonly Roll[]): Bar[] {
  const kind = (expected: Roll["downtime"]["expected"]) => (expected === "none" ? "roll" : "down");
  const downtime = (expected: Roll["downtime"]["expected"]) =>
    expected === "none" ? "no downtime" : `downtime: ${expected}`;
  if (rolls.length <= MOST.rolls) {
    return rolls.map(({ workload, replicas, downtime: { expected } }) => ({
      label: `${workload}, ${count(replicas, "replica")}, ${downtime(expected)}`,
      kind: kind(expected),
    }));
  }
  return DOWNTIMES.flatMap((expected): Bar[] => {
    const alike = rolls.filter((roll) => roll.downtime.expected === expected);
    if (alike.length === 0) return [];
    const replicas = alike.reduce((sum, roll) => sum + roll.replicas, 0);
    const label = `${count(alike.length, "workload")}, ${count(replicas, "replica")}, ${downtime(expected)}`;
    return [{ label, kind: kind(expected) }];
  });
}

function restartLanes(groups: readonly Group[]): Lane[] {
  const total = groups.reduce((sum, { workloads }) => sum + workloads.length, 0);
  const drawOneByOne = (group: Group) =>
    total <= MOST.restarts || (group.name === CANARIES && group.workloads.length <= MOST.canaries);
  const shown = groups.slice(0, MOST.groups);
  const rest = groups.slice(MOST.groups);
  return [
    ...shown.map((group) => lane(group.name, drawOneByOne(group) ? group.workloads.map(single) : [together([group])])),
    ...(rest.length > 0 ? [lane(count(rest.length, "more group"), [together(rest)])] : []),
  ];
}

function lane(name: string, bars: Bar[]): Lane {
  return { name, step: "restarts", bars };
}

function single({ workload, replicas, start, seconds }: Group["workloads"][number]): Bar {
  const label = `${workload}, ${count(replicas, "replica")}, ${duration(seconds)}`;
  return { label, kind: "restart", time: { start, seconds } };
}

function together(groups: readonly Group[]): Bar {
  const workloads = groups.flatMap((group) => group.workloads);
  // No spread into Math.min: there may be more workloads than a call takes arguments.
  const start = workloads.reduce((least, one) => Math.min(least, one.start), Infinity);
  const end = workloads.reduce((most, one) => Math.max(most, one.start + one.seconds), 0);
  const label = `${count(workloads.length, "workload")}, ${duration(end - start)}`;
  return { label, kind: "restart", time: { start, seconds: end - start } };
}
