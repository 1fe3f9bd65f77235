import type { KubeObject } from "../../kubernetes/objects";
import { dig, digList } from "../../kubernetes/objects";
import type { Roll } from "../report/schema";
import { type DowntimeFacts, downtimeOfScaling, expectedDowntime } from "./downtime";
import { hasOldPods, releaseReason, templateDifferences, templateReasons } from "./reasons";
import { serviceFindings } from "./services";
import { type StaleWorkload, staleWorkloads } from "./stale";
import { type ObjectPair, type PodWorkload, podWorkload, textOf } from "../../kubernetes/pod-templates";

/** What {@link planRolls} needs beside the objects that change. */
export interface RollOptions {
  /** Namespace of objects that name none. */
  namespace: string;
  /** All objects of the release as they will be, those that do not change included. */
  predicted: readonly KubeObject[];
  /** PersistentVolumeClaims of the cluster, for their access modes; predicted ones come first. */
  liveClaims: readonly KubeObject[];
  /** Nodes that take pods; undefined when they may not be listed: then host ports count as a likely deadlock. */
  nodes?: number;
}

/** What the upgrade does to the pods of the release. */
export interface RollPlan {
  /** Workloads whose template changes or whose number of pods does, in the order of the pairs. */
  rolls: Roll[];
  /** Workloads that keep running with the old content of a ConfigMap or Secret that changes. */
  stale: StaleWorkload[];
  /** Services that lead nowhere afterwards, or for a while. */
  services: readonly string[];
}

/**
 * Tells which Deployments, StatefulSets and DaemonSets of the release get new pods, why, and what that means for those
 * who use them. A workload that is created or deleted is no roll; one that only gets more or fewer pods is told with
 * reason `replicas`. Whatever a value could give away is told by name.
 */
export function planRolls(pairs: readonly ObjectPair[], options: RollOptions): RollPlan {
  const rolls: Roll[] = [];
  const touched = new Set<string>();
  const facts = downtimeFacts(options);
  const { outages, warnings } = serviceFindings(pairs, options.predicted, options.namespace);
  for (const pair of pairs) {
    const before = podWorkload(pair.before, options.namespace);
    const after = podWorkload(pair.after, options.namespace);
    if (!after) continue;
    if (!before) {
      touched.add(after.id); // new pods read what is there
      continue;
    }
    const found = templateDifferences(before, after);
    const released = releaseReason(before, after, hasOldPods(pair.before));
    const reasons = [...templateReasons(before, after, found), ...(released ? [released] : [])];
    const replaced = found.length > 0 || released !== undefined;
    if (replaced) touched.add(after.id);
    if (after.kind !== "DaemonSet" && before.replicas !== after.replicas) {
      reasons.push({ kind: "replicas", text: `${before.replicas} -> ${after.replicas}` });
    }
    if (reasons.length > 0) {
      const byStrategy = replaced ? expectedDowntime(before, after, facts) : downtimeOfScaling(before, after);
      const downtime = withOutage(byStrategy, outages.get(after.id));
      rolls.push({ workload: after.id, reasons, strategy: after.strategy.type, replicas: after.replicas, downtime });
    }
  }
  const kept = options.predicted
    .map((object) => podWorkload(object, options.namespace))
    .filter((workload): workload is PodWorkload => workload !== undefined && !touched.has(workload.id));
  return { rolls, stale: staleWorkloads(kept, pairs, options.namespace), services: warnings };
}

/** A strategy that keeps pods available helps nobody whom no Service leads to them. */
function withOutage(downtime: Roll["downtime"], why: string | undefined): Roll["downtime"] {
  const isLess = downtime.expected === "none" || downtime.expected === "brief";
  return why !== undefined && isLess ? { expected: "until-ready", why } : downtime;
}

/** The ids of the workloads that get new pods, at once or (OnDelete, paused) later; not those that are only scaled. */
export function replacedWorkloads(rolls: readonly Roll[]): Set<string> {
  const replacing = rolls.filter(({ reasons }) => reasons.some(({ kind }) => kind !== "replicas"));
  return new Set(replacing.map(({ workload }) => workload));
}

/** Those of the workloads that have pods now: what is scaled to 0 has none to replace, and none that holds a volume. */
export function withPods(
  replaced: ReadonlySet<string>,
  live: readonly KubeObject[],
  namespace: string,
): ReadonlySet<string> {
  const down = live.flatMap((object) => {
    const workload = podWorkload(object, namespace);
    // The last ones may still be going.
    const pods = dig(object, "status", "replicas") ?? 0;
    return workload?.replicas === 0 && pods === 0 ? [workload.id] : [];
  });
  return new Set([...replaced].filter((id) => !down.includes(id)));
}

function downtimeFacts({ namespace, predicted, liveClaims, nodes }: RollOptions): DowntimeFacts {
  const modes = new Map<string, string[]>();
  for (const claim of [...liveClaims, ...predicted]) {
    if (claim.apiVersion !== "v1" || claim.kind !== "PersistentVolumeClaim") continue;
    const given = digList(claim, "spec", "accessModes").flatMap((mode) => textOf(mode) ?? []);
    modes.set(`${claim.metadata.namespace ?? namespace}/${claim.metadata.name ?? ""}`, given);
  }
  return { accessModes: (at, claim) => modes.get(`${at}/${claim}`), ...(nodes === undefined ? {} : { nodes }) };
}
