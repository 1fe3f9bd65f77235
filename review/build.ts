import { comparedRevision } from "../helm/release";
import { RESOURCE_POLICY } from "../crds/crds";
import { dryRunCreate } from "../kubernetes/dry-run";
import { listed } from "../shared/listed";
import { readStartupTimes } from "../components/workload-restarts/cluster/startup-times";
import { chartNotes } from "./breaking/notes";
import { valuesFindings } from "./breaking/values";
import { versionDistance } from "./breaking/versions";
import { sidecarDeploymentOf } from "../config/config";
import type { LoadedChart } from "../helm/chart";
import type { LoadedConfig } from "../config/config-load";
import { declaredSecrets, Redactor, secretTexts } from "../kubernetes/redact";
import { dig, type KubeObject, parseManifest } from "../kubernetes/objects";
import { estimateRestarts, type RestartFacts } from "../components/workload-restarts/restart-estimate";
import { pendingGroups, type RestartPlan } from "../components/workload-restarts/restarts";
import { placesFor } from "../components/workload-restarts/stages";
import { workloadId } from "../kubernetes/workload";
import { replacedWorkloads, withPods } from "./rolls/rolls";
import { rankRisks } from "./report/risks";
import type { ObjectChange, Refusal, Review } from "./report/schema";
import type { RestartReview } from "../components/workload-restarts/restart-review";
import { beingDeleted, deletedNamespace } from "./being-deleted";
import { deletedContents } from "./contents";
import { type CrdInput, reviewCrds, reviewTemplatedCrds, type TemplatedCrds } from "./crds";
import type { MigratedCrd } from "./crd-migration";
import { AUTOSCALER, runtimeFacts } from "./facts";
import type { ReviewInput } from "./input";
import { type HookChange, hookChanges } from "./hooks";
import { listIfAllowed, releaseRolls } from "./pods";
import { redacted } from "./redacted";
import { unseenWrites } from "./unseen-writes";
import { vainWaits } from "./vain-waits";
import { newClaims } from "./new-claims";
import { recordChanges } from "./records";
import { type ReleaseObject, type ReleaseRendering, releaseObjects, scaledKey } from "./release-objects";
import { restartChanges } from "./restart-objects";
import { factsOf, reviewedHashes, reviewKey } from "./reviewed";

/**
 * Reviews an upgrade: sends every change to the API server as a dry-run, changes nothing, and judges what comes of it.
 */
export async function buildReview(input: ReviewInput): Promise<Review> {
  const { client, loaded, chart, installed, restarts } = input;
  const { config } = loaded;
  const release = { name: config.release, namespace: config.namespace };
  const before = installed ? parseManifest(comparedRevision(installed).manifest).map(({ object }) => object) : [];
  const redactor = redactorFor(loaded, chart, before);

  const [namespace, deleted, autoscalers] = await Promise.all([
    newNamespace(input),
    input.newRevision ? deletedNamespace(client, release.namespace) : [],
    listIfAllowed(client, AUTOSCALER, release.namespace),
  ]);
  const toRender = rendering(input, before, namespace.length > 0, autoscaled(input, autoscalers));
  const [crds, objects, ofRestarts, hooks, { restartReview, slow }] = await Promise.all([
    reviewCrds(client, input.crds, redactor),
    input.newRevision ? releaseObjects(client, toRender, redactor) : [],
    restartChanges(client, restarts, input.workloads, input.stamp),
    input.newRevision ? hookChanges(client, chart.hooks, toRender, installed !== undefined) : [],
    reviewRestarts(input),
  ]);
  const names = { release: release.name, sidecarDeployment: sidecarDeploymentOf(config) };
  const [ofPods, templatedCrds] = await Promise.all([
    releaseRolls(client, [...objects, ...hooks.flatMap(replacedByHook)], release.namespace, names),
    reviewTemplatedCrds(client, objects, input.crds),
  ]);
  const { rolls, images, claims, databases, keycloak, unknown, stale, sorting, liveClaims } = ofPods;
  const records = recordChanges({
    ...input.records,
    release,
    installed,
    newRevision: input.newRevision,
    maxHistory: config.maxHistory,
  });
  const claimsToCome = newClaims(objects, liveClaims, release.namespace);
  const changes = [
    ...crds.changes,
    ...namespace,
    ...withHooks(refusing(objects, templatedCrds), hooks),
    ...claimsToCome,
    ...ofRestarts,
  ];
  const all = [...changes, ...records];
  const byServer = [...deleted, ...changes.flatMap(refusalOf)];
  const replaced = replacedWorkloads(rolls);
  const upgraded = { objects, hooks, replaced, namespace: release.namespace };
  const [contents, waits, unseen] = await Promise.all([
    deletedContents(client, objects, hooks),
    input.newRevision ? vainWaits(client, upgraded, config.timeouts.release) : [],
    input.newRevision ? unseenWrites(client, objects, await toRender.writes, release.namespace) : [],
  ]);
  const allCrds = [...crds.crds, ...templatedCrds.crds];
  const predicted = objects.flatMap(({ after }) => after ?? []);
  const state = {
    objects: input.newRevision ? predicted : chart.rendered,
    replaced: withPods(
      replaced,
      objects.flatMap(({ live }) => live ?? []),
      release.namespace,
    ),
    claims: liveClaims,
    autoscalers,
  };
  const runtime = await runtimeFacts(input, state, redactor);
  // Last, because it takes the longest.
  const refusals =
    byServer.length > 0 || !input.newRevision ? byServer : refusalByHelm(chart, (await chart.rehearsal)?.refusal);
  const breaking = breakingChanges(input);
  const sections = redacted(
    {
      ...{ objects: all, rolls, images, claims, contents, databases, keycloak },
      ...{ breaking, crds: allCrds, restarts: restartReview, refusals },
    },
    redactor,
  );
  return {
    schemaVersion: 1,
    identity: {
      stack: input.stack,
      cluster: { context: config.context, id: client.uid ?? "unknown", version: client.gitVersion },
      release: { ...release, revision: installed?.latest.revision ?? null },
      chart: {
        name: chart.name,
        before: installed?.latest.chartVersion ?? null,
        after: chart.version,
        digest: chart.digest,
      },
    },
    verdict: refusals.length > 0 ? "refused" : isUnchanged(all, restarts) ? "unchanged" : "changes",
    ...sections,
    // Its words are fixed or redacted already; a password like "keycloak" must not make a rule blind.
    runtime,
    acknowledgements: config.acknowledge,
    risks: rankRisks(sections),
    warnings: [
      ...input.warnings,
      ...crds.byHand,
      ...unseen,
      ...beingDeleted(objects, client.context),
      ...waits,
      ...unknown,
      ...stale,
      ...sorting,
      ...slowRestarts(slow, config.timeouts.restart),
    ].map((text) => redactor.text(text)),
    reviewed: reviewedHashes(factsOf(input, objects, allCrds, redactor), reviewKey(client, installed)),
    requests: client.requestCount,
  };
}

/** Hides what the config declares secret and what Secrets hold, except what everybody can read in the chart. */
function redactorFor(loaded: LoadedConfig, chart: LoadedChart, installed: readonly KubeObject[]): Redactor {
  const { declared, inChart } = declaredSecrets(loaded.secretPart, chart.contents.defaults);
  return new Redactor([...declared, ...secretTexts([...chart.rendered, ...installed])], inChart);
}

function rendering(
  { chart, crds, installed, loaded: { config } }: ReviewInput,
  before: KubeObject[],
  createsNamespace: boolean,
  scaled: ReadonlySet<string>,
): ReleaseRendering {
  return {
    release: { name: config.release, namespace: config.namespace },
    installed: before,
    target: chart.rendered,
    hooks: chart.hooks,
    targetWithOldValues: chart.withOldValues,
    unstable: chart.unstable,
    changingKinds: new Set(crds.planned.map(({ manifest }) => `${manifest.spec.group}/${manifest.spec.names.kind}`)),
    autoscaled: scaled,
    keptCrds: new Set(
      crds.planned
        .filter(({ manifest }) => manifest.metadata.annotations?.[RESOURCE_POLICY] === "keep")
        .map(({ name }) => name),
    ),
    migratedCrds: migratedCrds(crds),
    createsNamespace,
    isInstall: installed === undefined,
    writes: chart.rehearsal?.then(({ writes }) => writes),
  };
}

function migratedCrds({ templated, live, migrations }: CrdInput): Map<string, MigratedCrd> {
  const found = templated.flatMap(({ name, manifest }): [string, MigratedCrd][] => {
    const [onCluster, migration] = [live.get(name), migrations.get(name)];
    return onCluster && migration ? [[name, { live: onCluster, manifest, migration }]] : [];
  });
  return new Map(found);
}

/** The workloads that autoscalers hold, those of the cluster and those that the chart brings. */
function autoscaled({ chart, loaded: { config } }: ReviewInput, live: readonly KubeObject[]): Set<string> {
  const ofChart = chart.rendered.filter(({ kind }) => kind === AUTOSCALER.kind);
  return new Set(
    [...live, ...ofChart].map((object) => {
      const target = dig(object, "spec", "scaleTargetRef");
      const at = object.metadata.namespace ?? config.namespace;
      return scaledKey(String(dig(target, "kind")), at, String(dig(target, "name")));
    }),
  );
}

/** helm makes the release's namespace where it is missing; only an install can find it so. */
async function newNamespace({ client, installed, loaded: { config } }: ReviewInput): Promise<ObjectChange[]> {
  const type = { apiVersion: "v1", kind: "Namespace" };
  if (installed || (await client.api.get(type, "", config.namespace)) !== undefined) return [];
  const { check } = await dryRunCreate(client, { ...type, metadata: { name: config.namespace } }, "");
  return [{ ...type, name: config.namespace, action: "create", writer: "helm", fields: [], folded: 0, check }];
}

async function reviewRestarts({
  client,
  loaded,
  restarts,
  workloads,
}: ReviewInput): Promise<{ restartReview: RestartReview; slow: string[] }> {
  const { config } = loaded;
  const pending = pendingGroups(restarts).flat();
  const namespaces = [...new Set(pending.map(({ namespace }) => namespace))];
  const seconds = pending.length > 0 ? await readStartupTimes(client, namespaces) : new Map<string, number>();
  const facts = new Map<string, RestartFacts>(
    workloads.map((one) => {
      const id = workloadId(one);
      return [id, { ...one.strategy, replicas: one.replicas, startupSeconds: seconds.get(id) }];
    }),
  );
  const { maxConcurrent, canarySoakSeconds } = config.restarts;
  const limits = {
    maxConcurrent: placesFor(maxConcurrent, restarts),
    ...{ canarySoakSeconds, timeoutSeconds: config.timeouts.restart },
  };
  const { slow, ...estimate } = estimateRestarts(restarts, facts, limits);
  return { restartReview: { enabled: config.restarts.enabled, ...estimate }, slow };
}

/** Restarts that would not be done in time, by what is known of them. */
function slowRestarts(slow: readonly string[], limit: number): string[] {
  if (slow.length === 0) return [];
  return [
    `the restart of ${listed(slow)} takes longer than timeouts.restart (${limit} s) by the estimate, ` +
      "and would end the run: pulumi config set --path timeouts.restart <seconds>",
  ];
}

function breakingChanges({ chart, installed, loaded }: ReviewInput): Review["breaking"] {
  const before = installed?.latest.chartVersion;
  return {
    distance: versionDistance(before, chart.version),
    values: valuesFindings({
      values: loaded.values,
      installedDefaults: installed?.latest.defaults ?? {},
      chart: chart.contents,
    }),
    notes: before === undefined ? [] : chartNotes({ before, after: chart.version, chart: chart.contents }),
  };
}

/**
 * What changes in the end where an object of the release becomes one of a hook: helm runs the hooks before, takes away
 * what the chart no longer has, even if a hook has just made it, and runs the hooks after.
 */
/** With what the objects of a CRD say against its change; what the API server says counts more. */
function refusing(objects: readonly ReleaseObject[], { refused }: TemplatedCrds): ReleaseObject[] {
  return objects.map((object) => {
    const check = refused.get(object.key);
    if (!check || !object.change || object.change.check.result === "rejected") return object;
    return { ...object, change: { ...object.change, check } };
  });
}

function withHooks(objects: readonly ReleaseObject[], hooks: readonly HookChange[]): ObjectChange[] {
  const deleted = new Set(objects.filter(({ change }) => change?.action === "delete").map(({ key }) => key));
  const late = new Set(hooks.filter(({ isBefore }) => !isBefore).map(({ key }) => key));
  return [
    ...objects.flatMap(({ key, change }) => (change && !(deleted.has(key) && late.has(key)) ? [change] : [])),
    ...hooks.flatMap(({ key, isBefore, change }) => (isBefore && deleted.has(key) ? [] : [change])),
  ];
}

/** An object that a hook makes anew is deleted first, with whatever is in it. */
function replacedByHook({ key, live, change }: HookChange): ReleaseObject[] {
  if (!live || change.check.result === "rejected") return [];
  return [{ key, namespaced: change.namespace !== undefined, live, change: { ...change, action: "delete" } }];
}

function refusalOf({ kind, namespace, name, check }: ObjectChange): Refusal[] {
  if (check.result !== "rejected") return [];
  const object = `${kind} ${namespace ? `${namespace}/` : ""}${name}`;
  return [{ object, problem: check.message ?? "rejected", fix: check.fix ?? "repair the object" }];
}

/** What helm itself finds wrong, where the API server found nothing: it says more, and with the object. */
function refusalByHelm({ name, version }: LoadedChart, refusal: string | undefined): Refusal[] {
  if (refusal === undefined) return [];
  return [
    {
      object: `chart ${name} ${version}`,
      problem: `helm refuses it: ${refusal}`,
      fix: "repair what helm names (helm upgrade --dry-run=server shows the same), or choose another chart version",
    },
  ];
}

function isUnchanged(objects: readonly ObjectChange[], restarts: RestartPlan): boolean {
  return objects.every(({ action }) => action === "keep") && pendingGroups(restarts).length === 0;
}
