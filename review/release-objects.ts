import type { ClusterClient } from "../kubernetes/connect";
import { dryRunCreate, dryRunDelete, dryRunPatch, type DryRun } from "../kubernetes/dry-run";
import { differences, keyedPath, pathText } from "./diff/fields";
import { mergePatch, mergeTyped, mergeUntyped } from "./diff/merge";
import { isTyped } from "./diff/merge-keys";
import { fieldChanges } from "./diff/object-change";
import { normalizeSecret, type Redactor } from "../kubernetes/redact";
import { dig, groupKind, type KubeObject, objectKey } from "../kubernetes/objects";
import type { ObjectChange } from "./report/schema";
import type { ObjectCheck } from "../kubernetes/object-check";
import type { UnstableFields } from "../helm/unstable";

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
  /** The release's namespace does not exist yet. */
  createsNamespace: boolean;
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
 * Finds out what helm's upgrade will do to every object of the release: computes the merge that helm computes, has the
 * API server carry it out as a dry-run, and compares its answer with the live object. What helm deletes comes last.
 */
export async function releaseObjects(
  client: ClusterClient,
  rendering: ReleaseRendering,
  redactor: Redactor,
): Promise<ReleaseObject[]> {
  const { namespace } = rendering.release;
  const versions = versionsByKey(rendering);
  const kept = rendering.target.map((target) => reviewTarget(client, target, rendering, versions, redactor));
  const targets = new Set(rendering.target.map((object) => objectKey(object, namespace)));
  const removed = rendering.installed.filter((object) => !targets.has(objectKey(object, namespace)));
  const gone = removed.map((object) => reviewRemoved(client, object, namespace));
  return (await Promise.all([...kept, ...gone])).flat();
}

type Versions = ReturnType<typeof versionsByKey>;

function versionsByKey({ release, installed, targetWithOldValues }: ReleaseRendering) {
  const index = (objects: readonly KubeObject[] = []) =>
    new Map(objects.map((object) => [objectKey(object, release.namespace), object]));
  return { installed: index(installed), withOldValues: targetWithOldValues && index(targetWithOldValues) };
}

async function reviewTarget(
  client: ClusterClient,
  rendered: KubeObject,
  rendering: ReleaseRendering,
  versions: Versions,
  redactor: Redactor,
): Promise<ReleaseObject[]> {
  const { release } = rendering;
  const key = objectKey(rendered, release.namespace);
  const served = await client.api.resource(rendered.apiVersion, rendered.kind);
  const planned = rendering.changingKinds.has(groupKind(rendered));
  if (!served) {
    const check = planned ? unchecked("its CRD is installed by this upgrade") : missingKind(rendered);
    const created = change(rendered, "create", release.namespace, check);
    return [{ key, namespaced: true, target: rendered, after: rendered, change: created }];
  }
  const changing = planned || isTemplatedKind(rendered, rendering.target);
  const at = served.namespaced ? (rendered.metadata.namespace ?? release.namespace) : undefined;
  const target = owned(rendered, release, at);
  const live = (await client.api.get(target, at ?? "", target.metadata.name ?? "")) as KubeObject | undefined;
  const common = { key, namespaced: served.namespaced, target: rendered };
  if (!live) {
    const result = await tryCreate(client, target, at, rendering);
    const check = judged(result, changing);
    return [{ ...common, after: result.after ?? target, change: change(target, "create", at, check) }];
  }

  const paths = rendering.unstable.paths.get(key) ?? [];
  const installed = versions.installed.get(key) ?? target;
  const merged = merge(installed, withLiveValues(target, live, paths), live);
  const patch = mergePatch(live, merged);
  if (Object.keys(patch).length === 0 && paths.length === 0) return [{ ...common, live, after: live }];
  const result = await dryRunPatch(client, target, at ?? "", patch);
  const after = result.after ?? merged;
  const { fields, folded } = fieldChanges(
    {
      live,
      after,
      installed: versions.installed.get(key),
      target: rendered,
      targetWithOldValues: versions.withOldValues?.get(key),
    },
    redactor,
  );
  const generated = paths.map((path) => ({
    path: pathText(keyedPath(target, path)),
    after: "<generated>",
    cause: "generated" as const,
  }));
  if (fields.length + folded + generated.length === 0) return [{ ...common, live, after: live }];
  const told = { fields: [...fields, ...generated], folded };
  return [{ ...common, live, after, change: { ...change(target, "update", at, judged(result, changing)), ...told } }];
}

/** What helm deletes: what the installed revision had, the chart no longer has, and nobody marked to be kept. */
async function reviewRemoved(client: ClusterClient, object: KubeObject, namespace: string): Promise<ReleaseObject[]> {
  const served = await client.api.resource(object.apiVersion, object.kind);
  const at = served?.namespaced ? (object.metadata.namespace ?? namespace) : undefined;
  const live = (await client.api.get(object, at ?? "", object.metadata.name ?? "")) as KubeObject | undefined;
  if (!served || !live) return [];
  const common = { key: objectKey(object, namespace), namespaced: served.namespaced, live };
  if (live.metadata.annotations?.["helm.sh/resource-policy"] === "keep") {
    return [{ ...common, after: live, change: change(object, "keep", at, { result: "accepted" }) }];
  }
  return [{ ...common, change: change(object, "delete", at, await dryRunDelete(client, object, at ?? "")) }];
}

function change(
  { apiVersion, kind, metadata }: KubeObject,
  action: ObjectChange["action"],
  namespace: string | undefined,
  check: ObjectCheck,
): ObjectChange {
  const at = namespace === undefined ? {} : { namespace };
  return { apiVersion, kind, ...at, name: metadata.name ?? "", action, writer: "helm", fields: [], folded: 0, check };
}

/** A refusal by the CRD that is about to be replaced says nothing about the one that replaces it. */
function judged({ check }: DryRun, changing: boolean): ObjectCheck {
  if (!changing || check.result !== "rejected") return check;
  return unchecked(`its CRD changes in this upgrade; by the present one: ${check.message ?? "rejected"}`);
}

function unchecked(message: string): ObjectCheck {
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

/** Generated values change with every rendering; the live ones stand in for them while the rest is compared. */
function withLiveValues(target: KubeObject, live: KubeObject, paths: readonly string[][]): KubeObject {
  if (paths.length === 0) return target;
  const copy = structuredClone(target);
  for (const path of paths) copyAt(copy, live, path);
  return copy;
}

function copyAt(to: unknown, from: unknown, path: readonly string[]): void {
  const [step, ...rest] = path;
  if (step === undefined || typeof to !== "object" || to === null) return;
  const source = typeof from === "object" && from !== null ? (from as Record<string, unknown>)[step] : undefined;
  if (source === undefined) return;
  if (rest.length === 0) (to as Record<string, unknown>)[step] = source;
  else copyAt((to as Record<string, unknown>)[step], source, rest);
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

/** Whether a namespace comes with this very upgrade: helm's `--create-namespace`, or an object of the chart. */
function isNewNamespace(
  namespace: string | undefined,
  { createsNamespace, release, target }: ReleaseRendering,
): boolean {
  if (namespace === undefined) return false;
  if (createsNamespace && namespace === release.namespace) return true;
  return target.some(({ kind, metadata }) => kind === "Namespace" && metadata.name === namespace);
}

/** Whether the kind's CRD is among the chart's templates, so that it may change together with its objects. */
function isTemplatedKind(object: KubeObject, target: readonly KubeObject[]): boolean {
  const crds = target.filter(({ kind }) => kind === "CustomResourceDefinition");
  return crds.some(
    (crd) => `${String(dig(crd, "spec", "group"))}/${String(dig(crd, "spec", "names", "kind"))}` === groupKind(object),
  );
}
