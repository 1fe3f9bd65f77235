import { UserError } from "../shared/user-error";
import type { Stack } from "@pulumi/pulumi/automation";

import type { Revision } from "../helm/release";
import { manualChange } from "../history/manual";
import { historyRows, historyTable } from "../history/table";
import type { Command } from "./arguments";
import { openStack } from "./engine";
import { readHistory, readRevisions } from "./read-history";
import { connectStack } from "./stack-config";

/** Updates that are shown unless all are asked for. */
const NEWEST = 20;

/**
 * Prints the updates of the stack, the newest first. Which chart version an update brought is told by its
 * configuration, or by the revision of helm that it made; a cluster that cannot be reached leaves that open.
 *
 * @returns the exit code, always 0.
 */
export async function historyCommand({ target, all, json }: Extract<Command, { name: "history" }>): Promise<number> {
  const stack = await openStack(target);
  const updates = await readHistory(stack);
  const { release, revisions, problem } = await revisionsOrWhyNot(stack);
  const rows = historyRows(all ? updates : updates.slice(0, NEWEST), revisions);
  if (json) {
    console.log(JSON.stringify(rows, undefined, 2));
    return 0;
  }
  console.log(rows.length === 0 ? "this stack was never updated" : historyTable(rows));
  if (rows.length < updates.length) console.log(`… and ${updates.length - rows.length} older ones (--all)`);
  const manual = manualChange(release, revisions);
  if (manual !== undefined) console.log(`\nnote: ${manual}`);
  if (problem !== undefined) console.error(`\nnote: helm's revisions are not shown: ${problem}`);
  return 0;
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
