import { comparedRevision } from "../helm/release";
import { dryRunCreate } from "../kubernetes/dry-run";
import { readStartupTimes } from "../components/workload-restarts/cluster/startup-times";
import { chartNotes } from "./breaking/notes";
import { valuesFindings } from "./breaking/values";
import { versionDistance } from "./breaking/versions";
import { sidecarDeploymentOf } from "../config/config";
import type { LoadedChart } from "../helm/chart";
import type { LoadedConfig } from "../config/config-load";
import { declaredSecrets, Redactor, secretTexts } from "../kubernetes/redact";
import { type KubeObject, parseManifest } from "../kubernetes/objects";
import { estimateRestarts, type RestartFacts } from "../components/workload-restarts/restart-estimate";
import { pendingGroups, type RestartPlan } from "../components/workload-restarts/restarts";
import { workloadId } from "../kubernetes/workload";
import { replacedWorkloads } from "./rolls/rolls";
import { rankRisks } from "./report/risks";
import type { ObjectChange, Refusal, Review } from "./report/schema";
import type { RestartReview } from "../components/workload-restarts/restart-review";
import { reviewCrds } from "./crds";
import { runtimeFacts } from "./facts";
import type { ReviewInput } from "./input";
import { hookChanges } from "./hooks";
import { releaseRolls } from "./pods";
import { recordChanges } from "./records";
import { type ReleaseRendering, releaseObjects } from "./release-objects";
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

  const namespace = await newNamespace(input);
  const toRender = rendering(input, before, namespace.length > 0);
  const [crds, objects, ofRestarts, hooks, restartReview] = await Promise.all([
    reviewCrds(client, input.crds, redactor),
    input.newRevision ? releaseObjects(client, toRender, redactor) : [],
    restartChanges(client, restarts, input.workloads, input.stamp),
    input.newRevision ? hookChanges(client, chart.hooks, toRender, installed !== undefined) : [],
    reviewRestarts(input),
  ]);
  const names = { release: release.name, sidecarDeployment: sidecarDeploymentOf(config) };
  const { rolls, images, claims, databases, keycloak, stale, liveClaims } = await releaseRolls(
    client,
    objects,
    release.namespace,
    names,
  );
  const records = recordChanges({
    ...input.records,
    release,
    installed,
    newRevision: input.newRevision,
    maxHistory: config.maxHistory,
  });
  const ofRelease = objects.flatMap(({ change }) => change ?? []);
  const changes = [...crds.changes, ...namespace, ...ofRelease, ...hooks, ...ofRestarts];
  const all = [...changes, ...records];
  const refusals = changes.flatMap(refusalOf);
  const predicted = objects.flatMap(({ after }) => after ?? []);
  const state = {
    objects: input.newRevision ? predicted : chart.rendered,
    replaced: replacedWorkloads(rolls),
    claims: liveClaims,
  };
  const runtime = await runtimeFacts(input, state, redactor);
  const breaking = breakingChanges(input);
  const sections = {
    objects: all,
    rolls,
    images,
    claims,
    databases,
    keycloak,
    breaking,
    crds: crds.crds,
    restarts: restartReview,
    refusals,
  };
  const review = redactor.tree<Omit<Review, "runtime">>({
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
    acknowledgements: config.acknowledge,
    risks: rankRisks(sections),
    warnings: [...input.warnings, ...stale],
    reviewed: reviewedHashes(factsOf(input, objects, crds.crds, redactor), reviewKey(client, installed)),
    requests: client.requestCount,
  });
  // Its words are fixed or redacted already; a password like "keycloak" must not make a rule blind.
  return { ...review, runtime };
}

/** Hides what the config declares secret and what Secrets hold, except what everybody can read in the chart. */
function redactorFor(loaded: LoadedConfig, chart: LoadedChart, installed: readonly KubeObject[]): Redactor {
  const { declared, inChart } = declaredSecrets(loaded.secretPart, chart.contents.defaults);
  return new Redactor([...declared, ...secretTexts([...chart.rendered, ...installed])], inChart);
}

function rendering(
  { chart, crds, loaded: { config } }: ReviewInput,
  before: KubeObject[],
  createsNamespace: boolean,
): ReleaseRendering {
  return {
    release: { name: config.release, namespace: config.namespace },
    installed: before,
    target: chart.rendered,
    targetWithOldValues: chart.withOldValues,
    unstable: chart.unstable,
    changingKinds: new Set(crds.planned.map(({ manifest }) => `${manifest.spec.group}/${manifest.spec.names.kind}`)),
    createsNamespace,
  };
}

/** helm makes the release's namespace where it is missing; only an install can find it so. */
async function newNamespace({ client, installed, loaded: { config } }: ReviewInput): Promise<ObjectChange[]> {
  const type = { apiVersion: "v1", kind: "Namespace" };
  if (installed || (await client.api.get(type, "", config.namespace)) !== undefined) return [];
  const { check } = await dryRunCreate(client, { ...type, metadata: { name: config.namespace } }, "");
  return [{ ...type, name: config.namespace, action: "create", writer: "helm", fields: [], folded: 0, check }];
}

async function reviewRestarts({ client, loaded, restarts, workloads }: ReviewInput): Promise<RestartReview> {
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
  const limits = { maxConcurrent: config.restarts.maxConcurrent, timeoutSeconds: config.timeouts.restart };
  return { enabled: config.restarts.enabled, ...estimateRestarts(restarts, facts, limits) };
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

function refusalOf({ kind, namespace, name, check }: ObjectChange): Refusal[] {
  if (check.result !== "rejected") return [];
  const object = `${kind} ${namespace ? `${namespace}/` : ""}${name}`;
  return [{ object, problem: check.message ?? "rejected", fix: check.fix ?? "repair the object" }];
}

function isUnchanged(objects: readonly ObjectChange[], restarts: RestartPlan): boolean {
  return objects.every(({ action }) => action === "keep") && pendingGroups(restarts).length === 0;
}
