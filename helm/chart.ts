import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { ClusterClient } from "../kubernetes/connect";
import { findResources } from "../kubernetes/find-resources";
import { definedKind, groupKind, type KubeObject, parseManifest, type SourcedObject } from "../kubernetes/objects";
import { shortDigest } from "../shared/digest";
import { UserError } from "../shared/user-error";
import { ChartBudget, type ChartFiles, readChartFiles } from "./chart-files";
import { type ChartPackage, packageOf } from "./chart-package";
import { type ClusterView, openClusterView } from "./cluster-view";
import { type ChartMeta, type ChartSource, isLocalChart, localPath, pull, readMeta } from "./chart-source";
import { helm } from "./helm";
import { chartAtOtherTime, mayCoincide, rendersTheSame, valuesAtOtherTime } from "./other-time";
import { apiVersionsWith } from "./planned-apis";
import { carryOut, rehearse, type Rehearsal } from "./rehearsal";
import { isHook, LARGEST_RECORD, renderFixed, renderForReal, type Rendering, type RenderJob } from "./render";
import { findUnstable, joinUnstable, maskUnstable, type UnstableFields } from "./unstable";

/** What the chart is rendered with. */
export interface RenderInput {
  release: string;
  namespace: string;
  values: Record<string, unknown>;
  /** The cluster that helm asks while it renders. */
  client: ClusterClient;
  isUpgrade: boolean;
  /** Values of the installed revision, to tell a change of the chart from one of the values. Default: not rendered. */
  oldValues?: Record<string, unknown>;
  /**
   * What the release consists of when it is this chart already, so that helm is not going to render anything; undefined
   * when it is not.
   */
  asInstalled?: (chart: Pick<LoadedChart, "version" | "digest">) => ReleaseObjects | undefined;
}

/** The objects of one revision. */
export interface ReleaseObjects {
  /** As rendered, hooks left out. */
  rendered: KubeObject[];
  /** Of helm hooks, as rendered. */
  hooks: KubeObject[];
}

/** One chart version, rendered: everything the upgrade needs to know of it. */
export interface LoadedChart extends ReleaseObjects {
  name: string;
  version: string;
  appVersion?: string;
  deprecated: boolean;
  /** CRDs of the `crds/` folders, of enabled subcharts too, in chart order. */
  crds: SourcedObject[];
  /** What `crds/` holds beside CRDs; helm would create it on install, an upgrade never does. */
  strayCrdFiles: SourcedObject[];
  /** The objects of the release as helm's next revision has them, hooks left out, generated fields masked. */
  objects: KubeObject[];
  /** The same rendered with `oldValues`; undefined without those, or when the chart does not render with them. */
  withOldValues?: KubeObject[];
  /** What the package says besides its templates: defaults, schemas, notes. */
  contents: ChartPackage;
  unstable: UnstableFields;
  /** As rendered for the digest: as revision 1, and with a `lookup` that finds nothing; the same in every run. */
  fixed: { objects: KubeObject[]; unstable: UnstableFields };
  /** Hash of everything the chart renders, the same in every run (Secret data and generated fields left out). */
  digest: string;
  /** What helm does to the cluster, or where it ends; undefined when it has nothing to do. It comes a little later. */
  rehearsal?: Promise<Rehearsal>;
}

/**
 * Fetches the configured chart version (helm does it, with its own registry and repository credentials) and has helm
 * render it against the cluster, as its next upgrade would.
 *
 * @throws UserError when it cannot be fetched, read or rendered, or holds invalid YAML.
 */
export async function loadChart(source: ChartSource, input: RenderInput): Promise<LoadedChart> {
  return withChart(source, input, async (job, meta, keepUntil) => {
    // One for the whole chart, packed subcharts included.
    const budget = new ChartBudget(job.path);
    const files = await readChartFiles(job.path, budget);
    const more = await furtherJobs(job, input.values, files);
    const [compared, contents] = await Promise.all([
      renderFixedly(job, more, input.client, files),
      packageOf(files, job.path, budget),
    ]);
    const shipped = compared.first.filter(isCrdFile).sort(inChartOrder);
    const crds = shipped.filter(isCrd);
    const fixed = fixedOf(compared, input.namespace);
    const { name, version, appVersion, deprecated = false } = meta;
    const stable = maskUnstable(fixed.all, fixed.unstable, input.namespace).map(withoutSecretData);
    const digest = shortDigest(compared.asked ? contentsOf(files) : stable);
    const installed = input.asInstalled?.({ version, digest });
    const chart = {
      ...{ name, version, appVersion, deprecated, crds, contents, digest, fixed },
      strayCrdFiles: shipped.filter((doc) => !isCrd(doc)),
    };
    if (installed) return { ...chart, ...installed, objects: installed.rendered, unstable: fixed.unstable };
    const planned = crds.map(({ object }) => object);
    const view = await openClusterView(input.client, planned, job.scratch);
    const rendering = renderReal(job, more, input, view);
    void readAhead(input.client, fixed.objects, input.namespace).catch(() => undefined); // helm says what is wrong with it
    const rehearsal = rendering.then(async ({ first, carriedOut }): Promise<Rehearsal> => {
      const objects = objectsOf(first.objects);
      const [leaveOut, withoutSchema] = await Promise.all([
        brought(input.client, planned, objects),
        serverJudgesFields(input.client, first.manifest, objects),
      ]);
      const refusal = recordProblem(first);
      return refusal === undefined ? rehearse(job, view, first, { carriedOut, leaveOut, withoutSchema }) : { refusal };
    });
    keepUntil(rehearsal.finally(() => view.close()));
    const real = await rendering;
    const rendered = objectsOf(real.first.objects);
    return {
      ...chart,
      objects: maskUnstable(rendered, real.unstable, input.namespace),
      rendered,
      withOldValues: real.old && objectsOf(real.old.objects),
      hooks: objectsOf(real.first.hooks),
      unstable: real.unstable,
      rehearsal,
    };
  });
}

function recordProblem({ recordBytes = 0 }: Rendering): string | undefined {
  if (recordBytes <= LARGEST_RECORD) return undefined;
  return (
    `its record of the revision would have ${recordBytes} bytes, and a Secret takes ${LARGEST_RECORD}: the chart with all ` +
    "its files (also those that no template reads), the values and the manifest are in it"
  );
}

/** helm reads one object after the other, which takes long where the API server is far away. */
async function readAhead(client: ClusterClient, objects: readonly KubeObject[], namespace: string): Promise<void> {
  const find = await findResources(client, objects);
  const there = objects.filter(({ apiVersion, kind, metadata }) => metadata.name && find(apiVersion, kind));
  await Promise.all(
    there.map((object) => client.api.get(object, object.metadata.namespace ?? namespace, object.metadata.name ?? "")),
  );
}

/** Tells objects of kinds that the cluster serves only once these CRDs are applied. */
async function brought(client: ClusterClient, crds: readonly KubeObject[], objects: readonly KubeObject[]) {
  const kinds = new Set(crds.map(definedKind));
  const ofThese = objects.filter((object) => kinds.has(groupKind(object)));
  const find = await findResources(client, ofThese);
  const isBrought = (object: KubeObject) => kinds.has(groupKind(object)) && !find(object.apiVersion, object.kind);
  return ofThese.some(isBrought) ? isBrought : undefined;
}

/**
 * Tells whether helm leaves the fields of all these objects to the API server: it does where the server can judge them,
 * which it takes from the parameter `fieldValidation` of its PATCH (in every server since Kubernetes 1.27). What cannot
 * be patched, such as a List or a TokenReview, helm compares with the OpenAPI document itself.
 */
async function serverJudgesFields(
  client: ClusterClient,
  manifest: string,
  objects: readonly KubeObject[],
): Promise<boolean> {
  const { major, minor } = client.serverVersion;
  if (major === 1 && minor < 27) return false;
  // The objects are those in the List.
  if (/\bkind["']?\s*:\s*["']?\w*List\b/.test(manifest)) return false;
  const find = await findResources(client, objects);
  // A kind that comes with this upgrade is one of a CRD, or helm refuses it either way.
  return objects.every(({ apiVersion, kind }) => find(apiVersion, kind)?.patchable !== false);
}

/**
 * Renders the configured chart version once more, for the last look before helm does: fetched anew, against the cluster
 * as it is now.
 *
 * @throws UserError as {@link loadChart} does.
 */
export async function renderAgain(source: ChartSource, input: RenderInput): Promise<Rendering> {
  return withChart(source, input, async (job) => {
    const view = await openClusterView(input.client, [], job.scratch);
    try {
      return await renderForReal(job, view);
    } finally {
      await view.close();
    }
  });
}

/**
 * Gets hold of the chart for as long as the work takes, and what the work says that it must be kept for. What fails
 * there is told to who waits for it.
 */
async function withChart<T>(
  source: ChartSource,
  input: RenderInput,
  work: (job: RenderJob, meta: ChartMeta, keepUntil: (end: Promise<unknown>) => void) => Promise<T>,
): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), "casa-upgrade-"));
  const ends: Promise<unknown>[] = [];
  // A run that is refused ends the process at once, and values are in there.
  const drop = () => rmSync(scratch, { recursive: true, force: true });
  process.once("exit", drop);
  try {
    const path = isLocalChart(source) ? await localPath(source) : await pull(source, scratch);
    const meta = await readMeta(path, source);
    const { release, namespace, isUpgrade } = input;
    const valuesFile = await writeValues(scratch, "values", input.values);
    const job = { chart: source.chart, path, valuesFile, release, namespace, isUpgrade, scratch };
    return await work(job, meta, (end) => void ends.push(end.catch(() => undefined)));
  } finally {
    const end = Promise.all(ends).then(() => {
      process.off("exit", drop);
      drop();
    });
    if (ends.length === 0) await end;
  }
}

async function writeValues(scratch: string, name: string, values: unknown): Promise<string> {
  const file = join(scratch, `${name}.json`);
  await writeFile(file, JSON.stringify(values), { mode: 0o600 });
  return file;
}

/** Two renderings, or more, of which the first one counts and the others show what is made up anew each time. */
interface Compared {
  first: SourcedObject[];
  others: SourcedObject[][];
  /** The chart insists on what it finds on the cluster, so that what it renders is not the same in every run. */
  asked: boolean;
}

/** What is rendered besides the chart itself, to see what comes out otherwise. */
interface FurtherJobs {
  /** The same once more, or several times. */
  readonly same: readonly RenderJob[];
  /** At another time; undefined when nothing asks for the time. */
  readonly later?: RenderJob;
}

async function furtherJobs(job: RenderJob, values: Record<string, unknown>, files: ChartFiles): Promise<FurtherJobs> {
  if (rendersTheSame(files, values)) return { same: [] };
  const same = Array.from({ length: mayCoincide(files) ? 6 : 1 }, () => job);
  const shifted = valuesAtOtherTime(values);
  const path = join(job.scratch, "chart-at-other-time");
  const asks = await chartAtOtherTime(files, job.path, path);
  if (!asks && isDeepStrictEqual(values, shifted)) return { same };
  const valuesFile = await writeValues(job.scratch, "values-at-other-time", shifted);
  return { same, later: { ...job, valuesFile, ...(asks ? { path } : {}) } };
}

/** Renderings for the digest. `lookup` finds nothing in them, unless the chart insists on finding something. */
async function renderFixedly(
  job: RenderJob,
  { same, later }: FurtherJobs,
  client: ClusterClient,
  files: ChartFiles,
): Promise<Compared> {
  const apiVersions = await client.apiVersions();
  // In the order of the cluster as long as it serves all of them.
  const withCrds = (crds: KubeObject[]) => {
    const versions = apiVersionsWith(crds, apiVersions);
    return isDeepStrictEqual(new Set(versions), new Set(apiVersions)) ? apiVersions : versions;
  };
  const all = async (versions: readonly string[], view?: ClusterView): Promise<Compared> => {
    const render = (one: RenderJob) => renderFixed(one, versions, client.gitVersion, view);
    const [first, ...others] = await Promise.all([render(job), ...[...same, ...(later ? [later] : [])].map(render)]);
    return { first, others, asked: view !== undefined };
  };
  try {
    // Which CRDs there are is for helm to say. A guess spares a round when helm then says the same.
    const guess = withCrds(guessedCrds(files));
    const found = await all(guess);
    const versions = withCrds(objectsOf(found.first.filter(isCrdFile).filter(isCrd)));
    return isDeepStrictEqual(new Set(versions), new Set(guess)) ? found : await all(versions);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // What it insists on may be an object on the cluster, or a kind that its own CRDs bring.
    const shown = async () => objectsOf(parseManifest(await helm(["show", "crds", job.path])));
    const crds = await shown().catch(() => []); // whatever is wrong with them, rendering says it with the file's name
    const view = await openClusterView(client, crds, job.scratch);
    try {
      return await all(apiVersionsWith(crds, apiVersions), view);
    } finally {
      await view.close();
    }
  }
}

/** CRDs in files that look as if helm took them for such. */
function guessedCrds(files: ChartFiles): KubeObject[] {
  const found = [...files].filter(([name]) => /(?:^|\/)crds\/.*\.(?:ya?ml|json)$/.test(name));
  try {
    return objectsOf(found.flatMap(([, data]) => parseManifest(data.toString("utf8"))).filter(isCrd));
  } catch {
    return []; // what is wrong with them, helm says
  }
}

/** What helm will render, and which of it is made up. */
async function renderReal(job: RenderJob, { same, later }: FurtherJobs, input: RenderInput, view: ClusterView) {
  const { oldValues, namespace } = input;
  const old = async () => {
    if (!oldValues) return undefined;
    const valuesFile = await writeValues(job.scratch, "old-values", oldValues);
    // Old values that the new chart cannot take only mean that causes are not told apart.
    return renderForReal({ ...job, valuesFile }, view).catch(() => undefined);
  };
  const render = (one: RenderJob) => renderForReal(one, view);
  const [carriedOut, withOld, atOtherTime, ...again] = await Promise.all([
    ...([carryOut(job, view), old(), later && render(later)] as const),
    ...same.map(render),
  ]);
  const first = carriedOut?.rendering ?? (await render(job));
  const objects = ({ objects, hooks }: Rendering) => objectsOf([...objects, ...hooks]);
  const compare = (one: Rendering) => findUnstable(objects(first), objects(one), namespace);
  const random = joinUnstable(again.map(compare));
  const unstable = joinUnstable([random, ...(atOtherTime ? [compare(atOtherTime)] : [])]);
  return { first, carriedOut, old: withOld, unstable: { ...unstable, random: new Set(random.paths.keys()) } };
}

/** What the digest is made of. */
function fixedOf({ first, others }: Compared, namespace: string) {
  const objects = (all: SourcedObject[]) => objectsOf(all.filter((doc) => !isCrdFile(doc)));
  const all = objects(first);
  const unstable = joinUnstable(others.map((one) => findUnstable(all, objects(one), namespace)));
  return { all, objects: all.filter((object) => !isHook(object)), unstable };
}

function objectsOf(documents: readonly SourcedObject[]): KubeObject[] {
  return documents.map(({ object }) => object);
}

/** What stands for a chart that cannot be rendered without the cluster: its files. */
function contentsOf(files: ChartFiles): unknown {
  const hash = (data: Buffer) => createHash("sha256").update(data).digest("hex");
  return [...files].map(([name, data]) => [name, hash(data)] as const).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** helm takes the chart's own CRDs first; those of subcharts come in no order that lasts from one run to the next. */
function inChartOrder(a: SourcedObject, b: SourcedObject): number {
  const depth = ({ source }: SourcedObject) => source.split("/charts/").length;
  return depth(a) - depth(b) || (a.source < b.source ? -1 : a.source > b.source ? 1 : 0);
}

/** A file of a `crds/` folder that helm reads: the chart's own or a subchart's, never one below `templates/`. */
function isCrdFile({ source }: SourcedObject): boolean {
  return /^[^/]+\/(?:charts\/[^/]+\/)*crds\//.test(source);
}

function isCrd({ object }: SourcedObject): boolean {
  return object.kind === "CustomResourceDefinition";
}

/** A Secret reduced to the names of its keys: its values must not be guessable from a hash that everybody may read. */
function withoutSecretData(object: KubeObject): unknown {
  if (object.kind !== "Secret" || object.apiVersion !== "v1") return object;
  const keys = (field: unknown) => Object.keys(field ?? {}).sort();
  return { ...object, data: keys(object["data"]), stringData: keys(object["stringData"]) };
}
