import { runtime } from "@pulumi/pulumi";
import type { CrdSetArgs } from "../components/crd-set/component";
import type { CustomResourceMigrationArgs } from "../components/custom-resource-migration/component";
import { refuseUnlessMigratable } from "../components/custom-resource-migration/jobs";
import { backupFact, type BackupPlan, backupSummary, planBackup } from "../components/database-backup/plan";
import { checkGatePermissions } from "../components/migration-gate/cluster/permissions";
import { explainUpgradeFailure } from "../components/migration-gate/cluster/upgrade-failure";
import type { MigrationGateArgs } from "../components/migration-gate/component";
import type { RuntimeReleaseArgs } from "../components/runtime-release/component";
import type { WorkloadRestartsArgs } from "../components/workload-restarts/component";
import type { InjectionCheck } from "../components/workload-restarts/cluster/injection";
import { refusedPods } from "../components/workload-restarts/cluster/refused-pods";
import { LookAgain } from "../components/workload-restarts/cluster/look-again";
import { newSince } from "../components/workload-restarts/cluster/new-since";
import { representatives } from "../components/workload-restarts/injection-facts";
import { recordNames } from "../components/workload-restarts/restart-record";
import { pendingGroups, type RecordedStamp } from "../components/workload-restarts/restarts";
import { placesFor } from "../components/workload-restarts/stages";
import { HookWatch } from "../diagnosis/hook-watch";
import type { GateDecision } from "../components/migration-gate/decide";
import type { LoadedConfig } from "../config/config-load";
import { parseDescription } from "../history/recorded-texts";
import type { ClusterClient } from "../kubernetes/connect";
import { clusterTime } from "../kubernetes/cluster-time";
import { isEstablished } from "../kubernetes/crds";
import { buildReview } from "../review/build";
import { migrationLines } from "../review/crd-migration";
import { rankRisks } from "../review/report/risks";
import { refuseUnlessReviewed, writeReport } from "../review/handover";
import type { Review } from "../review/report/schema";
import { summarize } from "../review/report/summary";
import type { ClusterAccess } from "../shared/shell";
import { configurationOf } from "./injected-configuration";
import { lastLook } from "./last-look";
import { decide, type Decisions } from "./decide";
import * as preflight from "./preflight";
import { writesRevision } from "./release-state";
import { readSnapshot, type Snapshot } from "./snapshot";
import { startReviewPlugin } from "./start-plugins";

/** Every decision of one upgrade, made before the first resource exists. */
export interface UpgradePlan {
  readonly access: ClusterAccess;
  /** The cluster that is upgraded. */
  readonly cluster: Snapshot["cluster"];
  readonly versions: Decisions["versions"];
  /** The ConfigMap written before the chart changes, and what it says. */
  readonly before: { readonly name: string; readonly exists: boolean; readonly recorded: RecordedStamp };
  readonly backup: BackupPlan;
  readonly customResources: Omit<CustomResourceMigrationArgs, "access">;
  readonly crds: Omit<CrdSetArgs, "access" | "called">;
  readonly release: RuntimeReleaseArgs;
  /** Undefined when `migrationGate.enabled` is false. */
  readonly migrationGate?: Omit<MigrationGateArgs, "access" | "revision" | "backups">;
  /** Undefined when `restarts.enabled` is false. */
  readonly restarts?: Omit<WorkloadRestartsArgs, "access" | "called">;
  /** What a reviewer should know although it stops nothing. */
  readonly warnings: readonly string[];
  /** Everything that changes, and what comes of it. */
  readonly review: Review;
}

/**
 * Reads chart and cluster, decides what the upgrade does, and refuses what cannot work. Changes nothing anywhere.
 *
 * @param upgrade what the upgrade is called in its program.
 * @throws UserError.
 */
export async function planFor(loaded: LoadedConfig, stack: string, upgrade = "casa"): Promise<UpgradePlan> {
  const { config } = loaded;
  const [client, ofHelm] = await Promise.all([connect(config), preflight.checkHelm()]);
  const kubectl = preflight.checkKubectl(config);
  kubectl.catch(() => undefined);

  return client.api.remembering(async () => {
    let early: Promise<BackupPlan> | undefined;
    const snapshot = await readSnapshot(
      client,
      loaded,
      { stack, upgrade },
      {
        onRelease: startReviewPlugin,
        onChart: (chart, installed) => {
          if (!writesRevision(installed, chart, loaded.values)) return;
          // A new revision is a change for certain, so the databases are asked beside the cluster, which has the first
          // word.
          early = backupFor(client, loaded, { stack, installed, chart }, true);
          early.catch(() => undefined);
        },
      },
    );
    await kubectl;
    const decisions = decide(loaded, snapshot);
    const gateWarnings = await refuseWhatCannotWork(client, loaded, snapshot, decisions);
    return review(client, loaded, snapshot, decisions, {
      warnings: [...ofHelm, ...gateWarnings],
      upgrade,
      early,
    });
  });
}

function backupFor(
  client: ClusterClient,
  { config }: LoadedConfig,
  { stack, installed, chart }: Pick<Snapshot, "stack" | "installed" | "chart">,
  releaseWillChange: boolean,
): Promise<BackupPlan> {
  const { digest, rendered } = chart;
  return planBackup({ client, config, stack, installed, digest, rendered, releaseWillChange });
}

async function connect(config: LoadedConfig["config"]): Promise<ClusterClient> {
  const client = await preflight.connectTo(config);
  await preflight.refuseWithoutBasicPermissions(client, config, runtime.isDryRun());
  return client;
}

/** Refuses what the cluster would refuse half-way. @returns what the gate has to do without, in words. */
async function refuseWhatCannotWork(
  client: ClusterClient,
  { config }: LoadedConfig,
  { chart, stack, injection, workloads }: Snapshot,
  decisions: Decisions,
): Promise<string[]> {
  const { crds, restarts, installedObjects, gate, onlyRestarts } = decisions;
  await refuseUnlessMigratable(client, config, stack, crds);
  const hasCrds = crds.planned.length > 0;
  await preflight.refuseWhatCannotWork(client, config, { chart, hasCrds, installedObjects, restarts });
  const settings = gate.gate?.settings;
  const warnings = settings ? await checkGatePermissions(client, settings) : [];
  if (onlyRestarts)
    await preflight.refuseUnlessInjectionReady(client, config, injectionCheck(config, decisions, injection));
  const refused = await refusedPods(client, restarts, workloads, injection);
  return [...preflight.readOnlyWarning(client), ...warnings, ...refused];
}

/** Asks the API server what comes of the decisions, and puts the plan together. */
async function review(
  client: ClusterClient,
  loaded: LoadedConfig,
  snapshot: Snapshot,
  decisions: Decisions,
  given: { readonly warnings: readonly string[]; readonly upgrade: string; readonly early?: Promise<BackupPlan> },
): Promise<UpgradePlan> {
  const { config } = loaded;
  const { liveCrds } = snapshot;
  const { crds, gate } = decisions;
  const { warnings, upgrade, early } = given;
  const withoutBackup = await buildReview(reviewInput(client, loaded, snapshot, decisions, warnings));
  preflight.refuseRejected(withoutBackup, upgrade);
  const changedCrds = withoutBackup.objects.flatMap(({ writer, name }) => (writer === "crds" ? [name] : []));
  const crdsChange = changedCrds.length > 0;
  const backup = await (early ?? backupFor(client, loaded, snapshot, crdsChange));
  const reviewed = { ...withBackup(withoutBackup, backup), requests: client.requestCount };
  writeReport(reviewed, upgrade);
  refuseUnlessReviewed(reviewed);

  const names = recordNames(config.release);
  const { exists } = snapshot.records;
  return {
    access: { context: config.context, kubeconfig: config.kubeconfig },
    cluster: snapshot.cluster,
    versions: decisions.versions,
    before: { name: names.before, exists: exists.before, recorded: decisions.recordBefore },
    backup,
    customResources: decisions.customResources,
    crds: {
      crds: crds.planned,
      changed: changedCrds,
      dropped: crds.dropped,
      established: !crdsChange && crds.planned.every(({ name }) => isEstablished(liveCrds.get(name)?.object)),
      timeoutSeconds: config.timeouts.crds,
    },
    release: {
      ...releaseArgs(loaded, snapshot, decisions),
      ...aroundHelm(client, loaded, snapshot, gate),
    },
    migrationGate: gate.gate && { ...gate.gate, passed: decisions.gatePassed },
    restarts: restartsArgs(client, loaded, snapshot, decisions, { name: names.after, exists: exists.after }),
    warnings: reviewed.warnings,
    review: reviewed,
  };
}

/** What happens right before and after helm's work. */
function aroundHelm(
  client: ClusterClient,
  loaded: LoadedConfig,
  snapshot: Snapshot,
  gate: GateDecision,
): Pick<RuntimeReleaseArgs, "explain" | "lastLook" | "done"> {
  const { chart } = snapshot;
  let hooks: HookWatch | undefined;
  return {
    lastLook: async () => {
      await lastLook(client, loaded, snapshot);
      hooks = await HookWatch.start(client, chart.hooks, loaded.config.namespace);
    },
    explain: () => explainUpgradeFailure(client, chart, gate, hooks),
    done: () => hooks?.stop(),
  };
}

function reviewInput(
  client: ClusterClient,
  loaded: LoadedConfig,
  { stack, chart, installed, liveCrds, records, workloads, injection }: Snapshot,
  { crds, restarts, stamp, newRevision, recordBefore, warnings }: Decisions,
  gateWarnings: readonly string[],
): Parameters<typeof buildReview>[0] {
  const { config } = loaded;
  const ofChart = new Set([...crds.planned, ...crds.templated].map(({ name }) => name));
  return {
    ...{ client, loaded, stack, chart, installed, restarts, workloads, injection, stamp, newRevision },
    crds: {
      planned: crds.planned,
      templated: crds.templated,
      dropped: crds.dropped,
      live: new Map([...liveCrds].filter(([name]) => ofChart.has(name))),
      installed: crds.installed,
      overrides: config.crdRules,
      release: { name: config.release, namespace: config.namespace },
      takeOver: config.takeOverCrds,
      isOurs: installed !== undefined && parseDescription(installed.latest.description) !== undefined,
      migrations: new Map(crds.migrations.map((one) => [one.crd, one])),
      rulesFile: config.customResourceMigrations,
      destination: config.backup.destination,
    },
    records: {
      records,
      wanted: {
        before: recordBefore,
        after: config.restarts.enabled ? { stamp, stale: restarts.stale, reason: restarts.reason } : undefined,
      },
    },
    warnings: [...warnings, ...gateWarnings],
  };
}

function releaseArgs(
  { config, programValues, hasNullValues }: LoadedConfig,
  { chart, installed }: Snapshot,
  { description }: Decisions,
): Omit<RuntimeReleaseArgs, "explain" | "lastLook" | "done"> {
  return {
    release: config.release,
    namespace: config.namespace,
    chart: config.chart,
    repository: config.repository,
    version: chart.version,
    digest: chart.digest,
    description,
    values: programValues,
    hasNullValues,
    exists: installed !== undefined,
    maxHistory: config.maxHistory,
    timeoutSeconds: config.timeouts.release,
  };
}

function restartsArgs(
  client: ClusterClient,
  { config }: LoadedConfig,
  { chart, injection }: Snapshot,
  decisions: Decisions,
  record: WorkloadRestartsArgs["record"],
): UpgradePlan["restarts"] {
  if (!config.restarts.enabled) return undefined;
  const { restarts, stamp } = decisions;
  const again = new LookAgain(client, config.timeouts.injection);
  return {
    plan: restarts,
    stamp,
    maxConcurrent: placesFor(config.restarts.maxConcurrent, restarts),
    canarySoakSeconds: config.restarts.canarySoakSeconds,
    timeoutSeconds: config.timeouts.restart,
    injection: { ...injectionCheck(config, decisions, injection), timeoutSeconds: config.timeouts.injection },
    now: () => clusterTime(client, config.namespace),
    lookAgain: (target, namedBy) => again.at(target, namedBy),
    newSince: (target) => newSince(client, config.mode, target, configurationOf(config, chart)),
    record,
  };
}

/** What must be ready before the first restart. */
function injectionCheck(
  { mode, namespace, webhook }: LoadedConfig["config"],
  { restarts, stampRules }: Decisions,
  injection: Snapshot["injection"],
): InjectionCheck {
  const pending = pendingGroups(restarts).flat();
  // Those that are held up by a webhook of their own wait for it when their turn comes, and hold up nobody else.
  const free = pending.filter(({ held }) => !held);
  const askAbout = representatives(free.length > 0 ? free : pending, injection);
  return { mode, namespace, webhook, sidecarDeployment: stampRules.sidecarDeployment, askAbout };
}

/** What a preview says at its end: the essence of the review, the backup, the migrations of custom resources. */
export function previewLines({ review, backup }: UpgradePlan): string[] {
  return [summarize(review), ...[backupSummary(backup) ?? []].flat(), ...migrationLines(review)];
}

/** Puts into the review's facts what is known of the backup only once the review says what changes. */
function withBackup(review: Review, plan: BackupPlan): Review {
  const runtime = { ...review.runtime, backup: backupFact(plan, review.runtime.backup) };
  const warnings = [...review.warnings, ...plan.warnings];
  return { ...review, runtime, warnings, risks: rankRisks({ ...review, runtime }) };
}
