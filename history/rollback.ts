import { visibleLine } from "../review/report/escape";
import type { Review } from "../review/report/schema";
import { acknowledgements } from "./acknowledge";
import { manualChange } from "./manual";
import { parseDescription } from "./recorded-texts";
import { targetOf, whatRuns } from "./target";
import { chartVersionOf, type RecordedValue, type ReleaseRevision, revisionsOf, type Update } from "./updates";

/** What a rollback is decided from, as plain data. */
export interface RollbackSnapshot {
  /** Of the stack, newest first. */
  readonly updates: readonly Update[];
  /** Of the release. */
  readonly revisions: readonly ReleaseRevision[];
  /** Configuration of the stack's file, and the project's defaults by key. */
  readonly present: ReadonlyMap<string, RecordedValue>;
  readonly defaults: Record<string, unknown>;
  /** `namespace/name`. */
  readonly release: string;
}

/** What a rollback does, before anything is previewed. */
export interface RollbackDecision {
  /** The update whose configuration comes back. */
  readonly goal: Update;
  /** By policy, what is acknowledged for today because it is about going back as such. */
  readonly acknowledge: Record<string, string>;
  /** What the user is told first. */
  readonly lines: readonly string[];
}

/**
 * Decides which update is gone back to. Looks at nothing but its arguments.
 *
 * @param wanted number of the update; undefined: the last good one that runs something else.
 * @throws UserError when there is none.
 */
export function decideRollback(snapshot: RollbackSnapshot, wanted: number | undefined, today: Date): RollbackDecision {
  const { updates, revisions, present, defaults, release } = snapshot;
  const goal = targetOf(updates, wanted, present, whatRuns(defaults));
  const version = chartVersionOf(goal, revisions);
  const what = [version === undefined ? "chart version not known" : `chart ${version}`, visibleLine(goal.message)];
  const manual = manualChange(release, revisions);
  return {
    goal,
    acknowledge: acknowledgements(revisions.at(-1)?.chartVersion, version, goal.number, today),
    lines: [
      `back to update ${goal.number} of ${goal.start.toISOString()}: ${what.filter((text) => text !== "").join(", ")}`,
      ...(manual === undefined ? [] : [`note: ${manual}`]),
    ],
  };
}

/** What may differ from the update although its configuration is back: the history does not hold the files it names. */
export function inputsWarning(
  goal: Update,
  revisions: readonly ReleaseRevision[],
  { identity }: Pick<Review, "identity">,
): string | undefined {
  const made = revisionsOf(goal, revisions).flatMap(({ description }) => parseDescription(description) ?? []);
  const digest = made.at(-1)?.digest;
  if (digest === identity.chart.digest) return undefined;
  const at = goal.commit === undefined ? "" : `; the project was at commit ${goal.commit.slice(0, 12)} then`;
  if (digest !== undefined) {
    return `the chart renders otherwise than in update ${goal.number}: a value file, a local chart, or what it looks up on the cluster has changed since${at}`;
  }
  const files = goal.config.get("valueFiles")?.value;
  const usesFiles = Array.isArray(files) && files.length > 0;
  return usesFiles ? `value files are read as they are now, not as in update ${goal.number}${at}` : undefined;
}
