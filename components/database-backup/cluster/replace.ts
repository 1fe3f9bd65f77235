import { UserError } from "../../../shared/user-error";
import { Readable } from "node:stream";
import { contentDifferences } from "../compare";
import { keptName } from "../kept-copy";
import type { BackupManifest } from "../manifest";
import type { BackupOwner } from "../retention";

import { restoreAndCompare, scratchName } from "./prove";
import { missingProperties, propertyStatements, rolesOf } from "../properties";
import { APPLY, DESCRIBE, DROP, INSPECT, SLOTS, SWAP } from "./scripts";
import { contentOf, type DatabaseSession, propertiesOf } from "./session";

/**
 * Restores a stored dump into a new database, compares it with its manifest, and puts it in the place of the one logged
 * in to. Until that last step the database is untouched; the step itself is one transaction.
 *
 * @param owner tells the new database apart from those of other stacks on the same server.
 * @returns the name that the old database is kept under, the statements that this user may not carry out, and the
 * logical replication slots that stayed with the old one.
 * @throws UserError
 */
export async function replaceDatabase(
  session: DatabaseSession,
  manifest: BackupManifest,
  stored: Readable,
  owner: Omit<BackupOwner, "name">,
  timeoutSeconds: number,
): Promise<{ kept: string; left: string[]; slots: ReplicationSlot[] }> {
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  const { prefix, name: fresh } = scratchName(session, owner);
  const { properties, missing, databases } = await wantedProperties(session, manifest, signal);
  if (missing.length > 0) {
    throw new UserError(
      "backup",
      `database ${manifest.name} has objects, rights or settings of roles that this server does not have: ${missing.join(", ")}`,
      missing.map((role) => `CREATE ROLE "${role}";`).join(" "),
    );
  }
  await restoreAndCompare(session, manifest, stored, { prefix, name: fresh }, "keep", signal);
  const kept = keptName(session.database, databases, new Date());
  try {
    await session.run(APPLY, {
      step: "the database's settings",
      input: Readable.from([[STRINGS, ...propertyStatements(fresh, properties)].join("\n")]),
      signal,
    });
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
  const found = propertiesOf(await session.run(DESCRIBE, { step: "the comparison", signal }));
  const left = missingProperties(properties, found);
  const told = await session.run(SLOTS, { step: "looking for replication slots", args: [kept], signal });
  const slots = told.flatMap(({ slot: name, plugin = "" }) => (name === undefined ? [] : [{ name, plugin }]));
  return { kept, left: propertyStatements(session.database, left), slots };
}

/** A logical replication slot. */
export interface ReplicationSlot {
  readonly name: string;
  /** The output plugin. */
  readonly plugin: string;
}

/** A backslash in a setting means itself. */
const STRINGS = "SET standard_conforming_strings = on;";

/**
 * The properties as they were dumped, else those of the database in place; roles of theirs that do not exist; and the
 * names of the server's databases.
 */
async function wantedProperties(session: DatabaseSession, manifest: BackupManifest, signal: AbortSignal) {
  const facts = await session.run(DESCRIBE, { step: "reading the database's settings", signal });
  const properties = manifest.properties ?? propertiesOf(facts);
  const roles = new Set(facts.flatMap(({ role }) => role ?? []));
  // Backups of 0.2.0 do not hold the roles of the dump; pg_restore would name the first that is missing.
  const needed = new Set([...rolesOf(properties), ...(manifest.roles ?? [])]);
  const missing = [...needed].filter((role) => !roles.has(role)).sort();
  const databases = new Set(facts.flatMap(({ database }) => database ?? []));
  return { properties, missing, databases };
}
