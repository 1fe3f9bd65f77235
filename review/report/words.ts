import type { ObjectChange } from "./schema";
import type { RestartReview } from "../../components/workload-restarts/restart-review";

/** `1 object`, `2 objects`. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** Seconds as people say them. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** `Kind namespace/name`. */
export function objectName({ kind, namespace, name }: Pick<ObjectChange, "kind" | "namespace" | "name">): string {
  return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

/** `name 0.1.0 -> 0.2.0`, or that it is installed. */
export function versionStep({ name, before, after }: { name: string; before: string | null; after: string }): string {
  return before === null ? `${name} ${after} (install)` : `${name} ${before} -> ${after}`;
}

type RestartGroup = RestartReview["groups"][number];

/** The groups with what is still to be restarted in them; groups that are done are left out. */
export function pendingRestarts(restarts: RestartReview): RestartGroup[] {
  return restarts.groups
    .map(({ name, workloads }) => ({ name, workloads: workloads.filter(({ done }) => !done) }))
    .filter(({ workloads }) => workloads.length > 0);
}

/** All changes but the restarts and the bookkeeping: what a reviewer counts as the objects of the upgrade. */
export function ownChanges(objects: readonly ObjectChange[]): ObjectChange[] {
  return objects.filter(({ writer }) => writer !== "restart" && writer !== "record");
}

/** `2 create, 5 update (3 of labels and checksums only)`; only actions that occur. */
export function actionCounts(objects: readonly ObjectChange[]): string {
  const words = (["create", "update", "delete", "keep"] as const).flatMap((action) => {
    const matching = objects.filter((object) => object.action === action);
    const noise = matching.filter(({ fields, folded }) => fields.length === 0 && folded > 0).length;
    const only = noise > 0 ? ` (${noise} of labels and checksums only)` : "";
    return matching.length > 0 ? [`${matching.length} ${action}${only}`] : [];
  });
  return words.join(", ") || "none change";
}
