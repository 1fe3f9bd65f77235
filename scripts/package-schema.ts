/**
 * Writes what says what CasaUpgrade takes and puts out, from config/config-schema.ts and package/results.ts: the types
 * for TypeScript, config/upgrade-args.ts and upgrade/results.ts, and package/schema.json, from which Pulumi generates
 * the SDKs of all other languages. `--check` writes nothing and exits with 1 when one of them is out of step.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { format, resolveConfig } from "prettier";
import { z } from "zod";
import { version } from "../package.json";
import { inputSchema } from "../config/config-schema";
import { resultsSchema } from "../package/results";

const ROOT = resolve(__dirname, "..");
const PACKAGE = "casa-upgrade";
const ARGUMENTS_FILE = "config/upgrade-args.ts";
const RESULTS_FILE = "upgrade/results.ts";
const SCHEMA_FILE = "package/schema.json";
const DESCRIPTION = "Upgrades a CASA runtime: CRDs first, the chart next, the MAS workloads gently last";
/** What the component is, in the words of its own doc comment. */
const COMPONENT =
  "One upgrade of a CASA runtime: a verified backup, custom resources in their next form, CRDs, then the chart, then its migration, " +
  "then the MAS workloads. Chart and cluster are read and all is decided before the first resource is declared, in a preview, too.";

/** A node of the JSON schema that zod writes, as far as it is read here. */
interface Node {
  type?: string | string[];
  description?: string;
  allowed?: string;
  enum?: unknown[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  required?: string[];
  items?: Node;
  anyOf?: Node[];
  additionalProperties?: Node | false;
  properties?: Record<string, Node>;
}
type Spec = Record<string, unknown>;

/** Names of the types of maps, by where they are; a list's entries are one of its name. */
const NAMES = new Map([
  ["restarts", "Restarts"],
  ["migrationGate", "MigrationGate"],
  ["backup", "Backup"],
  ["backup.databases", "ExternalDatabase"],
  ["backup.databases.secret", "PasswordSecret"],
  ["timeouts", "Timeouts"],
  ["crdRules", "CrdRule"],
  ["cluster", "Cluster"],
  ["versions", "Versions"],
  ["backups", "VerifiedBackup"],
  ["customResourcesMigrated", "MigratedCustomResources"],
  ["migration", "MigrationResult"],
  ["workloadsSkipped", "SkippedWorkload"],
]);

function nameOf(path: readonly string[]): string {
  const name = NAMES.get(path.join("."));
  if (name === undefined) throw new Error(`${path.join(".")} has no name in ${__filename}`);
  return name;
}

/** The generated files as they must be, by path relative to the repository. */
export async function generatedFiles(root = ROOT): Promise<Map<string, string>> {
  const results = z.toJSONSchema(resultsSchema) as Node;
  const texts = {
    [ARGUMENTS_FILE]: typesModule("config/config-schema.ts", "Input", inputSchema as Node),
    [RESULTS_FILE]: typesModule("package/results.ts", "Output", results),
    [SCHEMA_FILE]: JSON.stringify(packageSchema(results)),
  };
  const laidOut = Object.entries(texts).map(async ([path, text]) => {
    const options = (await resolveConfig(join(root, path))) ?? {};
    return [path, await format(text, { ...options, filepath: join(root, path) })] as const;
  });
  return new Map(await Promise.all(laidOut));
}

/** Paths of generated files that are missing or not as they must be. */
export async function outOfStep(root = ROOT): Promise<string[]> {
  const isCurrent = (path: string, text: string) =>
    existsSync(join(root, path)) && readFileSync(join(root, path), "utf8") === text;
  return [...(await generatedFiles(root))].filter(([path, text]) => !isCurrent(path, text)).map(([path]) => path);
}

/** A node whose type is a list has a choice of those. */
function choicesOf({ type, anyOf }: Node): Node[] | undefined {
  return Array.isArray(type) ? type.map((one) => ({ type: one })) : anyOf;
}

const keysOf = ({ properties = {} }: Node) => Object.entries(properties);

/** What is said of a key: its meaning, what is allowed, and what it is when nothing is given. */
function descriptionOf(node: Node): string {
  const { description = "", allowed, enum: choices, minimum, maximum, default: byDefault } = node;
  const isLimited = minimum !== undefined && maximum !== undefined && minimum > Number.MIN_SAFE_INTEGER;
  const range = !isLimited ? undefined : `${minimum} to ${maximum}`;
  const limits = allowed ?? choices?.map(String).join(", ") ?? range;
  const isPlain = ["string", "number", "boolean"].includes(typeof byDefault) && byDefault !== "";
  const parts = [description, limits && `Allowed: ${limits}`, isPlain && `Default: ${JSON.stringify(byDefault)}`];
  return parts.flatMap((part) => (part ? [`${part.charAt(0).toUpperCase()}${part.slice(1)}.`] : [])).join(" ");
}

function isRequired(node: Node, key: string): boolean {
  const below = node.properties?.[key];
  const isNullable = choicesOf(below ?? {})?.some(({ type }) => type === "null");
  return (node.required ?? []).includes(key) && !isNullable;
}

// The schema of the package, by https://www.pulumi.com/docs/iac/extending-pulumi/schema/

function packageSchema(results: Node): Spec {
  const types: Record<string, Spec> = {};
  const inputs = propertiesOf(inputSchema as Node, [], types);
  const outputs = propertiesOf(results, [], types);
  const languages = ["nodejs", "python", "go", "csharp", "java"];
  return {
    ...{ name: PACKAGE, version, description: DESCRIPTION, license: "Apache-2.0" },
    language: Object.fromEntries(languages.map((language) => [language, { respectSchemaVersion: true }])),
    types,
    resources: {
      [`${PACKAGE}:index:CasaUpgrade`]: {
        isComponent: true,
        description: COMPONENT,
        inputProperties: inputs.properties,
        requiredInputs: inputs.required,
        properties: outputs.properties,
        required: outputs.required,
      },
    },
  };
}

function propertiesOf(node: Node, path: string[], types: Record<string, Spec>) {
  const keys = keysOf(node);
  const properties = Object.fromEntries(
    keys.map(([key, below]) => {
      const description = descriptionOf(below);
      const secret = path.length === 0 && key === "secretValues" ? { secret: true } : {};
      return [key, { ...typeOf(below, [...path, key], types), ...(description ? { description } : {}), ...secret }];
    }),
  );
  return { properties, required: keys.map(([key]) => key).filter((key) => isRequired(node, key)) };
}

function typeOf(node: Node, path: string[], types: Record<string, Spec>): Spec {
  const choices = choicesOf(node)?.filter(({ type }) => type !== "null") ?? [];
  if (choices.length > 1) return { oneOf: choices.map((choice) => typeOf(choice, path, types)) };
  if (choices[0]) return typeOf(choices[0], path, types);
  if (node.type === "array") return { type: "array", items: typeOf(node.items ?? {}, path, types) };
  if (node.type !== "object") return node.type === undefined ? { $ref: "pulumi.json#/Any" } : { type: node.type };
  if (keysOf(node).length === 0) {
    return { type: "object", additionalProperties: typeOf(node.additionalProperties || {}, path, types) };
  }
  const token = `${PACKAGE}:index:${nameOf(path)}`;
  types[token] = { type: "object", ...propertiesOf(node, path, types) };
  return { $ref: `#/types/${token}` };
}

// The same for TypeScript.

/** A module with the types of all that goes in, or of all that comes out. */
function typesModule(source: string, wrapper: "Input" | "Output", root: Node): string {
  const interfaces: string[] = [];
  const [name, what] =
    wrapper === "Input"
      ? ["CasaUpgradeArgs", "Arguments of CasaUpgrade: the keys of docs/config.md."]
      : ["CasaUpgradeResults", "What CasaUpgrade puts out."];
  // Each argument may be the output of another resource, at any depth; what comes out is one output for each result.
  interfaceOf(root, [], { name, what, wrapper, interfaces });
  return `// Generated from ${source}: node --import tsx scripts/package-schema.ts
import type { ${wrapper} } from "@pulumi/pulumi";

${interfaces.reverse().join("\n\n")}
`;
}

interface Writing {
  readonly name: string;
  readonly what: string;
  readonly wrapper: "Input" | "Output";
  readonly interfaces: string[];
}

function interfaceOf(node: Node, path: string[], writing: Writing): void {
  const { name, what, wrapper, interfaces } = writing;
  const wrapped = wrapper === "Input" || path.length === 0;
  const members = keysOf(node).map(([key, below]) => {
    const comment = descriptionOf(below);
    const type = tsType(below, [...path, key], writing);
    const optional = wrapper === "Input" && !isRequired(node, key) ? "?" : "";
    const line = `readonly ${key}${optional}: ${wrapped ? `${wrapper}<${type}>` : type};`;
    return comment ? `${docComment(comment)}\n${line}` : line;
  });
  interfaces.push(`/** ${what} */\nexport interface ${name} {\n${members.join("\n")}\n}`);
}

function tsType(node: Node, path: string[], writing: Writing): string {
  const input = (type: string) => (writing.wrapper === "Input" ? `Input<${type}>` : type);
  const choices = choicesOf(node);
  if (choices) return choices.map((choice) => tsType(choice, path, writing)).join(" | ");
  if (node.enum) return node.enum.map((choice) => JSON.stringify(choice)).join(" | ");
  if (node.type === "array") return `readonly ${arrayItem(input(tsType(node.items ?? {}, path, writing)))}[]`;
  if (node.type === "integer") return "number";
  if (node.type !== "object") return String(node.type ?? "unknown");
  if (keysOf(node).length > 0) {
    const name = writing.wrapper === "Input" ? `${nameOf(path)}Args` : nameOf(path);
    interfaceOf(node, path, { ...writing, name, what: `See \`${path.join(".")}\`.` });
    return name;
  }
  const values = tsType(node.additionalProperties || {}, path, writing);
  return `Readonly<Record<string, ${values === "unknown" ? values : input(values)}>>`;
}

const arrayItem = (type: string) => (/^[\w<>]+$/.test(type) ? type : `(${type})`);

function docComment(text: string): string {
  const lines = text.split(" ").reduce<string[]>(
    (done, word) => {
      const line = done.at(-1) ?? "";
      if (line.length + word.length > 105) return [...done, word];
      return [...done.slice(0, -1), line === "" ? word : `${line} ${word}`];
    },
    [""],
  );
  return lines.length === 1 ? `/** ${lines[0] ?? ""} */` : `/**\n${lines.map((line) => ` * ${line}`).join("\n")}\n */`;
}

async function main(): Promise<void> {
  const files = await generatedFiles();
  const stale = await outOfStep();
  if (stale.length > 0 && process.argv.includes("--check")) {
    console.error(
      `out of step with config/config-schema.ts: ${stale.join(", ")}\nFix: node --import tsx scripts/package-schema.ts`,
    );
    process.exitCode = 1;
    return;
  }
  for (const path of stale) {
    writeFileSync(join(ROOT, path), files.get(path) ?? "");
    console.log(`wrote ${path}`);
  }
}

if (require.main === module) void main();
