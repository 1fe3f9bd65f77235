import { UserError } from "../shared/user-error";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { shortDigest } from "../shared/digest";

import { type ChartPackage, readChartPackage } from "./chart-package";
import { helm, HelmError } from "./helm";
import { type KubeObject, ManifestError, parseManifest, type SourcedObject } from "../kubernetes/objects";
import { findUnstable, maskUnstable, type UnstableFields } from "./unstable";

/** Where a chart comes from, as the config says it. */
export interface ChartSource {
  /** Local folder or `.tgz`, `oci://…`, or a chart name together with `repository`. */
  chart: string;
  /** Chart repository URL; only with a chart name. */
  repository?: string;
  /** Exact chart version; for a local chart it must equal the chart's own. */
  version?: string;
}

/** What the chart is rendered with. */
export interface RenderInput {
  release: string;
  namespace: string;
  values: Record<string, unknown>;
  /** The cluster's Kubernetes version, e.g. `v1.34.4`. */
  kubeVersion: string;
  /** The cluster's API versions as helm lists them (`apps/v1`, `apps/v1/Deployment`). */
  apiVersions: string[];
  isUpgrade: boolean;
  /** Values of the installed revision, to tell a change of the chart from one of the values. Default: not rendered. */
  oldValues?: Record<string, unknown>;
  /** How `lookup` reaches the cluster; only charts that make values up need it. Default: `lookup` finds nothing. */
  access?: { context: string; kubeconfig?: string };
}

/** One chart version, rendered: everything the upgrade needs to know of it. */
export interface LoadedChart {
  name: string;
  version: string;
  appVersion?: string;
  deprecated: boolean;
  /** CRDs of the `crds/` folders, of enabled subcharts too, in chart order. */
  crds: SourcedObject[];
  /** What `crds/` holds beside CRDs; helm would create it on install, an upgrade never does. */
  strayCrdFiles: SourcedObject[];
  /** The objects of the release, hooks left out, generated fields masked. */
  objects: KubeObject[];
  /** The same as rendered, with what was generated this time. */
  rendered: KubeObject[];
  /** The same rendered with `oldValues`; undefined without those, or when the chart does not render with them. */
  withOldValues?: KubeObject[];
  /** Objects of helm hooks, as rendered. */
  hooks: KubeObject[];
  /** What the package says besides its templates: defaults, schemas, notes. */
  contents: ChartPackage;
  unstable: UnstableFields;
  /** Hash of everything the chart renders (Secret data and generated fields left out). */
  digest: string;
}

const chartYaml = z.looseObject({
  name: z.string(),
  version: z.string(),
  appVersion: z.coerce.string().optional(),
  deprecated: z.boolean().optional(),
});

/** True for a chart on this machine: a path, as opposed to `oci://…` or a name in a repository. */
export function isLocalChart(source: ChartSource): boolean {
  return source.repository === undefined && !source.chart.startsWith("oci://");
}

/**
 * Fetches the configured chart version (helm does it, with its own registry and repository credentials) and renders it.
 *
 * @throws UserError when it cannot be fetched, read or rendered, or holds invalid YAML.
 */
export async function loadChart(source: ChartSource, input: RenderInput): Promise<LoadedChart> {
  const scratch = await mkdtemp(join(tmpdir(), "casa-upgrade-"));
  try {
    const path = isLocalChart(source) ? await localPath(source) : await pull(source, scratch);
    const meta = await readMeta(path, source);
    const files = { values: join(scratch, "values.json"), oldValues: join(scratch, "old-values.json") };
    await writeFile(files.values, JSON.stringify(input.values), { mode: 0o600 });
    await writeFile(files.oldValues, JSON.stringify(input.oldValues ?? {}), { mode: 0o600 });
    const twice = (server: boolean) => {
      const once = () => render(path, files.values, input, source, server);
      return Promise.all([once(), once()]);
    };
    const [contents, old, [first, second]] = await Promise.all([
      readChartPackage(path),
      // Old values that the new chart cannot take only mean that causes are not told apart.
      input.oldValues && render(path, files.oldValues, input, source, false).catch(() => undefined),
      twice(false),
    ]);
    const chart = assemble(meta, contents, first, second, old, input.namespace);
    if (chart.unstable.paths.size === 0 || !input.access) return chart;
    // Charts that keep a generated password look it up on the cluster: with an answer to that it is no longer made up.
    const [third, fourth] = await twice(true);
    return assemble(meta, contents, third, fourth, old, input.namespace);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Sorts rendered documents into CRDs, release objects and hooks. */
function assemble(
  meta: z.infer<typeof chartYaml>,
  contents: ChartPackage,
  first: SourcedObject[],
  second: SourcedObject[],
  old: SourcedObject[] | undefined,
  namespace: string,
): LoadedChart {
  const fromCrdFolder = first.filter(isCrdFile);
  const rendered = first.filter((doc) => !isCrdFile(doc)).map(({ object }) => object);
  const unstable = findUnstable(
    rendered,
    second.map(({ object }) => object),
    namespace,
  );
  const stable = maskUnstable(rendered, unstable, namespace);
  const isCrd = ({ object }: SourcedObject) => object.kind === "CustomResourceDefinition";
  return {
    name: meta.name,
    version: meta.version,
    appVersion: meta.appVersion,
    deprecated: meta.deprecated ?? false,
    crds: fromCrdFolder.filter(isCrd),
    strayCrdFiles: fromCrdFolder.filter((doc) => !isCrd(doc)),
    objects: stable.filter((object) => !isHook(object)),
    rendered: rendered.filter((object) => !isHook(object)),
    withOldValues: old?.filter((doc) => !isCrdFile(doc)).flatMap(({ object }) => (isHook(object) ? [] : [object])),
    hooks: rendered.filter(isHook),
    contents,
    unstable,
    digest: shortDigest(stable.map(withoutSecretData)),
  };
}

function isCrdFile({ source }: SourcedObject): boolean {
  return /(^|\/)crds\//.test(source);
}

function isHook(object: KubeObject): boolean {
  return object.metadata.annotations?.["helm.sh/hook"] !== undefined;
}

/** A Secret reduced to the names of its keys: its values must not be guessable from a hash that everybody may read. */
function withoutSecretData(object: KubeObject): unknown {
  if (object.kind !== "Secret" || object.apiVersion !== "v1") return object;
  const keys = (field: unknown) => Object.keys(field ?? {}).sort();
  return { ...object, data: keys(object["data"]), stringData: keys(object["stringData"]) };
}

async function localPath(source: ChartSource): Promise<string> {
  const found = await stat(source.chart).catch(() => undefined);
  if (!found) {
    throw new UserError(
      "chart",
      `chart "${source.chart}" does not exist (looked from ${process.cwd()})`,
      "pulumi config set chart <folder, .tgz or oci://…>, or set `repository` when it is a name in a chart repository",
    );
  }
  return source.chart;
}

async function pull(source: ChartSource, into: string): Promise<string> {
  const where = source.repository ? ["--repo", source.repository] : [];
  const what = `${source.chart}${source.repository ? ` of ${source.repository}` : ""} ${source.version ?? ""}`.trim();
  try {
    await helm(["pull", source.chart, ...where, "--version", source.version ?? "", "--destination", into]);
  } catch (error) {
    if (!(error instanceof HelmError)) throw error;
    throw new UserError(
      "chart",
      `chart ${what} cannot be fetched: ${error.message}`,
      `check that "helm pull ${source.chart} ${where.join(" ")} --version ${source.version ?? ""}" works here ` +
        "(registry login, proxy, spelling), then: pulumi config set version <version>",
    );
  }
  const file = (await readdir(into)).find((name) => name.endsWith(".tgz"));
  if (!file) throw new UserError("chart", `helm pull of ${what} left no package`, "try the same helm pull by hand");
  return join(into, file);
}

async function readMeta(path: string, source: ChartSource): Promise<z.infer<typeof chartYaml>> {
  let text: string;
  try {
    text = await helm(["show", "chart", path]);
  } catch (error) {
    if (!(error instanceof HelmError)) throw error;
    throw new UserError(
      "chart",
      `chart "${source.chart}" cannot be read: ${error.message}`,
      "pulumi config set chart <a folder with Chart.yaml, or a chart package>",
    );
  }
  const meta = chartYaml.safeParse(parse(text));
  if (!meta.success) {
    throw new UserError("chart", `chart "${source.chart}": Chart.yaml has no name or version`, "repair its Chart.yaml");
  }
  if (source.version !== undefined && meta.data.version !== source.version) {
    throw new UserError(
      "chart",
      `chart "${source.chart}" is version ${meta.data.version}, the config says ${source.version}`,
      `pulumi config set version ${meta.data.version}`,
    );
  }
  return meta.data;
}

async function render(
  path: string,
  valuesFile: string,
  input: RenderInput,
  source: ChartSource,
  server: boolean,
): Promise<SourcedObject[]> {
  const args = ["template", input.release, path, "--namespace", input.namespace, "--include-crds"];
  args.push("--values", valuesFile, "--kube-version", input.kubeVersion);
  if (input.isUpgrade) args.push("--is-upgrade");
  if (server && input.access) {
    const { context, kubeconfig } = input.access;
    args.push("--dry-run=server", "--kube-context", context, ...(kubeconfig ? ["--kubeconfig", kubeconfig] : []));
  }
  if (input.apiVersions.length > 0) args.push("--api-versions", input.apiVersions.join(","));
  try {
    return parseManifest(await helm(args));
  } catch (error) {
    if (!(error instanceof HelmError) && !(error instanceof ManifestError)) throw error;
    throw new UserError(
      "chart",
      `chart "${source.chart}" cannot be rendered: ${error.message}`,
      renderFix(error.message),
    );
  }
}

function renderFix(message: string): string {
  if (/missing in charts\//.test(message)) return "fetch its subcharts: helm dependency build <chart folder>";
  if (/incompatible with Kubernetes/.test(message)) return "choose a chart version made for this cluster's Kubernetes";
  if (/execution error|nil pointer|required/.test(message)) {
    return "set the value it asks for: pulumi config set --path values.<key> <value>";
  }
  return "repair the chart (helm template shows the same error), or choose another version";
}
