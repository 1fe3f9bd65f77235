import { UserError } from "../shared/user-error";
import type { Stack } from "@pulumi/pulumi/automation";

import type { Revision } from "../helm/release";
import { manualChange } from "../history/manual";
import { historyRows, historyTable } from "../history/table";
import type { Command } from "./arguments";
import { openStack } from "./engine";
import { type Outcome, say } from "./output";
import { withProgress } from "./progress";
import { readHistory, readRevisions } from "./read-history";
import { connectStack } from "./stack-config";

/** Updates that are shown unless all are asked for. */
const NEWEST = 20;

/**
 * Prints the updates of the stack, the newest first. Which chart version an update brought is told by its
 * configuration, or by the revision of helm that it made; a cluster that cannot be reached leaves that open.
 *
 * @returns exit code 0, always.
 */
export async function historyCommand({ target, all }: Extract<Command, { name: "history" }>): Promise<Outcome> {
  const stack = await openStack(target);
  const [updates, { release, revisions, problem }] = await withProgress("reading the history", async () => {
    return [await readHistory(stack, false), await revisionsOrWhyNot(stack)] as const;
  });
  const rows = historyRows(all ? updates : updates.slice(0, NEWEST), revisions);
  const outcome = { code: 0, result: rows };
  if (target.json) return outcome;
  say(rows.length === 0 ? "this stack was never updated" : historyTable(rows));
  if (rows.length < updates.length) say(`… and ${updates.length - rows.length} older ones (--all)`);
  const manual = manualChange(release, revisions);
  if (manual !== undefined) say(`\nnote: ${manual}`);
  if (problem !== undefined) console.error(`\nnote: helm's revisions are not shown: ${problem}`);
  return outcome;
}

async function revisionsOrWhyNot(stack: Stack): Promise<{ release: string; revisions: Revision[]; problem?: string }> {
  try {
    const connected = await connectStack(stack);
    const { namespace, release } = connected.config;
    return { release: `${namespace}/${release}`, revisions: await readRevisions(connected) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { release: "", revisions: [], problem: error.message };
  }
}
