import type { CustomResourceMigrationArgs } from "../components/custom-resource-migration/component";
import { customResourceJobs, type MigratedCrds } from "../components/custom-resource-migration/jobs";
import { planCrMigration } from "../components/custom-resource-migration/plan";
import { withStoredVersions } from "../components/custom-resource-migration/transitional";
import { passedEarlier } from "../components/migration-gate/earlier-record";
import { decideMigrationGate, type GateDecision } from "../components/migration-gate/decide";
import { brokenWarnings } from "../components/workload-restarts/broken";
import { workloadId } from "../kubernetes/workload";
import { ownerWarnings } from "../components/workload-restarts/owners";
import { changedConfig, reloaderKeys } from "../components/workload-restarts/reloader";
import { placesFor } from "../components/workload-restarts/stages";
import { surroundingWarnings } from "../components/workload-restarts/surroundings";
import { hasOnlyNewPods, keepsAll, partitionWarnings } from "../components/workload-restarts/replaced-pods";
import type { InjectorAnswer } from "../components/workload-restarts/injected";
import { laterPodWarnings } from "../components/workload-restarts/later-pods";
import { injectionWarnings } from "../components/workload-restarts/injection-facts";
import {
  pendingGroups,
  planRestarts,
  type RecordedStamp,
  type RestartPlan,
} from "../components/workload-restarts/restarts";
import {
  AGAIN_ANNOTATION,
  BROKEN_ANNOTATION,
  REASON_ANNOTATION,
  configStamp,
  marksOf,
  momentOf,
  stampOn,
  type StampRules,
  takenBack,
  templateMarks,
} from "../components/workload-restarts/stamp";
import { nameWorkloads } from "../components/workload-restarts/targets";
import type { UpgradeConfig } from "../config/config";
import type { LoadedConfig } from "../config/config-load";
import {
  type Crd,
  crdNames,
  crdsAmong,
  droppedCrds,
  isLarge,
  keepForeign,
  keptByHelm,
  parseCrds,
  type PlannedCrd,
} from "../crds/crds";
import { parseDescription } from "../history/recorded-texts";
import { lastCarriedOut } from "../helm/carried-out";
import { maskUnstable } from "../helm/unstable";
import { comparedRevision, type Revision } from "../helm/release";
import type { KubeObject } from "../kubernetes/objects";
import {
  crdsOf,
  isInstalled,
  refuseUnfitRelease,
  revisionDescription,
  revisionObjects,
  versionBefore,
  writesRevision,
} from "./release-state";
import { stampRulesOf } from "./injected-configuration";
import { refuseNumberTags } from "./number-tags";
import type { Snapshot } from "./snapshot";
import { unlistedWarnings } from "../components/workload-restarts/unlisted";
import { unmatchedNames } from "./unmatched-names";
import { upgradeWarnings } from "./warnings";

/** What is decided about the chart's CRDs. */
export interface CrdDecision extends MigratedCrds {
  /** CRDs on the cluster that an earlier chart version brought and this one does not ship; they stay. */
  readonly dropped: readonly string[];
  /** As the installed chart version ships them. */
  readonly installed: readonly Crd[];
}

/** Every decision of one upgrade that follows from the snapshot alone, as plain data. */
export interface Decisions {
  /** Chart versions; `before` is the last different one, so that a repeated run says the same. */
  readonly versions: { readonly before?: string; readonly after: string };
  readonly crds: CrdDecision;
  readonly customResources: Omit<CustomResourceMigrationArgs, "access">;
  /** Hash of the configuration that is injected into MAS pods. */
  readonly stamp: string;
  readonly stampRules: StampRules;
  /** What the ConfigMap says that is written before the chart changes. */
  readonly recordBefore: RecordedStamp;
  readonly restarts: RestartPlan;
  /** Restarts are left over from an earlier run, and nothing else is to be done first. */
  readonly onlyRestarts: boolean;
  readonly gate: GateDecision;
  /** The gate was passed for exactly this, as an earlier version of this program recorded. */
  readonly gatePassed: boolean;
  /** Description of the revision that helm writes. */
  readonly description: string;
  /** helm writes a new revision. */
  readonly newRevision: boolean;
  /** Objects of the installed revision; undefined when it is not installed. */
  readonly installedObjects?: readonly KubeObject[];
  /** What a reviewer should know although it stops nothing. */
  readonly warnings: readonly string[];
}

/**
 * Decides what the upgrade does. Looks at nothing but its arguments.
 *
 * @throws UserError for what the snapshot says cannot work.
 */
export function decide(loaded: LoadedConfig, snapshot: Snapshot): Decisions {
  const { config, values } = loaded;
  const { installed, chart, records, stack } = snapshot;
  refuseUnfitRelease(installed, config);
  refuseNumberTags(chart.rendered, values);
  const crds = decideCrds(config, snapshot);
  const stampRules = stampRulesOf(config);
  // Of what is the same in every run: else a chart that renders its revision would restart everything each time.
  const stamp = configStamp(chart.fixed.objects, chart.fixed.unstable, stampRules);
  const installedObjects = installed && objectsOf(installed.latest);
  // Not what a failed revision holds: it may never have been applied, and pods that are left old would be the worse
  // mistake.
  const running = installed && lastCarriedOut(installed.revisions);
  const installedStamp = running && configStamp(objectsOf(running), chart.fixed.unstable, stampRules);
  // A release of ours without any record was installed by a run that was killed before it wrote one.
  const startedUnder = installed && parseDescription(installed.latest.description) ? undefined : installedStamp;
  const recorded = records.after ?? records.before ?? { stamp: startedUnder ?? "none", stale: [] };
  const restarts = decideRestarts(config, snapshot, stamp, recorded);

  const places = placesFor(config.restarts.maxConcurrent, restarts);
  const unchanged = isInstalled(installed, chart, values);
  const description = revisionDescription(chart, installed);
  const newRevision = writesRevision(installed, chart, values);
  const gate = decideMigrationGate(loaded, chart);
  const revision = installed?.latest.revision;
  const stable = (objects: readonly KubeObject[]) => maskUnstable([...objects], chart.fixed.unstable, config.namespace);
  return {
    versions: { before: versionBefore(installed, chart.version), after: chart.version },
    crds,
    customResources: customResourceJobs(config, stack, crds, snapshot.liveCrds),
    ...{ stamp, stampRules, restarts, gate, description, newRevision, installedObjects },
    recordBefore: records.before ?? { stamp: recorded.stamp, stale: recorded.stale },
    onlyRestarts: unchanged && pendingGroups(restarts).length > 0,
    gatePassed:
      !newRevision && gate.gate !== undefined && passedEarlier(snapshot.earlierGate, { ...gate.gate, revision }),
    warnings: [
      ...upgradeWarnings(config, values, snapshot, crds.dropped),
      ...unmatchedNames(config, snapshot),
      ...brokenWarnings(restarts, snapshot.workloads, config.restarts.brokenBefore),
      ...ownerWarnings(restarts, snapshot.workloads),
      ...partitionWarnings(restarts, snapshot.workloads),
      ...unlistedWarnings(snapshot.unlisted),
      ...surroundingWarnings(restarts, snapshot.workloads, snapshot.surroundings, {
        places,
        changes: changedConfig(stable(installedObjects ?? []), stable(chart.fixed.objects), config.namespace),
      }),
      ...laterWarnings(config, snapshot),
      ...injectionWarnings(config.mode, snapshot.injection, pendingGroups(restarts).flat()),
      ...gate.warnings,
    ],
  };
}

function objectsOf(revision: Revision): KubeObject[] {
  return revisionObjects(revision).rendered;
}

function decideCrds({ crdSources }: UpgradeConfig, snapshot: Snapshot): CrdDecision {
  const { chart, installed, liveCrds, migrationEntries, crdResources } = snapshot;
  const shipped = parseCrds(chart.crds, crdSources);
  const before = crdsOf(installed?.latest);
  const templatesBefore = installed ? objectsOf(comparedRevision(installed)) : [];
  // helm deletes a CRD that leaves the templates, with all its objects, also when it comes back in crds/.
  const leaves = new Set(crdNames(templatesBefore));
  const next = shipped.map((crd): PlannedCrd => {
    const name = crd.metadata.name;
    const old = before.find((candidate) => candidate.metadata.name === name);
    const manifest = keepForeign(crd, liveCrds.get(name), old);
    return {
      name,
      manifest: leaves.has(name) ? keptByHelm(manifest) : manifest,
      exists: liveCrds.has(name),
      byCommand: isLarge(crd) && !crdResources.has(name),
    };
  });
  const ofTemplates = templatedCrds(snapshot, shipped, templatesBefore);
  const migrations = [...next, ...ofTemplates].flatMap(
    ({ name, manifest }) => planCrMigration(liveCrds.get(name), manifest, migrationEntries) ?? [],
  );
  const isMigrated = ({ name }: PlannedCrd) => migrations.some(({ crd }) => crd === name);
  const planned = next.map((one) => {
    const live = isMigrated(one) ? liveCrds.get(one.name) : undefined;
    return live ? { ...one, asked: withStoredVersions(one.manifest, live.object, live.storedVersions) } : one;
  });
  // Of every revision that helm remembers: a repeated run must say the same as the one that left a CRD behind.
  const ever = droppedCrds((installed?.revisions ?? []).flatMap(crdsOf), shipped);
  const moved = new Set(crdNames(chart.objects));
  const dropped = ever.filter((name) => liveCrds.has(name) && !moved.has(name));
  return { planned, dropped, installed: before, templated: ofTemplates.filter(isMigrated), migrations };
}

/** CRDs among the templates that are on the cluster and that the file of migrations may name. */
function templatedCrds(
  { chart, liveCrds }: Snapshot,
  shipped: readonly Crd[],
  templatesBefore: readonly KubeObject[],
): PlannedCrd[] {
  const inFolder = new Set(shipped.map(({ metadata }) => metadata.name));
  const before = crdsAmong(templatesBefore);
  return crdsAmong(chart.rendered).flatMap((crd) => {
    const live = liveCrds.get(crd.metadata.name);
    if (!live || inFolder.has(live.name)) return [];
    const old = before.find(({ metadata }) => metadata.name === live.name);
    return [{ name: live.name, manifest: keepForeign(crd, live, old), exists: true, byCommand: true }];
  });
}

function decideRestarts(
  { restarts: { enabled, workloads, canaries, exclude, reason } }: UpgradeConfig,
  snapshot: Snapshot,
  stamp: string,
  recorded: RecordedStamp,
): RestartPlan {
  if (!enabled) return { groups: [], skipped: [], stale: [] };
  const named = nameWorkloads(snapshot.systems, snapshot.policies, workloads);
  const facts = snapshot.workloads.map((one) => ({
    ...one,
    stamp: stampOn(one),
    again: marksOf(one)[AGAIN_ANNOTATION],
    reason: marksOf(one)[REASON_ANNOTATION],
    moment: momentOf(one),
    templateMarks: templateMarks(one),
    reloads: reloaderKeys(one).length > 0,
    takenBack: takenBack(one),
    brokenBefore: one.annotations[BROKEN_ANNOTATION],
    lacking: snapshot.injection.lacking.get(workloadId(one)),
    allNew: hasOnlyNewPods(one),
    held: isHeldUp(snapshot.injection.answers.get(workloadId(one))),
    keepsAll: keepsAll(one),
  }));
  return planRestarts(named, facts, stamp, recorded, { canaries, exclude, reason }, snapshot.otherWorkloads);
}

function laterWarnings({ mode, webhook }: UpgradeConfig, { injection }: Snapshot): string[] {
  const revisions = [...injection.answers.values()].flatMap((one) =>
    "injected" in one ? (one.injected.revision ?? []) : [],
  );
  return laterPodWarnings(mode, { webhooks: injection.webhooks, webhook, revisions }, injection.later);
}

function isHeldUp(answer: InjectorAnswer | undefined): boolean {
  return answer !== undefined && "problem" in answer && answer.problem === "down";
}
