import { z } from "zod";
import { childNames } from "../components/child-names";
import { type EarlierRecord, readEarlierRecord } from "../components/migration-gate/earlier-record";
import { readMigrations } from "../components/custom-resource-migration/file";
import type { MigrationEntry } from "../components/custom-resource-migration/rules";
import { listCasaPolicies, listMultiAgentSystems } from "../components/workload-restarts/cluster/casa-objects";
import { readSurroundings } from "../components/workload-restarts/cluster/read-surroundings";
import { readOtherWorkloads } from "../components/workload-restarts/cluster/other-workloads";
import type { OtherWorkload } from "../components/workload-restarts/other-kinds";
import { laterSources, readInjection } from "../components/workload-restarts/cluster/read-injection";
import { type InjectionFacts, NO_INJECTION_FACTS } from "../components/workload-restarts/injection-facts";
import { withoutRenewed } from "../components/workload-restarts/cluster/renewed";
import { parseRecord, recordNames } from "../components/workload-restarts/restart-record";
import type { RecordedStamp } from "../components/workload-restarts/restarts";
import {
  type CasaPolicyFacts,
  type MultiAgentSystemFacts,
  nameWorkloads,
} from "../components/workload-restarts/targets";
import type { UpgradeConfig } from "../config/config";
import type { LoadedConfig } from "../config/config-load";
import { type Crd, crdNames, droppedCrds, isLarge, parseCrds } from "../crds/crds";
import { type LoadedChart, loadChart, type RenderInput } from "../helm/chart";
import { sameValues } from "../helm/installed-values";
import { readRelease, type ReleaseState } from "../helm/release";
import type { ClusterClient } from "../kubernetes/connect";
import { type LiveCrd, readLiveCrds } from "../kubernetes/crds";
import { type LiveWorkload, readWorkloads, type UnlistedWorkloads } from "../kubernetes/workloads";
import type { KubeObject } from "../kubernetes/objects";
import { configurationOf } from "./injected-configuration";
import { refuseLostRecords } from "./lost-records";
import { readStackState } from "../shared/stack-state";
import { crdResources } from "./crd-resources";
import { crdsOf, isInstalled, refuseUnfitRelease, revisionObjects, writesRevision } from "./release-state";

/** The two ConfigMaps that remember what workloads run under; see workload-restarts/restart-record.ts. */
export interface RestartRecords {
  readonly before?: RecordedStamp;
  readonly after?: RecordedStamp;
  readonly exists: { readonly before: boolean; readonly after: boolean };
}

/** Everything that the decisions of one upgrade rest on, as plain data. */
export interface Snapshot {
  readonly stack: string;
  readonly cluster: { readonly context: string; readonly id: string; readonly version: string };
  /** The release as helm has it; undefined when it is not installed. */
  readonly installed?: ReleaseState;
  /** The configured chart version, rendered. */
  readonly chart: LoadedChart;
  /** The file of custom resource migrations. */
  readonly migrationEntries: readonly MigrationEntry[];
  /**
   * CRDs on the cluster that the chart ships, or that any revision helm remembers has shipped; of those among the
   * templates the ones that the file of migrations names.
   */
  readonly liveCrds: ReadonlyMap<string, LiveCrd>;
  /** Large CRDs that the stack's state holds as resources. */
  readonly crdResources: ReadonlySet<string>;
  readonly records: RestartRecords;
  /** None when `restarts.discovery` or `restarts.enabled` is false. */
  readonly systems: readonly MultiAgentSystemFacts[];
  readonly policies: readonly CasaPolicyFacts[];
  /** All workloads of the namespaces that somebody names some in. */
  readonly workloads: readonly LiveWorkload[];
  /** Workloads that may not be listed there. */
  readonly unlisted: readonly UnlistedWorkloads[];
  /** What else runs pods under the names. */
  readonly otherWorkloads: readonly OtherWorkload[];
  /** Budgets, quotas and autoscalers of the namespaces of MAS workloads. */
  readonly surroundings: readonly KubeObject[];
  /** What the injector of this moment puts into MAS pods, and which running ones lack something of it. */
  readonly injection: InjectionFacts;
  /** What an earlier version of this program recorded of its gate. */
  readonly earlierGate?: EarlierRecord;
}

/** Told while the snapshot is read, for what need not wait for all of it. */
export interface SnapshotProgress {
  /** The release is known, and the engine has told the state if it is asked for it. */
  readonly onRelease?: () => void;
  readonly onChart?: (chart: LoadedChart, installed: ReleaseState | undefined) => void;
}

/**
 * Reads the snapshot: all that is read before anything is decided.
 *
 * @param where the stack, and what the upgrade is called in its program.
 * @throws UserError when something cannot be read, or the release cannot be upgraded at all.
 */
export async function readSnapshot(
  client: ClusterClient,
  loaded: LoadedConfig,
  where: { readonly stack: string; readonly upgrade: string },
  progress: SnapshotProgress = {},
): Promise<Snapshot> {
  const { stack, upgrade } = where;
  const { config } = loaded;
  const installed = await readRelease(client, config.namespace, config.release);
  // Without a release that can be upgraded the rest need not be read.
  refuseUnfitRelease(installed, config);
  const migrationEntries = readMigrations(config.customResourceMigrations);
  // The engine sends the whole state: only where it is likely that no new revision makes the gate run anyway.
  const recordedGate = mayBeInstalled(installed, loaded)
    ? readEarlierRecord(stack, `${upgrade}-migration-passed`)
    : undefined;
  void Promise.resolve(recordedGate).then(progress.onRelease);
  const chart = await renderChart(client, loaded, installed);
  progress.onChart?.(chart, installed);
  const shipped = parseCrds(chart.crds, config.crdSources);
  const ever = droppedCrds((installed?.revisions ?? []).flatMap(crdsOf), shipped);
  const templated = crdNames(chart.rendered).filter((name) => migrationEntries.some(({ crd }) => crd === name));
  const ofInterest = new Set([...shipped.map((crd) => crd.metadata.name), ...ever, ...templated]);
  const [liveCrds, resources, records, named, earlierGate] = await Promise.all([
    readLiveCrds(client, [...ofInterest]),
    readCrdResources(where, shipped),
    readRestartRecords(client, config),
    readMasWorkloads(client, config),
    isInstalled(installed, chart, loaded.values) ? recordedGate : undefined,
  ]);
  const names = recordNames(config.release);
  const wanted = config.restarts.enabled ? (["before", "after"] as const) : (["before"] as const);
  const missing = wanted.filter((which) => !records.exists[which]).map((which) => names[which]);
  // Of a release that is not there nothing is recorded, and its records are to be made anew.
  if (installed) await refuseLostRecords(stack, config.namespace, missing, childNames(upgrade));
  return {
    stack,
    cluster: { context: config.context, id: client.uid ?? "unknown", version: client.gitVersion },
    ...{ installed, chart, migrationEntries, liveCrds, crdResources: resources, ...named, earlierGate },
    records: await withoutRenewedOnes(client, config, chart, records, named.workloads),
  };
}

/** The engine sends the whole state: only where a CRD is large. */
async function readCrdResources(
  { stack, upgrade }: { readonly stack: string; readonly upgrade: string },
  shipped: readonly Crd[],
): Promise<ReadonlySet<string>> {
  const large = shipped.filter(isLarge).map((crd) => crd.metadata.name);
  return large.length === 0 ? new Set() : crdResources(await readStackState(stack), large, childNames(upgrade));
}

/** As far as it can be told before the chart is read: {@link isInstalled}. */
function mayBeInstalled(installed: ReleaseState | undefined, { config, values }: LoadedConfig): boolean {
  return isInstalled(installed, { version: config.version ?? installed?.latest.chartVersion ?? "" }, values);
}

async function renderChart(client: ClusterClient, { config, values }: LoadedConfig, installed?: ReleaseState) {
  const oldValues = installed && !sameValues(installed.latest.config, values) ? installed.latest.config : undefined;
  return loadChart(config, {
    ...renderInput(client, config, values, installed),
    oldValues,
    asInstalled: (chart) =>
      installed && !writesRevision(installed, chart, values) ? revisionObjects(installed.latest) : undefined,
  });
}

/** What helm renders the chart with. */
export function renderInput(
  client: ClusterClient,
  { release, namespace }: UpgradeConfig,
  values: Record<string, unknown>,
  installed: ReleaseState | undefined,
): RenderInput {
  return { release, namespace, values, client, isUpgrade: installed !== undefined };
}

async function withoutRenewedOnes(
  client: ClusterClient,
  config: UpgradeConfig,
  chart: LoadedChart,
  records: RestartRecords,
  workloads: readonly LiveWorkload[],
): Promise<RestartRecords> {
  const { after } = records;
  // One that missed a restart for a reason of the user's has no configuration to be younger than.
  if (!after || after.stale.length === 0 || after.reason !== undefined) return records;
  const since = configurationOf(config, chart);
  return { ...records, after: await withoutRenewed(client, config.mode, after, workloads, since) };
}

const configMap = z.looseObject({ data: z.unknown() });

async function readRestartRecords(client: ClusterClient, config: UpgradeConfig): Promise<RestartRecords> {
  const names = recordNames(config.release);
  const read = (name: string) => client.api.get({ apiVersion: "v1", kind: "ConfigMap" }, config.namespace, name);
  const [before, after] = await Promise.all([read(names.before), read(names.after)]);
  const data = (object: unknown) => (object === undefined ? undefined : parseRecord(configMap.parse(object).data));
  return {
    before: data(before),
    after: data(after),
    exists: { before: before !== undefined, after: after !== undefined },
  };
}

async function readMasWorkloads(
  client: ClusterClient,
  { restarts, mode, webhook }: UpgradeConfig,
): Promise<
  Pick<Snapshot, "systems" | "policies" | "workloads" | "unlisted" | "otherWorkloads" | "injection" | "surroundings">
> {
  if (!restarts.enabled) {
    const none = { systems: [], policies: [], workloads: [], unlisted: [], otherWorkloads: [], surroundings: [] };
    return { ...none, injection: NO_INJECTION_FACTS };
  }
  const [systems, policies] = restarts.discovery
    ? await Promise.all([listMultiAgentSystems(client), listCasaPolicies(client)])
    : [[], []];
  const named = nameWorkloads(systems, policies, restarts.workloads);
  const namespaces = [...new Set(named.map(({ namespace }) => namespace))];
  const unlisted: UnlistedWorkloads[] = [];
  const workloads = await readWorkloads(client, namespaces, (one) => unlisted.push(one));
  const mas = new Set(named.map(({ namespace, name }) => `${namespace}/${name}`));
  const isMas = ({ namespace, name, refersTo }: LiveWorkload) =>
    [name, refersTo?.name ?? name].some((one) => mas.has(`${namespace}/${one}`));
  const ofMas = workloads.filter((one) => one.replicas > 0 && isMas(one));
  const otherWorkloads = await readOtherWorkloads(client, named, workloads);
  const [injection, surroundings] = await Promise.all([
    readInjection(client, { mode, webhook }, ofMas, laterSources(workloads.filter(isMas), otherWorkloads)),
    readSurroundings(client, [...new Set(ofMas.map(({ namespace }) => namespace))]),
  ]);
  return { systems, policies, workloads, unlisted, otherWorkloads, injection, surroundings };
}
