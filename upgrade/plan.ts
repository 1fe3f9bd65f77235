import { formatDescription, parseDescription } from "../history/recorded-texts";
import { passedEarlier, readEarlierRecord } from "../components/migration-gate/earlier-record";
import { UserError } from "../shared/user-error";
import { showUserErrors } from "../config/show-errors";
import { migrationLines } from "../review/crd-migration";
import { summarize } from "../review/report/summary";
import { getStack } from "@pulumi/pulumi";
import type { ClusterClient } from "../kubernetes/connect";
import { isEstablished, readLiveCrds } from "../kubernetes/crds";

import { type ReleaseState, releaseWarning, type Revision } from "../helm/release";
import { type LiveWorkload, readWorkloads } from "../kubernetes/workloads";
import { listCasaPolicies, listMultiAgentSystems } from "../components/workload-restarts/cluster/casa-objects";
import type { CrdSetArgs } from "../components/crd-set/component";
import type { CustomResourceMigrationArgs } from "../components/custom-resource-migration/component";
import type { MigrationGateArgs } from "../components/migration-gate/component";
import type { RuntimeReleaseArgs } from "../components/runtime-release/component";
import type { ClusterAccess } from "../shared/shell";
import type { WorkloadRestartsArgs } from "../components/workload-restarts/component";
import { backupFact, type BackupPlan, backupSummary, planBackup } from "../components/database-backup/plan";

import { loadChart, type LoadedChart } from "../helm/chart";
import { sidecarDeploymentOf, type UpgradeConfig } from "../config/config";
import type { LoadedConfig } from "../config/config-load";
import { readMigrations } from "../components/custom-resource-migration/file";
import { customResourceJobs, refuseUnlessMigratable } from "../components/custom-resource-migration/jobs";
import { planCrMigration } from "../components/custom-resource-migration/plan";
import { withStoredVersions } from "../components/custom-resource-migration/transitional";
import { droppedCrds, keepForeign, parseCrds } from "../crds/crds";
import { manualChange, manualRevisions } from "../history/manual";
import { lostValues, sameValues } from "../helm/installed-values";
import * as live from "./preflight";
import { planMigrationGate } from "../components/migration-gate/plan";
import { parseManifest } from "../kubernetes/objects";
import { buildReview } from "../review/build";
import { refuseUnlessReviewed, writeReport } from "../review/handover";
import { recordNames } from "../components/workload-restarts/restart-record";
import {
  pendingGroups,
  planRestarts,
  type RecordedStamp,
  type RestartPlan,
} from "../components/workload-restarts/restarts";
import type { Review } from "../review/report/schema";
import { configStamp, stampOn, type StampRules } from "../components/workload-restarts/stamp";
import { nameWorkloads } from "../components/workload-restarts/targets";

/** Every decision of one upgrade, made before the first resource exists. */
export interface UpgradePlan {
  readonly access: ClusterAccess;
  /** The cluster that is upgraded. */
  readonly cluster: { readonly context: string; readonly id: string; readonly version: string };
  /** Chart versions; `before` is the last different one, so that a repeated run says the same. */
  readonly versions: { readonly before?: string; readonly after: string };
  /** The ConfigMap written before the chart changes, and what it says. */
  readonly before: { readonly name: string; readonly exists: boolean; readonly recorded: RecordedStamp };
  readonly backup: BackupPlan;
  readonly customResources: Omit<CustomResourceMigrationArgs, "access">;
  readonly crds: Omit<CrdSetArgs, "access">;
  readonly release: RuntimeReleaseArgs;
  /** Undefined when `migrationGate.enabled` is false. */
  readonly migrationGate?: Omit<MigrationGateArgs, "access" | "revision">;
  /** Undefined when `restarts.enabled` is false. */
  readonly restarts?: Omit<WorkloadRestartsArgs, "access">;
  /** What a reviewer should know although it stops nothing. */
  readonly warnings: readonly string[];
  /** Everything that changes, and what comes of it. */
  readonly review: Review;
}

/**
 * Reads chart and cluster, decides what the upgrade does, and refuses what cannot work. Changes nothing anywhere.
 *
 * @throws RunError, which the engine shows without a stack trace: the problem and its fix.
 */
export async function planUpgrade(loaded: LoadedConfig): Promise<UpgradePlan> {
  return showUserErrors(() => plan(loaded));
}

async function plan(loaded: LoadedConfig): Promise<UpgradePlan> {
  const { config, values, programValues, hasNullValues } = loaded;
  const access: ClusterAccess = { context: config.context, kubeconfig: config.kubeconfig };
  await live.checkTools();
  const client = await live.connectTo(config);
  await live.refuseWithoutBasicPermissions(client, config);
  const installed = await live.installedRelease(client, config);
  const chart = await loadChart(config, {
    release: config.release,
    namespace: config.namespace,
    values,
    kubeVersion: client.gitVersion,
    apiVersions: await client.apiVersions(),
    isUpgrade: installed !== undefined,
    oldValues: installed && !sameValues(installed.latest.config, values) ? installed.latest.config : undefined,
    access,
  });

  const { crds, onCluster, installedCrds, migrations } = await planCrds(client, config, chart, installed);
  const rules = stampRules(config);
  const stamp = configStamp(chart.objects, chart.unstable, rules);
  const installedObjects = installed && parseManifest(installed.latest.manifest).map(({ object }) => object);
  const installedStamp = installedObjects && configStamp(installedObjects, chart.unstable, rules);
  const records = await live.restartRecords(client, config);
  // A release of ours without any record was installed by a run that was killed before it wrote one.
  const startedUnder = installed && parseDescription(installed.latest.description) ? undefined : installedStamp;
  const recorded = records.after ?? records.before ?? { stamp: startedUnder ?? "none", stale: [] };
  const { restarts, workloads } = await planWorkloads(client, config, stamp, recorded);

  const hasCrds = crds.crds.length > 0;
  await live.refuseWhatCannotWork(client, config, { chart, hasCrds, installedObjects, restarts });
  const migration = await planMigrationGate(client, loaded, chart);
  const unchanged = installed !== undefined && isInstalled(installed, chart, values);
  if (unchanged && pendingGroups(restarts).length > 0) {
    await live.refuseUnlessInjectionReady(client, config, rules.sidecarDeployment);
  }

  const names = recordNames(config.release);
  const description = revisionDescription(chart, installed);
  const before = records.before ?? recorded;
  const newRevision = !unchanged || installed.latest.description !== description;
  const withoutBackup = await buildReview({
    client,
    loaded,
    stack: getStack(),
    chart,
    installed,
    crds: {
      planned: crds.crds,
      dropped: crds.dropped,
      live: onCluster,
      installed: installedCrds,
      overrides: config.crdRules,
      migrations: new Map(migrations.map((one) => [one.crd, one])),
      rulesFile: config.customResourceMigrations,
      destination: config.backup.destination,
    },
    restarts,
    workloads,
    stamp,
    newRevision,
    records: {
      records,
      wanted: { before, after: config.restarts.enabled ? { stamp, stale: restarts.stale } : undefined },
    },
    warnings: [...warnings(config, chart, crds.dropped, installed, values), ...migration.warnings],
  });
  refuseRejected(withoutBackup);
  const crdsChange = withoutBackup.objects.some(({ writer }) => writer === "crds");
  const established = !crdsChange && crds.crds.every(({ name }) => isEstablished(onCluster.get(name)));
  const earlier =
    newRevision || !migration.gate ? undefined : await readEarlierRecord(getStack(), "casa-migration-passed");
  const passed =
    migration.gate !== undefined && passedEarlier(earlier, { ...migration.gate, revision: installed?.latest.revision });
  const backup = await planBackup({
    client,
    config,
    stack: getStack(),
    installed,
    digest: chart.digest,
    releaseWillChange: newRevision || crdsChange,
  });
  const review = withBackup(withoutBackup, backup);
  writeReport(review);
  refuseUnlessReviewed(review);
  return {
    access,
    cluster: { context: config.context, id: client.uid ?? "unknown", version: client.gitVersion },
    versions: { before: versionBefore(installed, chart.version), after: chart.version },
    before: { name: names.before, exists: records.exists.before, recorded: before },
    backup,
    customResources: customResourceJobs(config, getStack(), crds.crds, migrations, onCluster),
    crds: { ...crds, established, timeoutSeconds: config.timeouts.crds },
    release: {
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
      explain: migration.explain,
    },
    migrationGate: migration.gate && { ...migration.gate, passed },
    restarts: config.restarts.enabled
      ? {
          plan: restarts,
          stamp,
          maxConcurrent: config.restarts.maxConcurrent,
          timeoutSeconds: config.timeouts.restart,
          injection: {
            mode: config.mode,
            namespace: config.namespace,
            sidecarDeployment: rules.sidecarDeployment,
            webhook: config.webhook,
            timeoutSeconds: config.timeouts.injection,
          },
          record: { name: names.after, exists: records.exists.after },
        }
      : undefined,
    warnings: [...review.warnings, ...backup.warnings],
    review,
  };
}

/**
 * The revision's description, which `helm history` shows. It carries the digest of what the chart renders, because the
 * provider compares inputs only and would not see a template that changed without a new version (DESIGN section 5). For the
 * same reason it names the revision that somebody made by hand after ours: else `up` would find its inputs unchanged and leave that.
 */
function revisionDescription({ version, digest }: LoadedChart, installed: ReleaseState | undefined): string {
  const manual = installed && manualRevisions(installed.revisions).at(-1);
  if (manual) return formatDescription({ version, digest, afterRevision: manual.revision });
  // What an earlier run said of it stays: nothing changed since.
  const latest = installed && parseDescription(installed.latest.description);
  const same = latest?.version === version && latest.digest === digest;
  return formatDescription({ version, digest, afterRevision: same ? latest.afterRevision : undefined });
}

/** What a preview says at its end: the essence of the review, the backup, the migrations of custom resources. */
export function previewLines({ review, backup }: UpgradePlan): string[] {
  return [summarize(review), ...[backupSummary(backup) ?? []].flat(), ...migrationLines(review)];
}

/** Puts into the review's facts what is known of the backup only once the review says what changes. */
function withBackup(review: Review, plan: BackupPlan): Review {
  return { ...review, runtime: { ...review.runtime, backup: backupFact(plan, review.runtime.backup) } };
}

/** What the API server refused as a dry-run it would refuse half-way through the upgrade. */
function refuseRejected(review: Review): void {
  const { refusals } = review;
  if (refusals.length === 0) return;
  writeReport(review);
  const lines = refusals.map(({ object, problem, fix }) => `    ${object}: ${problem}\n      Fix: ${fix}`);
  throw new UserError(
    "refused",
    `the cluster would refuse this upgrade:\n${lines.join("\n")}`,
    "each object's is above; nothing was changed",
  );
}

async function planCrds(
  client: ClusterClient,
  config: UpgradeConfig,
  chart: LoadedChart,
  installed: ReleaseState | undefined,
) {
  const entries = readMigrations(config.customResourceMigrations);
  const shipped = parseCrds(chart.crds);
  const before = crdsOf(installed?.latest);
  const onCluster = await readLiveCrds(
    client,
    shipped.map((crd) => crd.metadata.name),
  );
  const planned = shipped.map((crd) => {
    const name = crd.metadata.name;
    const old = before.find((candidate) => candidate.metadata.name === name);
    return { name, manifest: keepForeign(crd, onCluster.get(name), old), exists: onCluster.has(name) };
  });
  const migrations = planned.flatMap(
    ({ name, manifest }) => planCrMigration(onCluster.get(name), manifest, entries) ?? [],
  );
  await refuseUnlessMigratable(client, config, getStack(), planned, migrations);
  // Of every revision that helm remembers: a repeated run must say the same as the one that left a CRD behind.
  const ever = droppedCrds((installed?.revisions ?? []).flatMap(crdsOf), shipped);
  const left = await readLiveCrds(client, ever);
  const askable = planned.map((one) => {
    const live = migrations.some(({ crd }) => crd === one.name) ? onCluster.get(one.name) : undefined;
    return live ? { ...one, asked: withStoredVersions(one.manifest, live.object, live.storedVersions) } : one;
  });
  const crds = { crds: askable, dropped: ever.filter((name) => left.has(name)) };
  return { crds, onCluster, installedCrds: before, migrations };
}

/** CRDs of a revision's chart version; a CRD file that does not parse is passed over, it is not ours to repair. */
function crdsOf(revision: Revision | undefined) {
  try {
    const files = revision?.crdFiles ?? [];
    return parseCrds(files.flatMap((file) => parseManifest(`---\n# Source: ${file.name}\n${file.data}`)));
  } catch {
    return [];
  }
}

async function planWorkloads(
  client: ClusterClient,
  config: UpgradeConfig,
  stamp: string,
  recorded: RecordedStamp,
): Promise<{ restarts: RestartPlan; workloads: LiveWorkload[] }> {
  const { discovery, workloads, canaries, exclude, enabled } = config.restarts;
  if (!enabled) return { restarts: { groups: [], skipped: [], stale: [] }, workloads: [] };
  const [systems, policies] = discovery
    ? await Promise.all([listMultiAgentSystems(client), listCasaPolicies(client)])
    : [[], []];
  const named = nameWorkloads(systems, policies, workloads);
  const namespaces = [...new Set(named.map(({ namespace }) => namespace))];
  const facts = await readWorkloads(client, namespaces);
  return {
    restarts: planRestarts(
      named,
      facts.map((one) => ({ ...one, stamp: stampOn(one) })),
      stamp,
      recorded,
      { canaries, exclude },
    ),
    workloads: facts,
  };
}

function stampRules(config: UpgradeConfig): StampRules {
  return {
    namespace: config.namespace,
    sidecarDeployment: sidecarDeploymentOf(config),
    inputs: config.restarts.inputs,
  };
}

function isInstalled(installed: ReleaseState, chart: LoadedChart, values: Record<string, unknown>): boolean {
  const { latest } = installed;
  return latest.status === "deployed" && latest.chartVersion === chart.version && sameValues(latest.config, values);
}

/** The newest version in the release's history that is not the configured one; undefined when it was installed by us. */
function versionBefore(installed: ReleaseState | undefined, configured: string): string | undefined {
  if (!installed) return undefined;
  if (installed.latest.chartVersion !== configured) return installed.latest.chartVersion;
  const earlier = [...installed.revisions].sort((a, b) => b.revision - a.revision);
  const other = earlier.find((revision) => revision.chartVersion !== configured)?.chartVersion;
  const first = earlier.at(-1);
  const ours = first?.revision === 1 && parseDescription(first.description) !== undefined;
  return other ?? (ours ? undefined : configured);
}

function warnings(
  config: UpgradeConfig,
  chart: LoadedChart,
  dropped: string[],
  installed: ReleaseState | undefined,
  values: Record<string, unknown>,
): string[] {
  const manual = installed && manualChange(config.release, installed.revisions);
  const found: string[] = manual === undefined ? [] : [manual];
  for (const name of dropped) {
    found.push(
      `CRD ${name} is no longer shipped by ${chart.name} ${chart.version}. It stays on the cluster with all its ` +
        `objects; delete it by hand once nothing uses it: kubectl delete crd ${name}`,
    );
  }
  const lost = installed ? lostValues(installed.latest.config, values) : [];
  if (lost.length > 0) {
    found.push(
      `release ${config.release} was installed with values that the config does not have; they go back to the chart's ` +
        `defaults: ${lost.join(", ")}. To keep them: helm get values ${config.release} --namespace ` +
        `${config.namespace} --output yaml > values.yaml && pulumi config set --path 'valueFiles[0]' values.yaml`,
    );
  }
  const failed = installed && releaseWarning(installed, config.context);
  if (failed) found.push(failed);
  if (chart.deprecated) found.push(`chart ${chart.name} ${chart.version} is marked deprecated`);
  for (const { source, object } of chart.strayCrdFiles) {
    found.push(`${source} holds ${object.kind} ${object.metadata.name ?? ""}, no CRD; an upgrade does not apply it`);
  }
  return found;
}
