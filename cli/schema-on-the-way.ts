import { UserError } from "../shared/user-error";
import { openStore } from "../components/database-backup/cluster/open-store";
import type { ClusterClient } from "../kubernetes/connect";
import { readRevision } from "../components/migration-gate/cluster/revision";

import { readRelease } from "../helm/release";
import { CHANGES } from "../components/database-backup/cluster/scripts";
import { DatabaseSession } from "../components/database-backup/cluster/session";
import type { BackupManifest, LiquibaseChanges } from "../components/database-backup/manifest";
import { destinationOf, findDatabases } from "../components/database-backup/plan";
import type { UpgradeConfig } from "../config/config";
import type { SchemaOnTheWay } from "../history/losses";
import { plainRevisions, revisionText, type SchemaReading } from "../components/migration-gate/revision";
import { databaseNamedOtherwise, findMigrationTarget } from "../components/migration-gate/target";
import { parseManifest } from "../kubernetes/objects";
import type { Review } from "../review/report/schema";
import type { ConnectedStack } from "./stack-config";

/** Longest time for one look at a database, in milliseconds. */
const LIMIT_MS = 30_000;

/**
 * Compares the schema revision of the auth service's database with the one that the old version ran with. That is known
 * from the backups: each was made while a version ran, and says its revision. So it is for
 * databases that Liquibase has in hand.
 */
export async function schemasOnTheWay(
  stack: string,
  connected: ConnectedStack,
  review: Review,
): Promise<SchemaOnTheWay[]> {
  const { before, after } = review.identity.chart;
  if (before === after) return [];
  return [await alembicOnTheWay(stack, connected, after), ...(await liquibaseOnTheWay(stack, connected, after))];
}

/** Keycloak's own schema, and that of whatever else uses Liquibase. */
async function liquibaseOnTheWay(
  stack: string,
  { config, client }: ConnectedStack,
  version: string,
): Promise<SchemaOnTheWay[]> {
  try {
    const destination = destinationOf(config);
    // It is said of the auth service's database already that nobody can look.
    if (destination.kind === "pvc") return [];
    const store = openStore(destination, stack);
    const made = madeWhile(version, await store.list(), config, client);
    const ran = made.filter(({ liquibase = [] }) => liquibase.length > 0);
    if (ran.length === 0) return [];
    const installed = await readRelease(client, config.namespace, config.release);
    const targets = installed ? await findDatabases(client, config, installed) : [];
    const names = [...new Set(ran.map(({ name }) => name))];
    return await Promise.all(
      names.map(async (name): Promise<SchemaOnTheWay> => {
        const target = targets.find((one) => one.name === name);
        if (!target) return { kind: "unknown", why: `database ${name} is not part of the release any more` };
        const session = await DatabaseSession.open(client, target);
        const signal = AbortSignal.timeout(LIMIT_MS);
        const facts = await session.run(CHANGES, { step: "the look at the schema", signal });
        const now = changesText(facts.flatMap(({ liquibase }) => liquibase ?? []));
        const then = ran.filter((one) => one.name === name);
        const [last] = then;
        if (!last || then.some(({ liquibase = [] }) => changesText(liquibase) === now)) return { kind: "fits" };
        const was = changesText(last.liquibase ?? []);
        return { kind: "newer", now, then: was, backup: store.locate(last.file), database: name };
      }),
    );
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [{ kind: "unknown", why: error.problem }];
  }
}

function changesText(all: readonly LiquibaseChanges[]): string {
  return all.map(({ table, changes, newest }) => `${newest} in ${table} (${changes} changes)`).join(", ") || "none";
}

/** The backups of this release that were made while a version ran, newest first. */
function madeWhile(version: string, all: readonly BackupManifest[], config: UpgradeConfig, client: ClusterClient) {
  return all
    .filter(({ release, cluster }) => {
      const same = release.name === config.release && release.namespace === config.namespace;
      // What was dumped after an upgrade that failed may have been migrated half-way.
      return same && release.status === "deployed" && release.chartVersion === version && cluster === client.uid;
    })
    .sort((a, b) => (a.run < b.run ? 1 : -1));
}

async function alembicOnTheWay(
  stack: string,
  { config, client }: ConnectedStack,
  version: string,
): Promise<SchemaOnTheWay> {
  try {
    const now = await liveRevision(client, config);
    if (now.state === "not checked") return { kind: "unknown", why: now.why };
    const revisions = now.state === "absent" ? undefined : plainRevisions(now.revisions);
    return await compare(stack, client, config, revisions, version);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { kind: "unknown", why: error.problem };
  }
}

async function compare(
  stack: string,
  client: ClusterClient,
  config: UpgradeConfig,
  /** Undefined: there is no table of them. */
  revisions: readonly string[] | undefined,
  version: string,
): Promise<SchemaOnTheWay> {
  const destination = destinationOf(config);
  // Reading a claim takes a pod, and nothing may be changed before the user agreed.
  if (destination.kind === "pvc")
    return { kind: "unknown", why: "the backups are in a claim, which only a pod can read" };
  const store = openStore(destination, stack);
  const ran = madeWhile(version, await store.list(), config, client).filter(({ alembic }) => alembic !== null);
  const [last] = ran;
  // Without a table then and now nothing can differ.
  if (!last && revisions === undefined) return { kind: "fits" };
  if (!last) return { kind: "unknown", why: `no backup was made while ${version} ran` };
  const listOf = (alembic: string | null) => (alembic ?? "").split(/\s*,\s*/);
  const [then, now] = [revisionText(listOf(last.alembic)), revisionText(revisions ?? [])];
  // A backup notes the revisions of all Alembic's tables, those of other programs included.
  return ran.some(({ alembic }) => isPart(revisions ?? [], listOf(alembic)))
    ? { kind: "fits" }
    : { kind: "newer", now, then, backup: store.locate(last.file) };
}

const isPart = (some: readonly string[], all: readonly string[]) =>
  some.length > 0 && some.every((one) => all.includes(one));

async function liveRevision(client: ClusterClient, config: UpgradeConfig): Promise<SchemaReading> {
  const { release, namespace, migrationGate } = config;
  const installed = await readRelease(client, namespace, release);
  const objects = parseManifest(installed?.latest.manifest ?? "").map(({ object }) => object);
  const { database } = findMigrationTarget(objects, [], { release, namespace, deployment: migrationGate.deployment });
  return readRevision(
    client,
    { context: config.context, kubeconfig: config.kubeconfig },
    database ?? databaseNamedOtherwise(objects, namespace),
  );
}
