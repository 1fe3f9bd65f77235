import { UserError } from "../../../shared/user-error";
import { createHash, randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { contentDifferences } from "../compare";
import { type BackupJob, type BackupResult } from "../job";
import { backupId, type BackupManifest, newRun, rowsOf } from "../manifest";
import { type BackupOwner, surplus } from "../retention";
import { whereIs } from "../references";
import type { ClusterWriter } from "../../../kubernetes/connect";
import { closeStore, openStore } from "./open-store";

import { DROP, DUMP, RESTORE } from "./scripts";
import { contentOf, DatabaseSession, dataRowsOf, propertiesOf } from "./session";
import { type BackupStore, Meter } from "./store";
import { together } from "./together";

/** A dump that was made in this run. */
interface Dump {
  session: DatabaseSession;
  manifest: BackupManifest;
  comparison: NonNullable<BackupResult["comparison"]>;
}

/**
 * Backs up all databases of a job: dumps begun together, each read back from the destination, restored into a scratch
 * database and compared. All count, or none: a run that fails anywhere leaves the destination as it found it.
 *
 * @param say takes one line about what was done.
 * @throws UserError naming the database, the cause and the fix.
 */
export async function backUp(
  client: ClusterWriter,
  job: BackupJob,
  say: (line: string) => void,
): Promise<BackupResult[]> {
  const { timeoutSeconds, release } = job;
  const store = openStore(job.destination, job.stack, {
    client,
    release: release.name,
    timeoutSeconds,
    purpose: "backup",
  });
  await store.check();
  try {
    return await backUpTo(store, client, job, say);
  } finally {
    await closeStore(store, say);
  }
}

async function backUpTo(
  store: BackupStore,
  client: ClusterWriter,
  job: BackupJob,
  say: (line: string) => void,
): Promise<BackupResult[]> {
  const run = newRun(new Date(), randomBytes(3).toString("hex"));
  const names = job.databases.map(({ name }) => name);
  const fileOf = (name: string) => `${backupId(name, run)}.dump`;
  await store.cleanUp(names);
  try {
    const sessions = await Promise.all(job.databases.map((target) => DatabaseSession.open(client, target)));
    const dumps = await together(job.timeoutSeconds, sessions, async (session, signal) => {
      const { manifest, comparison } = await dump(session, job, run, store, fileOf(session.target.name), signal);
      say(
        `${manifest.name}: dumped ${manifest.bytes} bytes, ${manifest.tables.length} tables, ${rowsOf(manifest)} rows`,
      );
      return { session, manifest, comparison };
    });
    await together(job.timeoutSeconds, dumps, async ({ session, manifest }, signal) => {
      const stored = await store.read(manifest.file, true);
      await restoreAndCompare(session, manifest, stored, scratchName(session, job), "drop", signal);
      say(`${manifest.name}: verified; the stored dump, restored into a scratch database, holds the same`);
    });
    for (const { manifest } of dumps) await store.finish(manifest);
    await retain(store, dumps, job, say);
    return dumps.map(({ manifest, comparison }) => ({ ...resultOf(manifest, store), comparison }));
  } catch (error) {
    await Promise.allSettled(names.map((name) => store.discard(fileOf(name))));
    throw error;
  }
}

async function dump(
  session: DatabaseSession,
  job: BackupJob,
  run: string,
  store: BackupStore,
  file: string,
  signal: AbortSignal,
): Promise<Pick<Dump, "manifest" | "comparison">> {
  const { target } = session;
  let stored = { bytes: 0, sha256: "" };
  const facts = await session.run(DUMP, {
    step: "the dump",
    output: async (content) => void (stored = await store.write(file, content)),
    signal,
  });
  const { serverVersion = "", at = "" } = facts.find((fact) => fact.serverVersion !== undefined) ?? {};
  if (stored.bytes === 0) {
    throw new UserError(
      "backup",
      `database ${target.name} (${whereIs(target)}): the dump is empty`,
      "look at pg_dump there, then repeat",
    );
  }
  const systemIdentifier = facts.find((fact) => fact.systemIdentifier !== undefined)?.systemIdentifier;
  const manifest: BackupManifest = {
    schemaVersion: 1,
    stack: job.stack,
    cluster: job.cluster,
    release: job.release,
    run,
    name: target.name,
    database: session.database,
    server: whereIs(target),
    serverVersion,
    at,
    file,
    ...stored,
    ...contentOf(facts),
    properties: propertiesOf(facts),
    // Written only after the comparison below.
    verified: true,
  };
  const identity = systemIdentifier === undefined ? {} : { systemIdentifier };
  return { manifest, comparison: { target, ...identity, dataRows: dataRowsOf(facts) } };
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
): Promise<void> {
  try {
    await compareRestored(session, manifest, stored, of, after, signal);
  } catch (error) {
    // The script drops it itself, unless it was killed, or was told to keep what turned out not to be equal.
    const drop = { step: "the clean-up", args: [of.name], signal: AbortSignal.timeout(30_000) };
    await session.run(DROP, drop).catch(() => undefined);
    throw error;
  }
}

async function compareRestored(
  session: DatabaseSession,
  manifest: BackupManifest,
  stored: Readable,
  { prefix, name }: { prefix: string; name: string },
  after: "keep" | "drop",
  signal: AbortSignal,
): Promise<void> {
  const meter = new Meter();
  stored.once("error", (error) => meter.destroy(error));
  const facts = await session.run(RESTORE, {
    step: "the restore into a scratch database",
    args: [prefix, name, after],
    input: stored.pipe(meter),
    signal,
  });
  const differences = contentDifferences(manifest, contentOf(facts));
  const { sha256 } = meter.result();
  if (sha256 !== manifest.sha256) {
    differences.unshift(`the stored file has the checksum ${sha256} instead of ${manifest.sha256}`);
  }
  if (differences.length === 0) return;
  throw new UserError(
    "backup",
    `database ${manifest.name} (${whereIs(session.target)}): the backup is not equal to the database: ` +
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

async function retain(
  store: BackupStore,
  dumps: readonly Dump[],
  job: BackupJob,
  say: (line: string) => void,
): Promise<void> {
  const all = await store.list();
  for (const { manifest } of dumps) {
    for (const old of surplus(manifest, all, job.keep)) {
      // The new backup is safe; an old one that stays is no reason to stop an upgrade.
      const why = await store.remove(old).then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      say(
        `${old.name}: ${why === undefined ? "removed" : "could not remove"} ${store.locate(old.file)}${why ? `: ${why}` : ""}`,
      );
    }
  }
}

function resultOf(manifest: BackupManifest, store: BackupStore): BackupResult {
  const { name, bytes, sha256, at, alembic, verified, tables } = manifest;
  const location = store.locate(manifest.file);
  return { name, location, bytes, sha256, at, alembic, verified, tables: tables.length, rows: rowsOf(manifest) };
}
