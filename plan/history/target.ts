import { canonicalJson } from "../digest";
import { isGood, type Update } from "./updates";

/**
 * Keys that say where things are and how careful the tool is, not what runs: a rollback keeps them as they are now. Rules and reasons
 * of the way forward were not there yet when the old configuration was recorded, and are needed on the way back.
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

/** Why there is nothing to go back to; the message says what to type. */
export class NoTargetError extends Error {}

/**
 * The update to go back to: the one that is named, else the newest successful one that ran something else than the present
 * configuration.
 *
 * @param updates newest first.
 * @param present configuration in force, as its own latest update recorded it; compared by what runs.
 */
export function targetOf(updates: readonly Update[], wanted: number | undefined, present: Update["config"]): Update {
  if (wanted !== undefined) return namedUpdate(updates, wanted);
  const now = whatRuns(present);
  const found = updates.find((update) => isGood(update) && whatRuns(update.config) !== now);
  if (found) return found;
  throw new NoTargetError(
    "there is no earlier successful update with another configuration\n" +
      "  Fix: casa-upgrade history lists all; a runtime that was installed by hand has its way back in: helm history",
  );
}

function namedUpdate(updates: readonly Update[], wanted: number): Update {
  const found = updates.find(({ number }) => number === wanted);
  if (found && isGood(found)) return found;
  const good = updates.filter(isGood).map(({ number }) => number);
  const why = found ? `is a ${found.kind} that ${found.result}` : "does not exist";
  throw new NoTargetError(
    `update ${wanted} ${why}\n  Fix: casa-upgrade rollback --to one of: ${good.slice(0, 20).join(", ") || "(there is none)"}`,
  );
}

function whatRuns(config: Update["config"]): string {
  const keys = [...config.keys()].filter((key) => !KEPT_KEYS.has(key) && !key.includes(":")).sort();
  return canonicalJson(keys.map((key) => [key, config.get(key)?.value]));
}
