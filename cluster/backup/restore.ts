import type { Readable } from "node:stream";
import { contentDifferences } from "../../plan/backup/compare";
import type { BackupManifest } from "../../plan/backup/manifest";
import type { BackupOwner } from "../../plan/backup/retention";
import { type DatabaseTarget, whereIs } from "../../plan/backup/references";
import type { ClusterClient } from "../connect";
import { BackupError } from "./problem";
import { restoreAndCompare, scratchName } from "./run";
import { DROP, INSPECT, SWAP } from "./scripts";
import { contentOf, DatabaseSession } from "./session";

/** What a restore needs to know beside the backup. */
export interface RestoreOptions {
  owner: BackupOwner;
  /** Longest time for the whole restore, in seconds. */
  timeoutSeconds: number;
  /** Takes one line about what was done. */
  say: (line: string) => void;
}

/**
 * Puts a database back: the backup is restored into a new database, compared with its manifest, and takes the place of the old one in
 * one transaction. Until then the old one is untouched.
 *
 * @returns the name that the old database is kept under.
 * @throws BackupError
 */
export async function restoreDatabase(
  client: ClusterClient,
  target: DatabaseTarget,
  manifest: BackupManifest,
  read: () => Promise<Readable>,
  { owner, timeoutSeconds, say }: RestoreOptions,
): Promise<{ old: string }> {
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  const session = await DatabaseSession.open(client, target);
  const fresh = scratchName(session, owner);
  await restoreAndCompare(session, manifest, await read(), fresh, "keep", signal);
  say("restored beside the database; tables, rows and revision are those of the backup");
  const old = keptName(session.database, new Date());
  try {
    await session.run(SWAP, { step: "the swap of the two databases", args: [fresh.name, old], signal });
  } catch (error) {
    const tidy = session.run(DROP, { step: "the clean-up", args: [fresh.name], signal: AbortSignal.timeout(30_000) });
    await tidy.catch(() => undefined);
    throw error;
  }
  say("swapped");
  const now = contentOf(await session.run(INSPECT, { step: "the comparison", signal }));
  const differences = contentDifferences(manifest, now);
  // Clients are back by now and may write; what is missing would be another matter, and the old database is there.
  if (differences.length > 0) say(`since the swap clients have changed: ${differences.slice(0, 5).join("; ")}`);
  if (manifest.tables.some(({ table }) => !now.tables.some((one) => one.table === table))) {
    throw new BackupError(
      `database ${target.name} (${whereIs(target)}) lacks tables of the backup right after the restore: ${differences.join("; ")}`,
      `somebody changes it; the old one is kept as "${old}"`,
    );
  }
  return { old };
}

/** A dated name for the database that is put aside; PostgreSQL's names have at most 63 bytes. */
function keptName(database: string, now: Date): string {
  const time = now
    .toISOString()
    .replaceAll(/[-:]|\.\d+/g, "")
    .toLowerCase();
  return `${Buffer.from(database)
    .subarray(0, 38)
    .toString()
    .replace(/\uFFFD$/, "")}_before_${time}`;
}
