import { UserError } from "../shared/user-error";
import { openStore } from "../components/database-backup/cluster/open-store";
import type { ClusterClient } from "../kubernetes/connect";
import { readRevision } from "../components/migration-gate/cluster/revision";

import { readRelease } from "../helm/release";
import { destinationOf } from "../components/database-backup/plan";
import type { UpgradeConfig } from "../config/config";
import type { SchemaOnTheWay } from "../history/losses";
import { plainRevisions, revisionText, type SchemaReading } from "../components/migration-gate/revision";
import { databaseNamedOtherwise, findMigrationTarget } from "../components/migration-gate/target";
import { parseManifest } from "../kubernetes/objects";
import type { Review } from "../review/report/schema";
import type { ConnectedStack } from "./stack-config";

/**
 * Compares the schema revision of the auth service's database with the one that the old version ran with. That is known
 * from the backups: each was made while a version ran, and says its revision.
 */
export async function schemaOnTheWay(
  stack: string,
  { config, client }: ConnectedStack,
  { identity }: Review,
): Promise<SchemaOnTheWay> {
  if (identity.chart.before === identity.chart.after) return { kind: "fits" };
  try {
    const now = await liveRevision(client, config);
    if (now.state === "not checked") return { kind: "unknown", why: now.why };
    const revisions = now.state === "absent" ? undefined : plainRevisions(now.revisions);
    return await compare(stack, client, config, revisions, identity.chart.after);
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
  // What was dumped after an upgrade that failed may have been migrated half-way.
  const ran = (await store.list())
    .filter(({ release, cluster, alembic }) => {
      const same = release.name === config.release && release.namespace === config.namespace;
      return (
        same &&
        release.status === "deployed" &&
        release.chartVersion === version &&
        cluster === client.uid &&
        alembic !== null
      );
    })
    .sort((a, b) => (a.run < b.run ? 1 : -1));
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
