import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import type { HelmCli, HelmSession } from "./release-helm";
import type { ReleaseInputs } from "./release-inputs";

/** How helm finds a chart: its CHART argument, and the options that belong to it. */
export interface ChartReference {
  chart: string;
  options: string[];
  /** True for a folder or an archive on this machine. */
  local: boolean;
}

const metadataSchema = z.looseObject({ name: z.string(), version: z.string() });

/** The part of Chart.yaml that a release needs. */
export type ChartMetadata = z.infer<typeof metadataSchema>;

/** The name under which a repository that asks for a password is known for the length of one operation. */
const SCRATCH_REPOSITORY = "release";

/**
 * Finds out how to pass the chart to helm. A local chart comes first only when no repository is named, and then must be
 * a chart: a folder that merely has the chart's name is passed over, as the official provider does.
 *
 * @throws Error when a path does not exist, or when the repository or registry refuses the credentials.
 */
export async function locateChart(session: HelmSession, inputs: ReleaseInputs): Promise<ChartReference> {
  const { repositoryOpts: repository, verify } = inputs;
  const { repositoryUrl, chart } = resolveName(repository?.repo ?? "", inputs.chart.trim());
  const version = inputs.version.trim() || (inputs.devel ? ">0.0.0-0" : "");
  const options = [...(version ? ["--version", version] : []), ...(verify ? ["--verify"] : [])];
  if (inputs.keyring) options.push("--keyring", path.resolve(inputs.keyring));

  if (!repositoryUrl) {
    const local = localChart(chart);
    if (local) return { chart: local, options, local: true };
    if (path.isAbsolute(chart) || chart.startsWith(".")) throw new Error(`path "${chart}" not found`);
  }
  const tls = tlsOptions(repository);
  if (repository?.username && repository.password) {
    const credentials = ["--username", repository.username, "--password-stdin"];
    if (chart.startsWith("oci://")) {
      session.useScratchRegistryLogin();
      const host = new URL(chart).host;
      await session.run(["registry", "login", host, ...credentials, ...tls], { input: repository.password });
    } else if (repositoryUrl) {
      session.useScratchRepositories();
      const add = ["repo", "add", SCRATCH_REPOSITORY, repositoryUrl];
      await session.run([...add, ...credentials, ...tls], { input: repository.password });
      return { chart: `${SCRATCH_REPOSITORY}/${chart}`, options, local: false };
    }
  }
  return { chart, options: [...options, ...tls, ...(repositoryUrl ? ["--repo", repositoryUrl] : [])], local: false };
}

/**
 * Splits what the program names into a repository address and a chart name; a repository may also be a configured one's
 * name.
 */
function resolveName(repository: string, chart: string): { repositoryUrl: string; chart: string } {
  if (chart.startsWith("oci://")) return { repositoryUrl: "", chart };
  if (path.isAbsolute(repository) || URL.canParse(repository)) return { repositoryUrl: repository, chart };
  return { repositoryUrl: "", chart: repository && !chart.includes("/") ? `${repository}/${chart}` : chart };
}

function localChart(name: string): string | undefined {
  const file = path.resolve(name);
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  const isChart = stat?.isFile() || (stat?.isDirectory() && fs.existsSync(path.join(file, "Chart.yaml")));
  return isChart ? file : undefined;
}

function tlsOptions(repository: ReleaseInputs["repositoryOpts"]): string[] {
  const files = {
    "--ca-file": repository?.caFile,
    "--cert-file": repository?.certFile,
    "--key-file": repository?.keyFile,
  };
  return Object.entries(files).flatMap(([option, file]) => (file ? [option, path.resolve(file)] : []));
}

/** Loads the chart and reads which version it really is; `version` in the inputs may be a range or absent. */
export async function readChart(session: HelmSession, inputs: ReleaseInputs): Promise<ChartMetadata> {
  const reference = await locateChart(session, inputs);
  const shown = await session.run(["show", "chart", reference.chart, ...reference.options]);
  return metadataSchema.parse(parse(shown));
}

/** Runs `helm lint` on the chart; throws with what it complains about. */
export async function lintChart(session: HelmSession, reference: ChartReference, values: string): Promise<void> {
  let chart = reference.chart;
  if (!reference.local) {
    await session.run(["pull", reference.chart, ...reference.options, "--destination", session.scratch]);
    const archive = fs.readdirSync(session.scratch).find((file) => file.endsWith(".tgz"));
    if (!archive) throw new Error(`helm pull left no archive of ${reference.chart}`);
    chart = path.join(session.scratch, archive);
  }
  await session.run(["lint", chart, "--values", "-"], { input: values });
}

/**
 * Guesses the chart of an imported release, which its record does not tell: a chart of that name (and version) in the
 * program's folder, then in helm's configured repositories, else the bare name.
 */
export async function guessChart(helm: HelmCli, name: string, version: string): Promise<string> {
  for (const candidate of [`${name}-${version}`, `${name}-${version}.tgz`, name, `${name}.tgz`]) {
    if (localChart(candidate)) return candidate;
  }
  return (await searchRepositories(helm, name, version).catch(() => undefined)) ?? name;
}

const searchSchema = z.array(z.looseObject({ name: z.string(), version: z.string() }));

async function searchRepositories(helm: HelmCli, name: string, version: string): Promise<string | undefined> {
  const printed = await helm.session((session) =>
    session.run(["search", "repo", name, "--version", version, "--output", "json"]),
  );
  const hits = searchSchema.parse(JSON.parse(printed));
  return hits.find((hit) => hit.name.endsWith(`/${name}`) && hit.version === version)?.name;
}
