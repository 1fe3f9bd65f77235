import { UserError } from "../../shared/user-error";
import execa from "execa";
import { lookAtStore } from "./cluster/open-store";
import { serverPod } from "./cluster/pods";
import { readLogin } from "./cluster/values";
import type { ClusterClient } from "../../kubernetes/connect";
import { missingPermissions, permissionProblem, podStream } from "../../kubernetes/permissions";

import type { ReleaseState } from "../../helm/release";
import type { UpgradeConfig } from "../../config/config";
import type { BackupFact } from "./backup-fact";
import { parseManifest } from "../../kubernetes/objects";
import { type Destination, destinationText, parseDestination } from "./destination";
import { discoverDatabases } from "./discover";
import type { BackupJob } from "./job";
import { type DatabaseTarget, whereIs } from "./references";

/** What the backup of one upgrade does; nothing in it is secret, and all of it is known at preview. */
export interface BackupPlan {
  /** Config `backup.enabled`. */
  readonly enabled: boolean;
  /** This upgrade changes the release or its CRDs. */
  readonly releaseWillChange: boolean;
  /** Verified backups of all {@link databases} are made before anything changes. */
  readonly willRun: boolean;
  readonly databases: readonly { readonly name: string; readonly server: string }[];
  /** As configured. */
  readonly destination: string;
  readonly keep: number;
  /** What is done; without databases when {@link willRun} is false. */
  readonly job: BackupJob;
  readonly warnings: readonly string[];
}

/** What a backup plan is made from. */
export interface BackupInput {
  client: ClusterClient;
  config: UpgradeConfig;
  stack: string;
  installed?: ReleaseState;
  /** Hash of what the chart renders. */
  digest: string;
  releaseWillChange: boolean;
}

/**
 * Decides what is backed up, and refuses what cannot work: no permission for `kubectl exec`, a Secret or pod that is
 * missing, a destination that cannot be used.
 *
 * @throws UserError
 */
export async function planBackup(input: BackupInput): Promise<BackupPlan> {
  const { client, config, stack, installed, releaseWillChange } = input;
  const { enabled, keep, timeoutSeconds } = config.backup;
  const to = destinationOf(config);
  const databases = enabled && installed ? await findDatabases(client, config, installed) : [];
  const willRun = releaseWillChange && databases.length > 0;
  const last = willRun ? await refuseUnlessPossible(client, config, stack, databases) : "none";
  const none = `no database to back up was found in release ${config.namespace}/${config.release}: name it in backup.databases`;
  return {
    enabled,
    releaseWillChange,
    willRun,
    databases: databases.map((target) => ({ name: target.name, server: whereIs(target) })),
    destination: destinationText(to),
    keep,
    job: {
      stack,
      cluster: client.uid ?? "unknown",
      release: {
        name: config.release,
        namespace: config.namespace,
        chartVersion: installed?.latest.chartVersion ?? "none",
        revision: installed?.latest.revision ?? 0,
        status: installed?.latest.status ?? "none",
      },
      destination: to,
      keep,
      timeoutSeconds,
      databases: willRun ? databases : [],
      occasion: `revision ${installed?.latest.revision ?? 0} to ${input.digest}, after ${last}`,
    },
    warnings: enabled && installed && databases.length === 0 ? [none] : [],
  };
}

/** What policies read of it; `needed` is known from the workloads of the release already. */
export function backupFact(plan: BackupPlan, { needed }: Pick<BackupFact, "needed">): BackupFact {
  const { willRun, enabled, releaseWillChange, databases, destination } = plan;
  const names = databases.map(({ name }) => name).join(", ");
  const why = willRun
    ? `${names} to ${destination}, each verified by a restore into a scratch database`
    : !releaseWillChange
      ? "nothing changes"
      : !enabled
        ? "backups are switched off (backup.enabled)"
        : "no database was found to back up (backup.databases names them)";
  return { planned: willRun, needed: needed || (releaseWillChange && databases.length > 0), why };
}

/** One line for the end of a preview; undefined when no backup is made. */
export function backupSummary({ willRun, databases, destination }: BackupPlan): string | undefined {
  if (!willRun) return undefined;
  const list = databases.map(({ name, server }) => `${name} (${server})`).join(", ");
  return `Backup before anything changes: ${list} to ${destination}, each verified by a restore into a scratch database`;
}

/** The configured destination. */
export function destinationOf({ backup, namespace }: UpgradeConfig): Destination {
  const { s3Endpoint: endpoint, s3Region: region, pvcImage: image } = backup;
  return parseDestination(backup.destination, { endpoint, region, namespace, image });
}

/**
 * The databases of the installed release as its workloads are now, and the configured ones, which win over those of the
 * same name.
 */
export async function findDatabases(
  client: ClusterClient,
  config: UpgradeConfig,
  installed: ReleaseState,
): Promise<DatabaseTarget[]> {
  const external = config.backup.databases.map(({ name, host, port, sslMode, database, user, secret }) => ({
    name,
    database: [{ value: database }],
    user: [{ value: user }],
    password: [{ kind: "Secret" as const, name: secret.name, key: secret.key }],
    at: { host, port, sslMode, namespace: secret.namespace ?? config.namespace },
  }));
  const found = config.backup.discover ? await discoverLive(client, config.namespace, installed) : [];
  return [...found.filter(({ name }) => !external.some((one) => one.name === name)), ...external];
}

async function discoverLive(client: ClusterClient, namespace: string, installed: ReleaseState) {
  const objects = parseManifest(installed.latest.manifest).map(({ object }) => object);
  const places = discoverDatabases(objects, namespace).map(({ at }) => at);
  const live = await Promise.all(
    places.map((at) =>
      "host" in at
        ? Promise.resolve(undefined)
        : client.api.get({ apiVersion: "apps/v1", kind: at.kind }, at.namespace, at.workload),
    ),
  );
  return discoverDatabases(live, namespace);
}

/** @returns the newest backup there is of this stack, or "none". */
async function refuseUnlessPossible(
  client: ClusterClient,
  config: UpgradeConfig,
  stack: string,
  databases: readonly DatabaseTarget[],
): Promise<string> {
  const inside = databases.filter(({ at }) => !("host" in at));
  const exec = [...new Set(inside.map(({ at }) => at.namespace))].flatMap((at) => podStream("exec", at));
  const denied = permissionProblem(await missingPermissions(client, exec), client.context);
  if (denied) throw denied;
  await Promise.all(databases.map((target) => readLogin(client, target)));
  await Promise.all(inside.map((target) => serverPod(client, target)));
  if (inside.length < databases.length) await refuseWithoutPrograms();
  const store = lookAtStore(destinationOf(config), stack, { client, release: config.release, purpose: "backup" });
  await store.check();
  return (await store.newestRun()) ?? "none";
}

async function refuseWithoutPrograms(): Promise<void> {
  for (const program of ["psql", "pg_dump", "pg_restore"]) {
    const { failed } = await execa(program, ["--version"], { reject: false });
    if (!failed) continue;
    throw new UserError(
      "backup",
      `${program} is not on PATH; databases outside of the cluster are dumped from this machine`,
      "install PostgreSQL's client programs (Debian: apt-get install postgresql-client)",
    );
  }
}
