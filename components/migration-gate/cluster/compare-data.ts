import { UserError } from "../../../shared/user-error";
import type { ClusterClient } from "../../../kubernetes/connect";
import { rolloutOf } from "../../../kubernetes/rollout";
import { oneLine } from "../../../diagnosis/explanation";
import { COUNT, KEPT } from "../../database-backup/cluster/scripts";
import { collationsOf, contentOf, DatabaseSession, dataRowsOf } from "../../database-backup/cluster/session";
import type { ComparableBackup } from "../../database-backup/job";
import { rowsOf } from "../../database-backup/manifest";
import { whereIs } from "../../database-backup/references";
import { dataLoss, type FoundData, lossText, sortedAnew } from "../kept-data";
import type { GateProblem } from "./check";

/** Longest time for one look at a database, in milliseconds: rows may have to be counted. */
const LIMIT_MS = 600_000;
const POD = { apiVersion: "v1", kind: "Pod" };

type Compared = { kept: string } | { loss: string } | { later: string; isWatched?: true };

/**
 * Compares the databases with the backups of this very run. A server that the upgrade removed has nothing to compare;
 * one that does not answer yet may later.
 *
 * @returns the problem, or a line that says what was compared.
 */
export async function compareData(
  client: ClusterClient,
  backups: readonly ComparableBackup[],
): Promise<string | GateProblem> {
  const all = await Promise.all(backups.map(async (backup) => ({ backup, result: await compare(client, backup) })));
  const losses = all.flatMap(({ backup, result }) => ("loss" in result ? [{ backup, loss: result.loss }] : []));
  if (losses.length > 0) return { problem: lossText(losses), final: true };
  const later = all.flatMap(({ result }) => ("later" in result ? [result] : []));
  if (later.length > 0) {
    const isWatched = later.every((result) => result.isWatched);
    return { problem: later.map((result) => result.later).join("; "), isWatched };
  }
  return all.flatMap(({ result }) => ("kept" in result ? [result.kept] : [])).join("; ");
}

async function compare(client: ClusterClient, backup: ComparableBackup): Promise<Compared> {
  const { target } = backup.comparison;
  const { at } = target;
  if (!("host" in at)) {
    const type = { apiVersion: "apps/v1", kind: at.kind };
    const live = await client.api.get(type, at.namespace, at.workload);
    if (live === undefined) {
      return { kept: `database ${backup.name} not compared: ${whereIs(target)} is no longer part of the release` };
    }
    const { complete, progress } = rolloutOf(at.kind, live);
    if (at.pod !== undefined && complete && (await client.api.get(POD, at.namespace, at.pod)) === undefined) {
      return { kept: `database ${backup.name} not compared: ${whereIs(target)} is no longer part of the release` };
    }
    if (!complete) return { later: `database ${backup.name}: ${whereIs(target)}: ${progress}`, isWatched: true };
  }
  try {
    const found = await look(client, backup);
    const loss = dataLoss(backup, found);
    if (loss !== undefined) return { loss };
    const warning = sortedAnew(backup, found);
    return { kept: [`database ${backup.name} has its data`, ...(warning ? [warning] : [])].join("\n") };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const said = oneLine(error.message);
    // A server that was set up anew may not even have the database or its user.
    if (/database "[^"]*" does not exist|role "[^"]*" does not exist/.test(said)) return { loss: said };
    // The runtime itself cannot log in then, which the gate tells by other means.
    if (/refuses the password/.test(said)) return { kept: `database ${backup.name} not compared: ${said}` };
    return { later: `it cannot be told whether database ${backup.name} has its data: ${said}` };
  }
}

async function look(client: ClusterClient, { comparison }: ComparableBackup): Promise<FoundData> {
  const session = await DatabaseSession.open(client, comparison.target);
  const run = (script: string) =>
    session.run(script, { step: "the comparison", signal: AbortSignal.timeout(LIMIT_MS) });
  const facts = await run(KEPT);
  const { tables, alembic } = contentOf(facts);
  const collations = collationsOf(facts);
  const found: FoundData = {
    database: session.database,
    tables: tables.length,
    alembic,
    anyRows: dataRowsOf(facts) > 0,
    ...(collations ? { collations } : {}),
  };
  const identity = facts.find(({ systemIdentifier }) => systemIdentifier !== undefined)?.systemIdentifier;
  if (identity === undefined || identity === (comparison.systemIdentifier ?? identity)) return found;
  return { ...found, rows: rowsOf(contentOf(await run(COUNT))) };
}
