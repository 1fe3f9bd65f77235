import { createHash, randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { UserError } from "../../../shared/user-error";
import { contentDifferences } from "../compare";
import { SCHEMA_FIX } from "../failures";
import type { BackupJob } from "../job";
import type { BackupManifest } from "../manifest";
import { type ProofKind, proofText, timescaleArguments } from "../proof";
import { type DatabaseTarget, whereIs } from "../references";
import type { BackupOwner } from "../retention";
import type { ProofServers, ProofSubject } from "./proof-server";
import type { Fact } from "./run-script";
import { DROP, RESTORE } from "./scripts";
import { contentOf, type DatabaseSession } from "./session";
import { type BackupStore, Meter } from "./store";

interface Dumped {
  session: DatabaseSession;
  manifest: BackupManifest;
  subject: ProofSubject;
}

interface With {
  store: BackupStore;
  servers: ProofServers;
  job: BackupJob;
  say: (line: string) => void;
}

/**
 * Tries a stored dump: reads it back from the destination, restores it elsewhere and compares. Where the config leaves
 * the choice, a throw-away server that cannot be had, or does not take the dump, is no verdict: the database's own
 * server is asked then.
 *
 * @returns where it was restored, in words.
 * @throws UserError naming the database, the cause and the fix.
 */
export async function prove(one: Dumped, { store, servers, job, say }: With, signal: AbortSignal): Promise<string> {
  const { session, manifest, subject } = one;
  const inDatabase = async () => {
    const stored = await store.read(manifest.file, true);
    await restoreAndCompare(session, manifest, stored, scratchName(session, job), "drop", signal, say);
    return proofText("database");
  };
  if (proofOf(job, manifest.name) === "database") return inDatabase();
  let meter = new Meter();
  const open = async () => {
    const stored = await store.read(manifest.file, true);
    meter = new Meter();
    stored.once("error", (error) => meter.destroy(error));
    return stored.pipe(meter);
  };
  const result = await servers.prove(subject, open, signal);
  if ("facts" in result) {
    refuseDifferent(session.target, manifest, result.facts, meter);
    return proofText("server");
  }
  if ((job.proof?.choice ?? "auto") !== "auto") throw result.failed;
  try {
    const where = await inDatabase();
    say(`${manifest.name}: not tried on a throw-away server: ${result.failed.problem}`);
    return where;
  } catch (error) {
    if (signal.aborted) throw error;
    // What failed first is the way that was meant.
    const { code, problem } = result.failed;
    if (result.failed.fix === SCHEMA_FIX) throw result.failed;
    const too = `${problem}; the restore into a scratch database on the server itself failed, too`;
    throw new UserError(code, too, "repair what the message names, then repeat");
  }
}

/** How a database's backup is tried. */
export function proofOf({ proof }: Pick<BackupJob, "proof">, name: string): ProofKind {
  return proof?.choice === "database" ? "database" : (proof?.kinds[name] ?? "server");
}

/** Drops a database of ours. @returns its name when that did not work. */
async function dropOurs(session: DatabaseSession, name: string): Promise<string | undefined> {
  const run = { step: "the clean-up", args: [name], signal: AbortSignal.timeout(30_000) };
  const facts = await session.run(DROP, run).catch((): Fact[] => [{ left: name }]);
  return facts.find(({ left }) => left !== undefined)?.left;
}

const leftText = (left: string) =>
  `scratch database ${left} may be left on the server (psql: DROP DATABASE "${left}";)`;

/** An error that says what was left behind, too. */
function withLeft(error: unknown, left: string | undefined): unknown {
  if (left === undefined || !(error instanceof UserError)) return error;
  return new UserError(error.code, `${error.problem}; ${leftText(left)}`, error.fix);
}

/**
 * Restores a stored dump into a new database and compares checksum, tables, rows and revision with the manifest.
 *
 * @param of the new database, and the prefix that all such databases have.
 * @param after what happens to the new database when it is equal; else it is dropped.
 */
export async function restoreAndCompare(
  session: DatabaseSession,
  manifest: BackupManifest,
  stored: Readable,
  of: { prefix: string; name: string },
  after: "keep" | "drop",
  signal: AbortSignal,
  say: (line: string) => void = console.error,
): Promise<void> {
  try {
    await compareRestored(session, manifest, stored, of, after, signal, say);
  } catch (error) {
    // The script drops it itself, unless it was killed, or was told to keep what turned out not to be equal.
    throw withLeft(error, await dropOurs(session, of.name));
  }
}

async function compareRestored(
  session: DatabaseSession,
  manifest: BackupManifest,
  stored: Readable,
  { prefix, name }: { prefix: string; name: string },
  after: "keep" | "drop",
  signal: AbortSignal,
  say: (line: string) => void = console.error,
): Promise<void> {
  const meter = new Meter();
  stored.once("error", (error) => meter.destroy(error));
  const facts = await session.run(RESTORE, {
    step: "the restore into a scratch database",
    args: [prefix, name, after, ...timescaleArguments(manifest)],
    input: stored.pipe(meter),
    signal,
  });
  refuseDifferent(session.target, manifest, facts, meter);
  const left = facts.find((fact) => fact.left !== undefined)?.left;
  if (left !== undefined) say(`${manifest.name}: ${leftText(left)}`);
}

/** @throws UserError unless what was restored is what was dumped, and the stored file is what was written. */
function refuseDifferent(target: DatabaseTarget, manifest: BackupManifest, facts: readonly Fact[], meter: Meter): void {
  const differences = contentDifferences(manifest, contentOf(facts));
  const { sha256 } = meter.result();
  if (sha256 !== manifest.sha256) {
    differences.unshift(`the stored file has the checksum ${sha256} instead of ${manifest.sha256}`);
  }
  if (differences.length === 0) return;
  throw new UserError(
    "backup",
    `database ${manifest.name} (${whereIs(target)}): the backup is not equal to the database: ` +
      differences.slice(0, 5).join("; ") +
      (differences.length > 5 ? `; and ${differences.length - 5} more` : ""),
    "the backup is of no use; look at the destination's disk and at pg_dump, then repeat",
  );
}

/**
 * Databases of ours on a server: the prefix tells stack, release and database apart, so that no run drops another's.
 */
export function scratchName(
  { target }: DatabaseSession,
  owner: Omit<BackupOwner, "name">,
): { prefix: string; name: string } {
  const of = [owner.stack, owner.cluster, owner.release.namespace, owner.release.name, target.name, whereIs(target)];
  const hash = createHash("sha256").update(JSON.stringify(of)).digest("hex").slice(0, 10);
  const prefix = `casa_upgrade_scratch_${hash}_`;
  return { prefix, name: prefix + randomBytes(4).toString("hex") };
}
