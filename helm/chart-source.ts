import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { UserError } from "../shared/user-error";
import { helm, HelmError } from "./helm";

/** Where a chart comes from, as the config says it. */
export interface ChartSource {
  /** Local folder or `.tgz`, `oci://…`, or a chart name together with `repository`. */
  chart: string;
  /** Chart repository URL; only with a chart name. */
  repository?: string;
  /** Exact chart version; for a local chart it must equal the chart's own. */
  version?: string;
}

const chartYaml = z.looseObject({
  name: z.string(),
  version: z.string(),
  appVersion: z.coerce.string().optional(),
  deprecated: z.boolean().optional(),
});

/** What a chart's Chart.yaml says of it. */
export type ChartMeta = z.infer<typeof chartYaml>;

/** True for a chart on this machine: a path, as opposed to `oci://…` or a name in a repository. */
export function isLocalChart(source: ChartSource): boolean {
  return source.repository === undefined && !source.chart.startsWith("oci://");
}

/** Path of a local chart. @throws UserError when there is none. */
export async function localPath(source: ChartSource): Promise<string> {
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

/**
 * Fetches a chart into a folder, as helm does it: with its own registry and repository credentials.
 *
 * @returns path of the package.
 * @throws UserError when it cannot be fetched.
 */
export async function pull(source: ChartSource, into: string): Promise<string> {
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

/** Reads the Chart.yaml. @throws UserError when there is no chart, or one of another version. */
export async function readMeta(path: string, source: ChartSource): Promise<ChartMeta> {
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
