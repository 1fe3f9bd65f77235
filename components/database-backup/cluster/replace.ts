import { UserError } from "../../../shared/user-error";
import type { Readable } from "node:stream";
import { contentDifferences } from "../compare";
import { type BackupManifest, compactTime } from "../manifest";
import type { BackupOwner } from "../retention";

import { restoreAndCompare, scratchName } from "./run";
import { DROP, INSPECT, SWAP } from "./scripts";
import { contentOf, type DatabaseSession } from "./session";

/**
 * Restores a stored dump into a new database, compares it with its manifest, and puts it in the place of the one logged
 * in to. Until that last step the database is untouched; the step itself is one transaction.
 *
 * @param owner tells the new database apart from those of other stacks on the same server.
 * @returns the name that the old database is kept under.
 * @throws UserError
 */
export async function replaceDatabase(
  session: DatabaseSession,
  manifest: BackupManifest,
  stored: Readable,
  owner: Omit<BackupOwner, "name">,
  timeoutSeconds: number,
): Promise<string> {
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  const { prefix, name: fresh } = scratchName(session, owner);
  await restoreAndCompare(session, manifest, stored, { prefix, name: fresh }, "keep", signal);
  const kept = `${session.database.slice(0, 30)}_before_restore_${compactTime(new Date()).toLowerCase()}`;
  try {
    await session.run(SWAP, { step: "changing places", args: [fresh, kept], signal });
  } catch (error) {
    await session.run(DROP, { step: "cleaning up", args: [fresh], signal }).catch(() => undefined);
    throw error;
  }
  const facts = await session.run(INSPECT, { step: "the comparison", signal });
  const differences = contentDifferences(manifest, contentOf(facts));
  if (differences.length > 0) {
    throw new UserError(
      "backup",
      `the restored database is in place, but differs by now: ${differences.slice(0, 5).join("; ")}`,
      `something writes to it already; the database as it was is kept as ${kept}`,
    );
  }
  return kept;
}
