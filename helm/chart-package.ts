import { UserError } from "../shared/user-error";
import { z } from "zod";
import { type TemplateUses, templateUses } from "./template-uses";

import { ChartBudget, type ChartFiles, readChartArchive, readChartFiles } from "./chart-files";
import { isMap } from "../kubernetes/objects";
import { NoYaml, readFirstDocument } from "../kubernetes/read-yaml";
import { mergeValues, type Values } from "../config/values";

/** A text in the package that may tell about changes between versions. */
export interface NotesFile {
  /** Path in the package, e.g. `CHANGELOG.md`. */
  file: string;
  text: string;
}

/** An entry of the chart's `dependencies`, or a chart in `charts/` that has none. */
export interface ChartDependency {
  /** Key of its values in the parent: the alias, else the name. */
  key: string;
  name: string;
  alias?: string;
  /** Paths of the parent's values that switch it on; helm takes the first one that holds a boolean. */
  conditions: string[][];
  tags: string[];
  /** Paths of the parent's values that its `import-values` fill. */
  importedTo: string[][];
  /** Undefined: the package does not contain it, so nothing is known of its values. */
  chart?: ChartPackage;
}

/** What a chart package says about its values and its history; subcharts included. */
export interface ChartPackage {
  name: string;
  version: string;
  annotations: Record<string, string>;
  dependencies: ChartDependency[];
  /** Its own values.yaml. */
  values: Values;
  /** Default values as helm computes them: those of subcharts under their keys, the parent's settings winning. */
  defaults: Values;
  /** Its values.schema.json. */
  schema?: unknown;
  uses: TemplateUses;
  /** CHANGELOG, UPGRADE, UPGRADING, MIGRATION and README of the package's root and its docs/; whole files. */
  notes: NotesFile[];
}

const text = z.string();
const dependencySchema = z.looseObject({
  name: text,
  alias: text.nullish(),
  condition: text.nullish(),
  tags: z.array(text).nullish(),
  "import-values": z.array(z.unknown()).nullish(),
});
const dependenciesSchema = z.array(dependencySchema).nullish();
const chartSchema = z.looseObject({
  name: text,
  version: text,
  annotations: z.record(z.string(), z.coerce.string()).nullish(),
  dependencies: dependenciesSchema,
});

const NOTES = /^(?:docs\/)?(?:CHANGELOG|CHANGES|UPGRADE|UPGRADING|MIGRATION|README)[^/]*$/i;
/** Longest notes text that is kept, in characters; the newest versions stand at the top. */
const MAX_NOTES = 1024 * 1024;
const MAX_NESTING = 10;

/**
 * Reads a chart folder or a packaged chart (`.tgz`) without writing to disk. `.helmignore` is not honoured: a file too
 * many only makes the findings more careful.
 *
 * @throws UserError when it is no chart, is too large, or its Chart.yaml, values.yaml or values.schema.json is
 * malformed.
 */
export async function readChartPackage(path: string): Promise<ChartPackage> {
  const budget = new ChartBudget(path);
  return packageOf(await readChartFiles(path, budget), path, budget);
}

/** The same for files that are read already; errors as in {@link readChartPackage}. */
export async function packageOf(files: ChartFiles, path: string, budget: ChartBudget): Promise<ChartPackage> {
  return build(await parseTree(files, path, budget, 0), undefined);
}

/** A chart and its subcharts before the templates are looked at. */
interface ChartTree {
  meta: z.infer<typeof chartSchema>;
  values: Values;
  valuesText: string;
  schema: unknown;
  templates: string[];
  notes: NotesFile[];
  subcharts: ChartTree[];
}

async function parseTree(files: ChartFiles, where: string, budget: ChartBudget, depth: number): Promise<ChartTree> {
  if (depth > MAX_NESTING)
    throw new UserError("chart", `chart "${where}" nests subcharts too deeply`, "repair the chart");
  const meta = parsed(chartSchema, yamlOf(files, "Chart.yaml", where), where, "Chart.yaml");
  const legacy = yamlOf(files, "requirements.yaml", where);
  const requirements = z.looseObject({ dependencies: dependenciesSchema });
  meta.dependencies ??= parsed(requirements, legacy ?? {}, where, "requirements.yaml").dependencies;
  const values = yamlOf(files, "values.yaml", where) ?? {};
  if (!isMap(values)) throw malformed(where, "values.yaml", "it does not hold a map");
  const subcharts: ChartTree[] = [];
  for (const [name, inside] of await subchartFiles(files, where, budget)) {
    subcharts.push(await parseTree(inside, `${where}: charts/${name}`, budget, depth + 1));
  }
  return {
    meta,
    values,
    valuesText: textOf(files, "values.yaml") ?? "",
    schema: schemaOf(files, where),
    templates: [...files].filter(([name]) => isTemplate(name)).map(([, data]) => data.toString("utf8")),
    notes: depth > 0 ? [] : notesOf(files),
    subcharts,
  };
}

/** Files that may hold template text: `templates/`, and what templates read with `.Files` and hand to `tpl`. */
function isTemplate(name: string): boolean {
  return !/^(?:charts|crds|ci)\/|^values\.yaml$|\.(?:md|gotmpl|tgz|schema\.json)$/i.test(name);
}

function notesOf(files: ChartFiles): NotesFile[] {
  const found = [...files].filter(
    ([name]) => NOTES.test(name) && /(?:\/|^)[^.]+(?:\.(?:md|markdown|txt))?$/i.test(name),
  );
  return found.map(([file, data]) => ({ file, text: data.toString("utf8").slice(0, MAX_NOTES) }));
}

/** The files of each chart in `charts/`: folders, and archives as `helm dependency build` leaves them. */
async function subchartFiles(files: ChartFiles, where: string, budget: ChartBudget): Promise<[string, ChartFiles][]> {
  const folders = new Map<string, ChartFiles>();
  for (const [name, data] of files) {
    // helm skips names that begin with a dot or an underscore here.
    const [, folder, rest] = /^charts\/([^/._][^/]*)(?:\/(.+))?$/.exec(name) ?? [];
    if (folder === undefined) continue;
    if (rest !== undefined) folders.set(folder, (folders.get(folder) ?? new Map<string, Buffer>()).set(rest, data));
    else if (folder.endsWith(".tgz")) folders.set(folder, await readChartArchive(data, `${where}: ${name}`, budget));
  }
  return [...folders].filter(([, inside]) => inside.has("Chart.yaml"));
}

function build(tree: ChartTree, inherited: readonly string[] | undefined): ChartPackage {
  // Named templates are shared by a chart and all its subcharts, whoever defines them; library charts live by that.
  const shared = inherited ?? sharedTemplates(tree);
  const dependencies = dependenciesOf(tree, shared);
  const fromSubcharts = dependencies.flatMap(({ key, chart }) => (chart ? [{ [key]: chart.defaults }] : []));
  return {
    name: tree.meta.name,
    version: tree.meta.version,
    annotations: tree.meta.annotations ?? {},
    dependencies,
    values: tree.values,
    defaults: mergeValues(...fromSubcharts, tree.values),
    schema: tree.schema,
    uses: templateUses([...new Set([...tree.templates, ...shared, tree.valuesText])]),
    notes: tree.notes,
  };
}

function sharedTemplates(tree: ChartTree): string[] {
  const own = tree.templates.filter((template) => /\{\{-?\s*define\s/.test(template));
  return [...own, ...tree.subcharts.flatMap(sharedTemplates)];
}

function dependenciesOf(tree: ChartTree, shared: readonly string[]): ChartDependency[] {
  const declared = (tree.meta.dependencies ?? []).map((dependency): ChartDependency => {
    const found = tree.subcharts.find(({ meta }) => meta.name === dependency.name);
    const chart = found && build(found, shared);
    return {
      key: dependency.alias ?? dependency.name,
      name: dependency.name,
      ...(dependency.alias ? { alias: dependency.alias } : {}),
      conditions: (dependency.condition ?? "")
        .split(",")
        .flatMap((path) => (path.trim() ? [path.trim().split(".")] : [])),
      tags: dependency.tags ?? [],
      importedTo: (dependency["import-values"] ?? []).flatMap((entry) => importTargets(entry, chart)),
      ...(chart ? { chart } : {}),
    };
  });
  const undeclared = tree.subcharts.filter(({ meta }) => !declared.some(({ name }) => name === meta.name));
  const bare = { conditions: [], tags: [], importedTo: [] };
  return [
    ...declared,
    ...undeclared.map((sub) => ({ key: sub.meta.name, name: sub.meta.name, ...bare, chart: build(sub, shared) })),
  ];
}

/**
 * Where one entry of `import-values` puts a subchart's values: a parent path, or the keys that the subchart exports.
 */
function importTargets(entry: unknown, chart: ChartPackage | undefined): string[][] {
  if (isMap(entry)) return typeof entry["parent"] === "string" ? [entry["parent"].split(".")] : [];
  const exported = isMap(chart?.defaults["exports"]) ? chart.defaults["exports"][String(entry)] : undefined;
  return isMap(exported) ? Object.keys(exported).map((key) => [key]) : [];
}

function textOf(files: ChartFiles, name: string): string | undefined {
  return files
    .get(name)
    ?.toString("utf8")
    .replace(/^\uFEFF/, "");
}

/**
 * A YAML file as helm reads it: the first document, the last one of repeated keys. Undefined: there is no such file.
 */
function yamlOf(files: ChartFiles, name: string, where: string): unknown {
  const content = textOf(files, name);
  if (content === undefined) return undefined;
  try {
    return readFirstDocument(content);
  } catch (error) {
    if (!(error instanceof NoYaml)) throw error;
    throw malformed(where, name, error.message);
  }
}

function schemaOf(files: ChartFiles, where: string): unknown {
  const content = textOf(files, "values.schema.json");
  if (content === undefined) return undefined;
  try {
    return JSON.parse(content) as unknown;
  } catch {
    throw malformed(where, "values.schema.json", "it is not valid JSON");
  }
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, where: string, file: string): T {
  if (value === undefined) throw malformed(where, file, "it is missing or empty");
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw malformed(where, file, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}`);
}

function malformed(where: string, file: string, what: string): UserError {
  return new UserError("chart", `chart "${where}": ${file}: ${what}`, `repair its ${file}, or choose another version`);
}
