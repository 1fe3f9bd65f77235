import { shortDigest } from "../../shared/digest";
import { matches, WORKLOAD_KINDS, type WorkloadKind, workloadId, type WorkloadRef } from "../../kubernetes/workload";
import type { LiveWorkload } from "../../kubernetes/workloads";
import { otherOf, type OtherWorkload, skipOther } from "./other-kinds";
import { keepsOldPods, type SkippedWorkload, type SkipReason } from "./skipped";

/** A workload as it is on the cluster; what the restart decision needs of it. */
export type WorkloadFacts = Pick<
  LiveWorkload,
  "kind" | "namespace" | "name" | "replicas" | "available" | "paused" | "updateStrategy" | "rolledOut"
> & {
  /** Its partition keeps all of its pods on the template that they have. */
  keepsAll?: boolean;
  /** Its controller does nothing any more. */
  deleting?: true;
  /** Its rollout did not get on before. */
  failing?: true;
  /** No new pod of it can be created now, because a webhook that must answer does not. */
  held?: boolean;
  /** None of its pods is of an older template. */
  allNew?: boolean;
  /** Stamp on the pod template; undefined before this program first restarted it. */
  stamp?: string;
  /** Generation of the object: another one for each change of its spec. */
  generation?: number;
  /** Marker of an additional restart on the pod template. */
  again?: string;
  /** This program stamped the workload, and somebody put another stamp there, or none. */
  takenBack?: object;
  /** The user's reason for its last restart, on the pod template. */
  reason?: string;
  /** The stamp before whose restart it was not available already. */
  brokenBefore?: string;
  /** What its pods lack of what the injector puts into new ones, in words; undefined when they lack nothing. */
  lacking?: string;
  /** What no pod of it is to be older than, where its pods do not carry the stamp. */
  moment?: string;
  /** This program's marks on its pod template. */
  templateMarks?: Record<string, string>;
  /** Reloader restarts it by itself, too. */
  reloads?: boolean;
  /** The workload whose template an Argo Rollout runs pods of. */
  refersTo?: { kind: string; name: string };
};

/** A workload somebody named, and who: the MAS it belongs to decides the order. */
export interface NamedWorkload {
  /** The kind as written; `Pod` and unknown kinds are reported, never attempted. */
  kind?: string;
  namespace: string;
  name: string;
  /**
   * Group that is finished before the next one starts: `MultiAgentSystem ns/name`, `CASAPolicy ns/name`, `explicit`.
   */
  group: string;
}

/** What is known of the stamps of workloads that carry none themselves. */
export interface RecordedStamp {
  /** Configuration that unstamped workloads run under. */
  stamp: string;
  /** The user's reason for the last restart of everything: unstamped workloads that came later need none. */
  reason?: string;
  /** Unstamped workloads (`Kind/ns/name`) that were skipped earlier and so run under something older. */
  stale: string[];
}

export interface RestartSettings {
  canaries: WorkloadRef[];
  exclude: WorkloadRef[];
  /** Restarts everything once, whatever the release says. */
  reason?: string;
}

/** One workload to restart, or one restarted for this configuration earlier. */
export interface RestartTarget {
  kind: WorkloadKind;
  namespace: string;
  name: string;
  /** It runs under this configuration already and is fully available: nothing to do, no place in the queue. */
  done: boolean;
  /**
   * Its pods are those of a restart for this configuration, and are not available at the moment: nothing restarts it,
   * but an earlier run may have ended before they were, so it has a place in the queue.
   */
  waits?: true;
  /** A webhook that must answer about its new pods does not: it goes after those whose pods can be created. */
  held?: true;
  /**
   * Marker of an additional restart: the stamp alone would not change what the engine has in its state. Kept as it is
   * on the cluster afterwards, because taking it away would restart once more.
   */
  again?: string;
  /** The user's reason for a restart of everything; kept like the marker. */
  reason?: string;
  /** Why it is restarted although the release's configuration gives no reason. */
  why?: RestartCause;
  /** It was not available before the restart: it goes last, and is not waited for to the end. */
  brokenBefore?: true;
  /**
   * What no pod of it is to be older than, where its pods do not carry the stamp and it was restarted for this
   * configuration already; kept as it is.
   */
  moment?: string;
  /** Reloader may have restarted it already when its turn comes: then another restart is not needed. */
  reloads?: true;
  /** Marks on its pod template that stay as they are when it is not restarted, or was not. */
  kept?: Record<string, string>;
}

/** Why a workload is restarted although the release's configuration gives no reason. */
export type RestartCause =
  /** Somebody took the stamp back, so its pods need not be those of the restart. */
  | { readonly code: "stamp-taken-back" }
  /** Its pods lack something of what the injector of this moment injects. */
  | { readonly code: "injection"; readonly what: string }
  /** The user wants everything restarted. */
  | { readonly code: "reason"; readonly reason: string };

/** The cause in words. */
export function causeText(why: RestartCause): string {
  switch (why.code) {
    case "stamp-taken-back":
      return "its stamp was taken back after a restart";
    case "injection":
      return why.what;
    case "reason":
      return `restarts.reason: ${why.reason}`;
  }
}

/** Workloads that are restarted together: all of a group are done before the next group starts. */
export interface RestartGroup {
  name: string;
  targets: RestartTarget[];
}

export interface RestartPlan {
  /** What runs under this configuration in the end, in order; the same before and after the restarts. */
  groups: RestartGroup[];
  skipped: SkippedWorkload[];
  /** Skipped ones that keep running under an older configuration; remembered until they are restarted. */
  stale: string[];
  /** The user's reason for the last restart of everything; remembered when it is no longer configured. */
  reason?: string;
}

/** Group of the workloads that are restarted before all others. */
export const CANARIES = "canaries";

/** Decides which workloads are restarted, in which order, and says why the others are not. */
export function planRestarts(
  named: NamedWorkload[],
  live: WorkloadFacts[],
  desiredStamp: string,
  recorded: RecordedStamp,
  settings: RestartSettings,
  others: readonly OtherWorkload[] = [],
): RestartPlan {
  const reason = settings.reason ?? recorded.reason;
  const plan: RestartPlan = { groups: [], skipped: [], stale: [], ...(reason === undefined ? {} : { reason }) };
  const groups = new Map<string, RestartTarget[]>([[CANARIES, []]]);
  for (const { facts, group } of resolve(named, live, others, plan.skipped)) {
    const id = workloadId(facts);
    const why = causeOf(facts, desiredStamp, recorded, settings.reason);
    const current = why === undefined && runsUnder(facts, recorded) === desiredStamp;
    // What was restarted before somebody set a partition stays restarted.
    const obstacle = whyNot(current ? { ...facts, keepsAll: false } : facts, settings.exclude);
    // Nothing changes for one that needs no restart, whatever would stand in its way; of old pods it is told.
    const isMoot = current && facts.allNew === true && (obstacle?.code === "paused" || obstacle?.code === "on-delete");
    if (obstacle && !isMoot) {
      plan.skipped.push({ workload: id, why: obstacle });
      // Scaled up while the upgrade runs, it may have pods that are older than the configuration.
      const mayBeOld = keepsOldPods(obstacle.code) || obstacle.code === "no-replicas";
      if (!current && mayBeOld) plan.stale.push(id);
    } else if (current && facts.stamp === undefined) {
      plan.skipped.push({ workload: id, why: { code: "unchanged" } });
    } else {
      const at = settings.canaries.some((ref) => isMeant(ref, facts)) ? CANARIES : group;
      const { kind, namespace, name } = facts;
      const kept = settings.reason ?? facts.reason;
      const again =
        why === undefined || why.code === "reason"
          ? facts.again
          : shortDigest([facts.generation ?? 0, desiredStamp, why.code]);
      // Once restarted it counts as done whether it became available or not: nothing was lost by the restart.
      const wasBroken = current && facts.brokenBefore === desiredStamp;
      const brokenBefore = wasBroken || (!current && (facts.available < facts.replicas || facts.failing === true));
      const done = current && (facts.rolledOut || wasBroken || isMoot);
      const target: RestartTarget = {
        ...{ kind, namespace, name, done },
        ...(current && !done && facts.allNew ? { waits: true as const } : {}),
        ...(brokenBefore ? { brokenBefore } : {}),
        ...(!current && facts.held ? { held: true as const } : {}),
        ...(again === undefined ? {} : { again }),
        ...(kept === undefined ? {} : { reason: kept }),
        ...(why === undefined ? {} : { why }),
        ...(current && facts.moment !== undefined ? { moment: facts.moment } : {}),
        ...withoutRestart(facts, current, why),
      };
      groups.set(at, [...(groups.get(at) ?? []), target]);
    }
  }
  plan.skipped.push(...canariesNotFound(settings.canaries, live));
  plan.groups = [...groups].map(([name, targets]) => ({ name, targets })).filter(({ targets }) => targets.length > 0);
  plan.stale.sort();
  return plan;
}

/** For those that somebody else may restart in time, or has: what must stay as it is then. */
function withoutRestart(
  { kind, reloads, moment, templateMarks = {} }: WorkloadFacts,
  current: boolean,
  why: RestartCause | undefined,
): Pick<RestartTarget, "reloads" | "kept"> {
  if (kind === "Rollout") return {};
  if (current) return moment === undefined ? {} : { kept: templateMarks };
  // A reason of the user's or of the injector's is none that Reloader knows of.
  return reloads && why === undefined ? { reloads: true, kept: templateMarks } : {};
}

/** The workloads still to restart, group by group, in the order of {@link queuedGroups}. */
export function pendingGroups(plan: RestartPlan): RestartTarget[][] {
  const restarted = queuedGroups(plan).map((targets) => targets.filter(({ waits }) => !waits));
  return restarted.filter((targets) => targets.length > 0);
}

/**
 * The workloads that are restarted or waited for, group by group. Those that were not available before come last, in a
 * group of their own, and after them those whose pods cannot be created: they must not hold up the others.
 */
export function queuedGroups(plan: RestartPlan): RestartTarget[][] {
  const pending = plan.groups.map(({ targets }) => targets.filter(({ done }) => !done));
  const sound = pending.map((targets) => targets.filter(({ brokenBefore: broken, held }) => !broken && !held));
  const broken = brokenBefore(plan).filter(({ held }) => !held);
  const heldUp = pending.flat().filter(({ held }) => held);
  return [...sound, broken, heldUp].filter((targets) => targets.length > 0);
}

/** The workloads still to restart that are not available before it. */
export function brokenBefore(plan: RestartPlan): RestartTarget[] {
  return plan.groups.flatMap(({ targets }) => targets.filter(({ done, brokenBefore: broken }) => !done && broken));
}

/** Finds the live objects behind the names, each once: the first group that names a workload has it. */
function resolve(
  named: NamedWorkload[],
  live: WorkloadFacts[],
  others: readonly OtherWorkload[],
  skipped: SkippedWorkload[],
) {
  const byName = new Map<string, WorkloadFacts[]>();
  for (const facts of live) {
    const key = `${facts.namespace}/${facts.name}`;
    byName.set(key, [...(byName.get(key) ?? []), facts]);
  }
  // Pods of a Rollout that refers to a workload are that one's, which has none itself once all are moved.
  const rollouts = live.filter(({ refersTo }) => refersTo !== undefined);
  const rolloutsOf = (workload: WorkloadFacts) => rollouts.filter((one) => refers(one, workload));
  const taken = new Set<string>();
  const found: { facts: WorkloadFacts; group: string }[] = [];
  for (const { kind, namespace, name, group } of named) {
    const written = `${kind ? `${kind}/` : ""}${namespace}/${name}`;
    const known = kind === undefined || WORKLOAD_KINDS.some((one) => one === kind);
    const candidates = known
      ? (byName.get(`${namespace}/${name}`) ?? []).filter((facts) => kind === undefined || facts.kind === kind)
      : [];
    const meant = candidates.flatMap((facts) => {
      const referring = rolloutsOf(facts);
      return referring.length > 0 && facts.replicas === 0 ? referring : [facts, ...referring];
    });
    for (const facts of meant) {
      const id = workloadId(facts);
      if (!taken.has(id)) found.push({ facts, group });
      taken.add(id);
    }
    if (candidates.length === 0 && !taken.has(written)) {
      taken.add(written);
      const other = otherOf(others, { kind, namespace, name });
      const missing: SkipReason = known
        ? { code: "not-found", namedBy: group }
        : { code: "not-restartable", kind, namedBy: group };
      const workload = other ? workloadId(other) : written;
      skipped.push({ workload, why: other ? skipOther(other, group) : missing });
    }
  }
  return found;
}

/** Why a workload is restarted although its stamp, or what is recorded of it, gives no reason. */
function causeOf(
  facts: WorkloadFacts,
  desiredStamp: string,
  recorded: RecordedStamp,
  reason: string | undefined,
): RestartCause | undefined {
  if (facts.takenBack && facts.stamp !== desiredStamp) return { code: "stamp-taken-back" };
  if (runsUnder(facts, recorded) !== desiredStamp) return undefined;
  const startedFor = facts.stamp === undefined ? recorded.reason : facts.reason;
  if (reason !== undefined && startedFor !== reason) return { code: "reason", reason };
  if (facts.lacking === undefined) return undefined;
  // While its pods are being replaced, those that are about to go say nothing of those that come.
  const replacing = facts.stamp !== undefined && !facts.rolledOut;
  return replacing ? undefined : { code: "injection", what: facts.lacking };
}

function runsUnder(facts: WorkloadFacts, recorded: RecordedStamp): string | undefined {
  if (facts.stamp !== undefined) return facts.stamp;
  return recorded.stale.includes(workloadId(facts)) ? undefined : recorded.stamp;
}

/** Why a workload must be left alone. */
export function whyNot(facts: Omit<WorkloadFacts, "stamp">, exclude: WorkloadRef[]): SkipReason | undefined {
  if (exclude.some((ref) => isMeant(ref, facts))) return { code: "excluded" };
  if (facts.deleting) return { code: "being-deleted" };
  if (facts.replicas === 0) return { code: "no-replicas" };
  if (facts.paused) return { code: "paused" };
  if (facts.updateStrategy === "OnDelete") return { code: "on-delete" };
  if (facts.keepsAll) return { code: "partition" };
  return undefined;
}

/** Whether a Rollout runs the pods of a workload. */
function refers(rollout: WorkloadFacts, workload: { kind: string; namespace: string; name: string }): boolean {
  const { refersTo, namespace } = rollout;
  return namespace === workload.namespace && refersTo?.kind === workload.kind && refersTo.name === workload.name;
}

/** True when a written name means this workload, or the one whose pods it runs. */
export function isMeant(
  ref: WorkloadRef,
  facts: Pick<WorkloadFacts, "kind" | "namespace" | "name" | "refersTo">,
): boolean {
  const { refersTo, namespace } = facts;
  return matches(ref, facts) || (refersTo !== undefined && matches(ref, { ...refersTo, namespace }));
}

function canariesNotFound(canaries: WorkloadRef[], live: WorkloadFacts[]): SkippedWorkload[] {
  return canaries
    .filter((ref) => !live.some((facts) => matches(ref, facts)))
    .map((ref) => ({ workload: refText(ref), why: { code: "not-found", namedBy: "restarts.canaries" } }));
}

/** A workload as the config names it. */
export function refText(ref: WorkloadRef): string {
  return `${ref.kind ? `${ref.kind}/` : ""}${ref.namespace}/${ref.name}`;
}
