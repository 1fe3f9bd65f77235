import { UserError } from "../../shared/user-error";
import execa from "execa";
import { lookAtStore } from "./cluster/open-store";
import { serverPod, targetsByPod } from "./cluster/pods";
import { readLogin } from "./cluster/values";
import type { ClusterClient } from "../../kubernetes/connect";
import { missingPermissions, permissionProblem, podStream } from "../../kubernetes/permissions";

import type { ReleaseState } from "../../helm/release";
import type { UpgradeConfig } from "../../config/config";
import type { BackupFact } from "./backup-fact";
import { type KubeObject, parseManifest } from "../../kubernetes/objects";
import { allDatabases, type AllDatabases, type ServerAnswer } from "./all-databases";
import { askServers, operatorObjects, readConfig, refuseCertainFailures, withAdmins } from "./cluster/ask-servers";
import { decideProof } from "./cluster/decide-proof";
import { externalDatabases, notCovered, operatorDatabases } from "./elsewhere";
import { notSaved } from "./other-databases";
import { type Destination, destinationText, parseDestination } from "./destination";
import { discoverDatabases } from "./discover";
import { configElsewhere } from "./environment";
import type { BackupJob } from "./job";
import { type ProofKind, proofText } from "./proof";
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
  /** How each database's backup is tried, by its name. */
  readonly proof?: Readonly<Record<string, ProofKind>>;
  readonly warnings: readonly string[];
  /** Live servers of the release, backed up or not. */
  readonly servers: number;
  /** Databases that are not backed up although the release uses them. */
  readonly missing: readonly { readonly what: string; readonly fix: string }[];
}

/** What a backup plan is made from. */
export interface BackupInput {
  client: ClusterClient;
  config: UpgradeConfig;
  stack: string;
  installed?: ReleaseState;
  /** Hash of what the chart renders. */
  digest: string;
  /** What the chart renders. */
  rendered: readonly KubeObject[];
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
  // An install may find the servers of an earlier one, whose record is lost.
  const objects = [...(installed ? objectsOf(installed) : []), ...input.rendered];
  const known = installed || releaseWillChange ? await knownDatabases(client, config, objects) : [];
  const found = enabled ? known : [];
  const willRun = releaseWillChange && found.length > 0;
  // Servers are asked within their pods, which is more than reading.
  const canAsk = willRun && !client.readOnly;
  const last = canAsk ? await refuseUnlessPossible(client, config, stack, found) : "none";
  const { all, kinds, warnings } = canAsk
    ? await askAll(client, config, stack, found).catch(asNoBackup)
    : { all: { targets: found, missing: [], copies: [], standbys: [] }, kinds: {}, warnings: [] };
  const databases = all.targets;
  const elsewhere = releaseWillChange && installed ? await databasesElsewhere(client, config, objects) : NONE_ELSEWHERE;
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
      ...(willRun ? { proof: { choice: config.backup.proof, kinds } } : {}),
      occasion: `revision ${installed?.latest.revision ?? 0} to ${input.digest}, after ${last}`,
    },
    ...(willRun ? { proof: kinds } : {}),
    warnings: [
      ...warnings,
      ...(willRun && !canAsk ? [NOT_ASKED] : []),
      ...(enabled && installed && databases.length === 0 ? [none] : []),
      ...(all.copies.length > 0
        ? [`kept by earlier restores and not backed up (drop what is not needed): ${all.copies.join(", ")}`]
        : []),
      ...all.standbys.map((where) => `${where} is a standby; its primary is backed up`),
      ...elsewhere.problems,
      ...(enabled && releaseWillChange && installed
        ? notSaved(objectsOf(installed), config.namespace, elsewhere.config)
        : []),
    ],
    servers: known.length,
    missing: [...all.missing, ...elsewhere.missing],
  };
}

/** In the words of the program that makes them: what is refused here would fail there. */
function asNoBackup(error: unknown): never {
  if (!(error instanceof UserError)) throw error;
  throw new UserError(error.code, `no verified backup, so nothing was upgraded: ${error.problem}`, error.fix);
}

const NOT_ASKED =
  "the database servers were not asked what is on them, and how backups are made and tried: the user of this preview may only read";

const NONE_ELSEWHERE = { missing: [], problems: [], config: [] };

/** The databases of operators and of other servers that the release uses and nobody named. */
async function databasesElsewhere(client: ClusterClient, config: UpgradeConfig, objects: readonly KubeObject[]) {
  const { objects: made, problems } = await operatorObjects(client, config.namespace);
  const operated = operatorDatabases([...made, ...objects], config.namespace);
  const others = await readConfig(client, configElsewhere(objects, config.namespace));
  // A host that belongs to an operator's cluster is that cluster.
  const ofOperators = new Set(operated.flatMap(({ names }) => names));
  const external = externalDatabases(objects, config.namespace, others.objects).filter(
    ({ names }) => !names.some((host) => ofOperators.has(host.split(".")[0] ?? host)),
  );
  const unique = new Map([...operated, ...external].map((one) => [one.what, one]));
  const missing = notCovered([...unique.values()], config.backup.databases);
  return {
    problems: [...problems, ...others.problems],
    missing: missing.map(({ what, fix }) => ({ what, fix })),
    config: others.objects,
  };
}

/** Asks all servers what is on them, and how their backups can be made and tried. @throws UserError */
async function askAll(client: ClusterClient, config: UpgradeConfig, stack: string, found: readonly DatabaseTarget[]) {
  const servers = await targetsByPod(client, found);
  const asked = await askServers(client, servers.targets);
  const { proof } = config.backup;
  const { kindOf, warnings } = await decideProof(client, proof, asked, { stack, release: config.release });
  const answers = await withAdmins(client, asked, kindOf);
  const certain = refuseCertainFailures(answers, kindOf);
  const all = onServers(answers);
  const kinds = Object.fromEntries(all.targets.map((target) => [target.name, kindOf(target)]));
  return { all, kinds, warnings: [...servers.warnings, ...warnings, ...certain] };
}

/** Beside the databases that were asked for all others of their servers, for servers in the cluster. */
function onServers(answers: readonly ServerAnswer[]): AllDatabases {
  const outside = answers.map(({ target }) => target).filter(({ at }) => "host" in at);
  const all = allDatabases(answers.filter(({ target }) => !("host" in target.at)));
  const named = new Set(outside.map(({ name }) => name));
  return { ...all, targets: [...all.targets.filter(({ name }) => !named.has(name)), ...outside] };
}

/** What policies read of it; `needed` is known from the workloads of the release already. */
export function backupFact(plan: BackupPlan, { needed }: Pick<BackupFact, "needed">): BackupFact {
  const { willRun, enabled, releaseWillChange, databases, destination, servers } = plan;
  const names = databases.map(({ name }) => name).join(", ");
  const why = willRun
    ? `${names} to ${destination}, ${proofWords(plan)}`
    : !releaseWillChange
      ? "nothing changes"
      : !enabled
        ? "backups are switched off (backup.enabled)"
        : "no database was found to back up (backup.databases names them)";
  const missing = plan.missing.map((one) => ({ ...one }));
  // Those that nobody named would not be backed up by switching backups on, but somebody has to do it.
  const isNeeded = needed || (releaseWillChange && (servers > 0 || (!enabled && missing.length > 0)));
  return { planned: willRun, needed: isNeeded, why, missing };
}

/** One line for the end of a preview; undefined when no backup is made. */
export function backupSummary(plan: BackupPlan): string | undefined {
  const { willRun, databases, destination } = plan;
  if (!willRun) return undefined;
  const list = databases.map(({ name, server }) => `${name} (${server})`).join(", ");
  return `Backup before anything changes: ${list} to ${destination}, ${proofWords(plan)}`;
}

function proofWords({ databases, proof = {} }: BackupPlan): string {
  const inDatabase = databases.map(({ name }) => name).filter((name) => proof[name] === "database");
  const some = inDatabase.length > 0 && inDatabase.length < databases.length;
  if (some)
    return `each verified by a restore into ${proofText("server")}, or (${inDatabase.join(", ")}) into a scratch database`;
  return `each verified by a restore into ${inDatabase.length > 0 ? "a scratch database" : proofText("server")}`;
}

/** The configured destination. */
export function destinationOf({ backup, namespace }: UpgradeConfig): Destination {
  const { s3Endpoint: endpoint, s3Region: region, pvcImage: image } = backup;
  return parseDestination(backup.destination, { endpoint, region, namespace, image });
}

/**
 * All databases of the installed release, those that somebody created on its servers included. A server that does not
 * answer has the one that its workload names: what is done with it says why, and the others can be restored.
 *
 * @throws UserError
 */
export async function findDatabases(
  client: ClusterClient,
  config: UpgradeConfig,
  installed: ReleaseState,
): Promise<DatabaseTarget[]> {
  const known = await knownDatabases(client, config, objectsOf(installed));
  const inside = known.filter(({ at }) => !("host" in at));
  // A restore makes a new database in any case. Those outside of the cluster are asked when it begins.
  const servers = await targetsByPod(client, inside);
  const silent: DatabaseTarget[] = [];
  const answers = servers.targets.map(async (target) => {
    try {
      return await withAdmins(client, await askServers(client, [target]), () => "database");
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      silent.push(target);
      return [];
    }
  });
  const all = onServers((await Promise.all(answers)).flat());
  const outside = known.filter(({ at }) => "host" in at);
  return [...[...all.targets, ...silent].filter(({ name }) => !outside.some((one) => one.name === name)), ...outside];
}

const objectsOf = ({ latest }: ReleaseState) => parseManifest(latest.manifest).map(({ object }) => object);

/**
 * The databases that the release's workloads name, as they are now, and the configured ones, which win over those of
 * the same name.
 */
async function knownDatabases(
  client: ClusterClient,
  config: UpgradeConfig,
  objects: readonly KubeObject[],
): Promise<DatabaseTarget[]> {
  const external = config.backup.databases.map(({ name, host, port, sslMode, database, user, secret }) => ({
    name,
    database: [{ value: database }],
    user: [{ value: user }],
    password: [{ kind: "Secret" as const, name: secret.name, key: secret.key }],
    at: { host, port, sslMode, namespace: secret.namespace ?? config.namespace },
  }));
  const found = config.backup.discover ? await discoverLive(client, config.namespace, objects) : [];
  return [...found.filter(({ name }) => !external.some((one) => one.name === name)), ...external];
}

async function discoverLive(client: ClusterClient, namespace: string, objects: readonly KubeObject[]) {
  const places = discoverDatabases(objects, namespace).map((target) => [whereIs(target), target.at] as const);
  const live = await Promise.all(
    [...new Map(places).values()].map((at) =>
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
