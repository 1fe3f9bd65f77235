import { UserError } from "../../../shared/user-error";
import { randomBytes } from "node:crypto";
import { type BackupJob, type BackupResult } from "../job";
import { backupId, type BackupManifest, newRun, rowsOf } from "../manifest";
import { surplus } from "../retention";
import { whereIs } from "../references";
import type { ClusterWriter } from "../../../kubernetes/connect";
import { closeStore, openStore } from "./open-store";

import { ProofServers, type ProofSubject } from "./proof-server";
import { proofOf, prove, scratchName } from "./prove";
import { DUMP } from "./scripts";
import { collationsOf, contentOf, DatabaseSession, dataRowsOf, propertiesOf } from "./session";
import type { BackupStore } from "./store";
import { together } from "./together";

/** A dump that was made in this run. */
interface Dump {
  session: DatabaseSession;
  manifest: BackupManifest;
  comparison: NonNullable<BackupResult["comparison"]>;
  /** What a throw-away server needs to take it. */
  subject: ProofSubject;
  /** Of a pooler in between; empty when the server behind it cannot be reached. */
  pooler: string | undefined;
}

/**
 * Backs up all databases of a job: dumps begun together, each read back from the destination, restored elsewhere and
 * compared. All count, or none: a run that fails anywhere leaves the destination as it found it.
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
  const servers = new ProofServers(client, { stack: job.stack, release: release.name }, timeoutSeconds);
  try {
    return await backUpTo(store, servers, client, job, say);
  } finally {
    await Promise.all([servers.close(say), closeStore(store, say)]);
  }
}

async function backUpTo(
  store: BackupStore,
  servers: ProofServers,
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
    const starting = servers.prepare(job.databases.filter(({ name }) => proofOf(job, name) === "server"));
    const dumps = await together(job.timeoutSeconds, sessions, async (session, signal) => {
      const made = await dump(session, job, run, store, fileOf(session.target.name), signal);
      const { manifest, pooler } = made;
      const through = pooler === "" ? "; through a pooler, in whose sessions pg_dump's settings may stay" : "";
      say(
        `${manifest.name}: dumped ${manifest.bytes} bytes, ${manifest.tables.length} tables, ${rowsOf(manifest)} rows${through}`,
      );
      return { session, ...made };
    });
    await starting;
    await together(job.timeoutSeconds, dumps, async (one, signal) => {
      const where = await prove(one, { store, servers, job, say }, signal);
      say(`${one.manifest.name}: verified; the stored dump, restored into ${where}, holds the same`);
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
): Promise<Omit<Dump, "session">> {
  const { target } = session;
  let stored = { bytes: 0, sha256: "" };
  const facts = await session.run(DUMP, {
    step: "the dump",
    args: [scratchName(session, job).prefix],
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
  const traits = facts.find((fact) => fact.traits !== undefined)?.traits;
  if (!traits) throw new Error("the server's traits are missing");
  const liquibase = facts.flatMap((fact) => fact.liquibase ?? []);
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
    roles: facts.flatMap(({ needsRole }) => needsRole ?? []),
    ...(liquibase.length > 0 ? { liquibase } : {}),
    ...(traits.timescale ? { timescale: traits.timescale } : {}),
    // Written only after the comparison below.
    verified: true,
  };
  const identity = systemIdentifier === undefined ? {} : { systemIdentifier };
  const collations = collationsOf(facts);
  const roles = facts.flatMap(({ role }) => role ?? []);
  return {
    manifest,
    comparison: { target, ...identity, dataRows: dataRowsOf(facts), ...(collations ? { collations } : {}) },
    subject: { target, database: session.database, serverVersion, traits, tables: manifest.tables.length, roles },
    pooler: facts.find(({ pooler }) => pooler !== undefined)?.pooler,
  };
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
