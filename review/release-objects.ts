import { isDeepStrictEqual } from "node:util";
import type { ClusterClient } from "../kubernetes/connect";
import { findResources, type FindResource } from "../kubernetes/find-resources";
import { dryRunCreate, dryRunDelete, dryRunPatch, type DryRun, type Patch } from "../kubernetes/dry-run";
import { differences, keyedPath, pathText, valueAt } from "./diff/fields";
import { mergePatch, mergeTyped, mergeUntyped } from "./diff/merge";
import { isTyped } from "./diff/merge-keys";
import { lostTwins } from "./diff/same-key";
import { fieldChanges } from "./diff/object-change";
import { isSecret, normalizeSecret, type Redactor } from "../kubernetes/redact";
import { definedKind, groupKind, isCrd, isMap, type KubeObject, kubeObject, objectKey } from "../kubernetes/objects";
import { RESOURCE_POLICY } from "../crds/crds";
import { dryRunMigration, type MigratedCrd } from "./crd-migration";
import type { ObjectChange } from "./report/schema";
import type { ObjectCheck } from "../kubernetes/object-check";
import type { HelmWrite, HelmWrites } from "../helm/helm-writes";
import { GENERATED, type UnstableFields } from "../helm/unstable";

/** What helm is about to do, in objects. */
export interface ReleaseRendering {
  release: { name: string; namespace: string };
  /** Objects of the revision that helm compares with; empty for an install. */
  installed: readonly KubeObject[];
  /** Objects of the configured chart version with the configured values, as rendered. */
  target: readonly KubeObject[];
  /** The same with the installed revision's values, where they differ and the chart renders with them. */
  targetWithOldValues?: readonly KubeObject[];
  unstable: UnstableFields;
  /**
   * `group/Kind` of the CRDs that this upgrade brings or changes; objects of these cannot be judged by the old ones.
   */
  changingKinds: ReadonlySet<string>;
  /** Workloads that a HorizontalPodAutoscaler scales; see {@link scaledKey}. */
  autoscaled: ReadonlySet<string>;
  /** CRDs that have the mark by which helm leaves them once the CRD step is done. */
  keptCrds: ReadonlySet<string>;
  /** CRDs whose objects are migrated before helm comes, by name. */
  migratedCrds: ReadonlyMap<string, MigratedCrd>;
  /** The release's namespace does not exist yet. */
  createsNamespace: boolean;
  /** Of helm hooks, as rendered. */
  hooks: readonly KubeObject[];
  /** What helm sends to change objects; undefined where it was not asked. */
  writes?: Promise<HelmWrites | undefined>;
  /** Nothing is installed yet: helm creates every object, and does not look for it in between. Default: it is. */
  isInstall?: boolean;
}

/** One object of the release, before and after. */
export interface ReleaseObject {
  key: string;
  namespaced: boolean;
  /** As the chart renders it; undefined when the chart no longer has it. */
  target?: KubeObject;
  /** As the API server has it; undefined when it does not exist. */
  live?: KubeObject;
  /** As it will be; undefined when it is deleted. */
  after?: KubeObject;
  /** Undefined when it does not change. */
  change?: ObjectChange;
}

/**
 * Finds out what helm's upgrade will do to every object of the release: has the API server carry out the patches that
 * helm makes as dry-runs, and compares its answers with the live objects. What helm deletes comes last.
 */
export async function releaseObjects(
  client: ClusterClient,
  rendering: ReleaseRendering,
  redactor: Redactor,
): Promise<ReleaseObject[]> {
  const { target: next, installed, targetWithOldValues = [] } = rendering;
  const find = await findResources(client, [...next, ...installed, ...targetWithOldValues]);
  const versions = versionsByIdentity(rendering, find);
  const targets = byIdentity(next, versions.identity);
  const kept = [...targets.values()].map((same) => reviewTarget(client, same, rendering, versions, redactor));
  const removed = installed.filter((object) => !targets.has(versions.identity(object)));
  const gone = [...byIdentity(removed, versions.identity).values()].map(([object]) =>
    reviewRemoved(client, object, rendering),
  );
  return (await Promise.all([...kept, ...gone])).flat();
}

/** A chart may render one object several times; helm takes them in their order. */
type Same = readonly [KubeObject, ...KubeObject[]];

function byIdentity(objects: readonly KubeObject[], identity: (object: KubeObject) => string): Map<string, Same> {
  const found = new Map<string, Same>();
  for (const object of objects) {
    // helm has the API server name each of these anew.
    const key = object.metadata.name === undefined ? `nameless ${found.size}` : identity(object);
    found.set(key, [...(found.get(key) ?? []), object] as unknown as Same);
  }
  return found;
}

type Versions = ReturnType<typeof versionsByIdentity>;

function versionsByIdentity({ release, installed, targetWithOldValues }: ReleaseRendering, find: FindResource) {
  // Charts give namespaces to objects that have none, and helm passes over them.
  const identity = (object: KubeObject) => {
    const { apiVersion, kind, metadata } = object;
    const isClusterWide = find(apiVersion, kind)?.namespaced === false;
    return objectKey(
      isClusterWide ? { ...object, metadata: { ...metadata, namespace: "" } } : object,
      release.namespace,
    );
  };
  // Of an object that is there several times helm finds the first.
  const index = (objects: readonly KubeObject[] = []) =>
    new Map([...objects].reverse().map((object) => [identity(object), object]));
  return { identity, installed: index(installed), withOldValues: targetWithOldValues && index(targetWithOldValues) };
}

async function reviewTarget(
  client: ClusterClient,
  same: Same,
  rendering: ReleaseRendering,
  versions: Versions,
  redactor: Redactor,
): Promise<ReleaseObject[]> {
  const rendered = same.at(-1) ?? same[0];
  const { release } = rendering;
  const key = objectKey(rendered, release.namespace);
  const name = rendering.unstable.names.get(key);
  const served = await client.api.resource(rendered.apiVersion, rendered.kind);
  const planned = rendering.changingKinds.has(groupKind(rendered));
  if (!served) {
    const check = planned ? unchecked("its CRD is installed by this upgrade") : missingKind(rendered);
    const created = change(rendered, "create", release.namespace, check, name);
    return [{ key, namespaced: true, target: rendered, after: rendered, change: created }];
  }
  if (rendered.metadata.name === undefined) {
    const nameless = change(rendered, "create", rendered.metadata.namespace, NAMELESS, GENERATED);
    return [{ key, namespaced: served.namespaced, target: rendered, after: rendered, change: nameless }];
  }
  const changing = planned || isTemplatedKind(rendered, rendering.target);
  const at = served.namespaced ? (rendered.metadata.namespace ?? release.namespace) : undefined;
  const target = owned(rendered, release, at);
  const live = (await client.api.get(target, at ?? "", target.metadata.name ?? "")) as KubeObject | undefined;
  const common = { key, namespaced: served.namespaced, target: rendered };
  if (!live) {
    const sent = await writesTo(client, target, at, rendering);
    const body = kubeObject.safeParse(sent?.find(({ method }) => method === "POST")?.body);
    const result = await tryCreate(client, body.data ?? target, at, rendering);
    const check = rendering.isInstall && same.length > 1 ? TWICE : judged(result, changing);
    return [{ ...common, after: result.after ?? target, change: change(target, "create", at, check, name) }];
  }

  const generated = generatedPaths(target, rendering.unstable.paths.get(key) ?? []);
  const id = versions.identity(rendered);
  const computed = () =>
    same.reduce((before, one) => {
      const next = owned(one, release, at);
      return merge(versions.installed.get(id) ?? next, next, before);
    }, live);
  // helm makes the second patch of an object that is rendered twice of what the first one left, which is nowhere.
  const sent = same.length > 1 ? undefined : await writesTo(client, target, at, rendering);
  const patch = sent ? sent.find(({ method }) => method === "PATCH") : patchBetween(live, computed());
  // What is made up may be by chance what is there already, this time. The day's date is no chance.
  const mayDiffer = generated.length > 0 && (rendering.unstable.random?.has(key) ?? true);
  const lost = (after?: KubeObject) => byHelm(target, after, versions.installed.get(id), client.context);
  if (!patch && !mayDiffer && !lost(live)) return [{ ...common, live, after: live }];
  const result = patch ? await tryPatch(client, target, at ?? "", patch, rendering) : { check: ACCEPTED, after: live };
  const after = result.after ?? computed();
  const { fields, folded } = fieldChanges(
    {
      live,
      after: withGenerated(
        after,
        !patch || mayDiffer ? generated : generated.filter((path) => differs(live, after, path)),
      ),
      installed: versions.installed.get(id),
      target: rendered,
      targetWithOldValues: versions.withOldValues?.get(id),
      generated: new Set(generated.map(pathText)),
      autoscaled: rendering.autoscaled.has(scaledKey(target.kind, at, target.metadata.name)),
      madeUpKeys: new Set(generatedPaths(target, rendering.unstable.keys.get(key) ?? []).map(pathText)),
    },
    redactor,
  );
  // What was not tried is taken as computed.
  const check = lost(result.check.result === "unchecked" ? after : result.after) ?? judged(result, changing);
  if (fields.length + folded === 0 && check.result !== "rejected") return [{ ...common, live, after: live }];
  return [{ ...common, live, after, change: { ...change(target, "update", at, check), fields, folded } }];
}

/** What helm sends to an object; undefined where helm was not asked. */
async function writesTo(
  client: ClusterClient,
  object: KubeObject,
  namespace: string | undefined,
  { writes }: ReleaseRendering,
): Promise<readonly HelmWrite[] | undefined> {
  return (await writes)?.to(await client.api.path(object, namespace ?? "", object.metadata.name ?? ""));
}

function patchBetween(live: KubeObject, next: KubeObject): Patch | undefined {
  const body = mergePatch(live, next);
  return Object.keys(body).length === 0 ? undefined : { body };
}

/** A CRD whose objects are migrated is put in place by the migration, and helm finds it so. */
function tryPatch(
  client: ClusterClient,
  target: KubeObject,
  namespace: string,
  patch: Patch,
  { migratedCrds }: ReleaseRendering,
): Promise<DryRun> {
  const migrated = isCrd(target) ? migratedCrds.get(target.metadata.name ?? "") : undefined;
  return migrated ? dryRunMigration(client, migrated) : dryRunPatch(client, target, namespace, patch);
}

const ACCEPTED: ObjectCheck = { result: "accepted" };

function differs(before: KubeObject, after: KubeObject, path: readonly string[]): boolean {
  return !isDeepStrictEqual(valueAt(before, path), valueAt(after, path));
}

/** helm looks for every object by its name first. */
const NAMELESS: ObjectCheck = {
  result: "rejected",
  message: "it has no name (generateName), and helm cannot install such an object",
  fix: "choose a chart version that names it, or switch it off in the values",
};

const TWICE: ObjectCheck = {
  result: "rejected",
  message: "the chart renders it twice, so helm's second creation would find that it already exists",
  fix: "choose a chart version that renders it once, or switch one of the two off in the values",
};

/** Where the chart makes something up, as paths into what the API server answers. */
function generatedPaths(target: KubeObject, paths: readonly string[][]): string[][] {
  return paths.map((path) => {
    const [first, ...rest] = keyedPath(target, path);
    // The API server keeps one of the two.
    return first === "stringData" && isSecret(target) ? ["data", ...rest] : [first ?? "", ...rest];
  });
}

/** The same object with one fixed word in these places, so that a review says the same each time. */
function withGenerated(object: KubeObject, paths: readonly string[][]): KubeObject {
  if (paths.length === 0) return object;
  const copy = structuredClone(object);
  for (const path of paths) {
    const parent = valueAt(copy, path.slice(0, -1));
    const last = path.at(-1) ?? "";
    if (isMap(parent) && last in parent) parent[last] = GENERATED;
  }
  return copy;
}

/** What helm deletes: what the installed revision had, the chart no longer has, and nobody marked to be kept. */
async function reviewRemoved(
  client: ClusterClient,
  object: KubeObject,
  rendering: ReleaseRendering,
): Promise<ReleaseObject[]> {
  const { release, keptCrds } = rendering;
  const { namespace } = release;
  const served = await client.api.resource(object.apiVersion, object.kind);
  const at = served?.namespaced ? (object.metadata.namespace ?? namespace) : undefined;
  const live = (await client.api.get(object, at ?? "", object.metadata.name ?? "")) as KubeObject | undefined;
  if (!served || !live) return [];
  const common = { key: objectKey(object, namespace), namespaced: served.namespaced, live };
  const isKept = isCrd(object) && keptCrds.has(object.metadata.name ?? "");
  const sent = await writesTo(client, object, at, rendering);
  const goes = sent
    ? sent.some(({ method }) => method === "DELETE")
    : live.metadata.annotations?.[RESOURCE_POLICY] !== "keep";
  if (isKept || !goes) {
    return [{ ...common, after: live, change: change(object, "keep", at, { result: "accepted" }) }];
  }
  return [{ ...common, change: change(object, "delete", at, await dryRunDelete(client, object, at ?? "")) }];
}

function change(
  { apiVersion, kind, metadata }: KubeObject,
  action: ObjectChange["action"],
  namespace: string | undefined,
  check: ObjectCheck,
  name = metadata.name ?? "",
): ObjectChange {
  const at = namespace === undefined ? {} : { namespace };
  return { apiVersion, kind, ...at, name, action, writer: "helm", fields: [], folded: 0, check };
}

/** A workload as an autoscaler refers to it. */
export function scaledKey(kind: string, namespace: string | undefined, name: string | undefined): string {
  return `${kind} ${namespace ?? ""}/${name ?? ""}`;
}

/** What helm's patch does not do as the chart says. */
function byHelm(
  target: KubeObject,
  after: KubeObject | undefined,
  installed: KubeObject | undefined,
  context: string,
): ObjectCheck | undefined {
  const message = isTyped(target.apiVersion) ? lostTwins(target, after, installed) : undefined;
  if (message === undefined) return undefined;
  const { name = "", namespace } = target.metadata;
  const where = `--context ${context}${namespace ? ` --namespace ${namespace}` : ""}`;
  const cascade = ["Deployment", "StatefulSet", "DaemonSet"].includes(target.kind) ? " --cascade=orphan" : "";
  return {
    result: "rejected",
    message,
    fix: `have helm make the object anew: kubectl ${where} delete ${target.kind.toLowerCase()} ${name}${cascade}, then repeat`,
  };
}

/** A refusal by the CRD that is about to be replaced says nothing about the one that replaces it. */
export function judged({ check }: DryRun, changing: boolean): ObjectCheck {
  if (!changing || check.result !== "rejected") return check;
  return unchecked(`its CRD changes in this upgrade; by the present one: ${check.message ?? "rejected"}`);
}

export function unchecked(message: string): ObjectCheck {
  return { result: "unchecked", message };
}

function missingKind({ apiVersion, kind }: KubeObject): ObjectCheck {
  return {
    result: "rejected",
    message: `the cluster does not serve ${kind} in ${apiVersion}`,
    fix: `install what brings ${kind} (its operator or CRD), or switch off the part of the chart that needs it`,
  };
}

/** The object as helm sends it: with its marks of ownership, in its namespace. */
function owned(object: KubeObject, release: ReleaseRendering["release"], namespace: string | undefined): KubeObject {
  const metadata = {
    ...object.metadata,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { ...object.metadata.labels, "app.kubernetes.io/managed-by": "Helm" },
    annotations: {
      ...object.metadata.annotations,
      "meta.helm.sh/release-name": release.name,
      "meta.helm.sh/release-namespace": release.namespace,
    },
  };
  return normalizeSecret({ ...object, metadata });
}

function merge(installed: KubeObject, target: KubeObject, live: KubeObject): KubeObject {
  const combine = isTyped(target.apiVersion) ? mergeTyped : mergeUntyped;
  const merged = combine(normalizeSecret(installed), target, live);
  return differences(live, merged).length === 0 ? live : (merged as KubeObject);
}

/** Tries to create an object; in a namespace that comes with this upgrade nothing can be tried yet. */
export async function tryCreate(
  client: ClusterClient,
  object: KubeObject,
  namespace: string | undefined,
  rendering: ReleaseRendering,
): Promise<DryRun> {
  const result = await dryRunCreate(client, object, namespace ?? "");
  const missing = /^namespaces "[^"]*" not found/.test(result.check.message ?? "");
  if (!missing || !isNewNamespace(namespace, rendering)) return result;
  return { check: unchecked("its namespace is created by this upgrade") };
}

/** Whether a namespace comes with this very upgrade: helm's `--create-namespace`, or an object or hook of the chart. */
function isNewNamespace(
  namespace: string | undefined,
  { createsNamespace, release, target, hooks }: ReleaseRendering,
): boolean {
  if (namespace === undefined) return false;
  if (createsNamespace && namespace === release.namespace) return true;
  return [...target, ...hooks].some(({ kind, metadata }) => kind === "Namespace" && metadata.name === namespace);
}

/** Whether the kind's CRD is among the chart's templates, so that it may change together with its objects. */
export function isTemplatedKind(object: KubeObject, target: readonly KubeObject[]): boolean {
  return target.some((one) => isCrd(one) && definedKind(one) === groupKind(object));
}
