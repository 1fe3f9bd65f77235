import * as fs from "node:fs";
import * as path from "node:path";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { CHECKOUT } from "../paths";
import type { PluginMode } from "./plugins";

const sandbox = path.join(CHECKOUT, "sandbox");

const pluginList = z.array(z.looseObject({ name: z.string(), path: z.string() })).optional();

const project = z.looseObject({
  name: z.string(),
  main: z.string().optional(),
  plugins: z.looseObject({ providers: pluginList, languages: pluginList }).optional(),
});

type Project = z.infer<typeof project>;

/**
 * Writes into `target` a Pulumi.yaml that runs the program of the project in `source`, and returns the project's name.
 *
 * The CLI keeps a stack's configuration next to the Pulumi.yaml, so a run from a copy leaves the checkout alone and
 * several runs cannot meet. Paths become absolute. A project that names plugins of its own keeps them; the embedded
 * ones are added in embedded mode and dropped in official mode.
 */
export function writeProject(source: string, target: string, mode: PluginMode): string {
  const original = readProject(source);
  const embedded = absolutePlugins(sandbox);
  const kept = absolutePlugins(source);
  const isEmbedded = ({ path: folder }: { path: string }) => folder === path.join(sandbox, "plugins/bin");
  const isThere = (list: readonly { name: string }[], name: string) => list.some((own) => own.name === name);
  const merge = (kind: "providers" | "languages") => [
    ...kept[kind].filter((own) => !isEmbedded(own) && (mode === "official" || !isThere(embedded[kind], own.name))),
    ...(mode === "embedded" ? embedded[kind] : []),
  ];
  const copy: Project = {
    ...original,
    main: path.resolve(source, original.main ?? "."),
    plugins: { providers: merge("providers"), languages: merge("languages") },
  };
  fs.mkdirSync(target, { recursive: true });
  fs.writeFileSync(path.join(target, "Pulumi.yaml"), stringify(copy));
  return original.name;
}

/** The project the engine runs when none is given. */
export function defaultProject(mode: PluginMode): string {
  return mode === "embedded" ? sandbox : CHECKOUT;
}

function absolutePlugins(directory: string) {
  const { plugins } = readProject(directory);
  const resolve = (list: z.infer<typeof pluginList>) =>
    (list ?? []).map((plugin) => ({ ...plugin, path: path.resolve(directory, plugin.path) }));
  return { providers: resolve(plugins?.providers), languages: resolve(plugins?.languages) };
}

function readProject(directory: string): Project {
  return project.parse(parse(fs.readFileSync(path.join(directory, "Pulumi.yaml"), "utf8")));
}

const stackFile = z.looseObject({ config: z.record(z.string(), z.unknown()).optional() });

/** Sets plain values in a stack's configuration file; `undefined` removes one. Keys carry no project name. */
export function writePlainConfig(file: string, projectName: string, values: Record<string, unknown>): void {
  const text = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  const content = stackFile.parse(parse(text) ?? {});
  const config = { ...content.config };
  for (const [key, value] of Object.entries(values)) {
    const full = `${projectName}:${key}`;
    // The CLI takes numbers and booleans as text, too; what it writes itself is text.
    if (value === undefined) delete config[full];
    else config[full] = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  }
  fs.writeFileSync(file, stringify({ ...content, config }));
}

/**
 * The texts in a value, each with its property path as `pulumi config set --path` takes it. A secret object has to be
 * set like this: with a declared type the CLI does not accept one that is encrypted as a whole.
 */
export function leaves(path: string, value: unknown): [path: string, text: string][] {
  if (Array.isArray(value)) return value.flatMap((item, index) => leaves(`${path}[${index}]`, item));
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, item]) => leaves(`${path}[${JSON.stringify(key)}]`, item));
  }
  return [[path, typeof value === "string" ? value : JSON.stringify(value)]];
}
