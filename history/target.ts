import { UserError } from "../shared/user-error";
import { canonicalJson } from "../shared/digest";
import { isDefault, valueOf } from "./recorded";
import { parseMessage } from "./recorded-texts";
import { isGood, type RecordedValue, type Update } from "./updates";

/**
 * Keys that say where things are and how careful the tool is, not what runs: a rollback keeps them as they are now.
 * Rules and reasons of the way forward were not there yet when the old configuration was recorded, and are needed on
 * the way back.
 */
export const KEPT_KEYS: ReadonlySet<string> = new Set([
  "context",
  "kubeconfig",
  "clusterId",
  "acknowledge",
  "crdRules",
  "customResourceMigrations",
  "backup",
  "timeouts",
]);

/**
 * Keys that say what runs. An update that changed others only (how restarts go, how long history is) is nothing to go
 * back from.
 */
const RUNS = [
  ...["chart", "repository", "version", "release", "namespace"],
  ...["values", "secretValues", "valueFiles", "mode", "webhook"],
];

/** What a configuration runs, without what the project's defaults say anyway. */
export type WhatRuns = (config: ReadonlyMap<string, RecordedValue>) => string;

/**
 * @param defaults the project's defaults, by key; the history has them like values that were set, the stack's file does
 * not.
 */
export function whatRuns(defaults: Record<string, unknown>): WhatRuns {
  return (config) =>
    canonicalJson(
      RUNS.flatMap((key) => {
        const value = valueOf(config.get(key)?.value);
        return value === undefined || isDefault(value, defaults[key]) ? [] : [[key, value]];
      }),
    );
}

/**
 * The update to go back to: the one that is named; the goal of a rollback that failed, which goes on; else the newest
 * successful one that runs something else than the present configuration. The file is asked, not the newest entry: an
 * update that was killed leaves none on some backends.
 *
 * @param updates newest first.
 * @param present configuration of the stack's file.
 */
export function targetOf(
  updates: readonly Update[],
  wanted: number | undefined,
  present: ReadonlyMap<string, RecordedValue>,
  runs: WhatRuns,
): Update {
  const begun = wanted ?? begunRollback(updates.find(({ kind }) => kind === "update"));
  if (begun !== undefined) return namedUpdate(updates, begun);
  const now = runs(present);
  const found = updates.find((update) => isGood(update) && runs(update.config) !== now);
  if (found) return found;
  throw new UserError(
    "history",
    "there is no earlier successful update with another configuration",
    "casa-upgrade history lists all; a runtime that was installed by hand has its way back in: helm history",
  );
}

function begunRollback(latest: Update | undefined): number | undefined {
  if (!latest || latest.result === "succeeded") return undefined;
  return parseMessage(latest.message)?.rollbackTo;
}

function namedUpdate(updates: readonly Update[], wanted: number): Update {
  const found = updates.find(({ number }) => number === wanted);
  if (found && isGood(found)) return found;
  const good = updates.filter(isGood).map(({ number }) => number);
  const article = found && /^[aeiou]/.test(found.kind) ? "an" : "a";
  const why = found ? `is ${article} ${found.kind} that ${found.result}` : "does not exist";
  throw new UserError(
    "history",
    `update ${wanted} ${why}`,
    `casa-upgrade rollback --to one of: ${good.slice(0, 20).join(", ") || "(there is none)"}`,
  );
}
