/**
 * Writes what is generated from the code: docs/config.md, docs/crd-rules.md, docs/policies.md and the `config:` block
 * at the end of the two Pulumi.yaml files. `--check` writes nothing and exits with 1 when one of them is out of step.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { exampleLine, keyText } from "../config/config-commands";
import { allowedText } from "../config/config-problems";
import { allKeys, inputSchema, type KeySchema, keysOf, schemaAt } from "../config/config-schema";
import { crdRulesDocument } from "./crd-rules";
import { policiesDocument } from "./policies-doc";

const ROOT = resolve(__dirname, "..");
const BLOCK_START =
  "# The config block is generated from config/config-schema.ts: node --import tsx scripts/config-table.ts";
const PROJECT_FILES = ["Pulumi.yaml", "sandbox/Pulumi.yaml"];
const TABLE_FILE = "docs/config.md";

/** The generated files as they must be, by path relative to the repository. */
export function generatedFiles(root = ROOT): Map<string, string> {
  const files = new Map([
    [TABLE_FILE, configDocument()],
    ["docs/crd-rules.md", crdRulesDocument()],
    ["docs/policies.md", policiesDocument()],
  ]);
  for (const path of PROJECT_FILES) files.set(path, withConfigBlock(readFileSync(join(root, path), "utf8")));
  return files;
}

/** Paths of generated files that are missing or not as they must be. */
export function outOfStep(root = ROOT): string[] {
  const isCurrent = (path: string, text: string) =>
    existsSync(join(root, path)) && readFileSync(join(root, path), "utf8") === text;
  return [...generatedFiles(root)].filter(([path, text]) => !isCurrent(path, text)).map(([path]) => path);
}

/** A Pulumi.yaml with its `config:` block replaced or added; the block is the last thing in the file. */
export function withConfigBlock(project: string): string {
  const start = project.search(/^(?:# The config block is generated|config:)/m);
  const rest = start < 0 ? project : project.slice(0, start);
  return `${rest.trimEnd()}\n${configBlock()}`;
}

/**
 * The block for Pulumi.yaml. Every key has a default, because the engine refuses a stack that lacks a declared key
 * without one, in words that do not say how to set it. Only text keys have a `type`: the engine checks a `type` before
 * the program runs, which would hide our message with its fix, and refuses a map that was set as JSON text. The type of
 * the others is that of their default.
 */
function configBlock(): string {
  const keys = Object.entries(keysOf(inputSchema)).map(([key, node]) => {
    const type = node.type === "string" ? { type: node.type } : {};
    return [key, { ...type, description: plainText(node.description), default: engineDefault(node) }];
  });
  return [
    BLOCK_START,
    "# Only text keys have a `type`: the engine's own check of the others would hide the program's message, which says more.",
    '# An empty default means "not set"; the program says which keys must be.',
    stringify({ config: Object.fromEntries(keys) as unknown }, { lineWidth: 0 }),
  ].join("\n");
}

/** The program fills in what is inside `restarts` and `timeouts`; an empty map here leaves that to it. */
function engineDefault(node: KeySchema): unknown {
  return node.type === "object" ? {} : (node.default ?? "");
}

function configDocument(): string {
  const rows = allKeys().map((path) => {
    const node = schemaAt(path) ?? {};
    const cells = [
      `\`${keyText(path)}\``,
      typeText(node),
      defaultText(path, node),
      node.description ?? "",
      example(path, node),
    ];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return `${INTRODUCTION}
| key | type | default | meaning | example |
|---|---|---|---|---|
${rows.join("\n")}
`;
}

const INTRODUCTION = `<!-- Generated from config/config-schema.ts: node --import tsx scripts/config-table.ts -->

# Configuration

All keys belong to the project \`casa-upgrade\` and are set per stack with \`pulumi config set\`. A key that is not in this
table is refused, with the nearest known one; a wrong value is refused with what is allowed and the line that sets it.

- A key inside another one (\`restarts.maxConcurrent\`) needs \`--path\`.
- Chart values are merged in this order: the chart's own, \`valueFiles\` from first to last, \`values\`, \`secretValues\`. Maps are
  merged, lists and all else replaced; \`null\` in a value file removes the chart's default. Value files are read as helm reads
  them, except that a key given twice is an error.
- \`pulumi config set --path values.image.tag 1.10\` stores text, \`... values.port 8080\` a number, \`... values.on true\` a
  boolean. \`--type string\` makes text of anything.
- Passwords belong into \`secretValues\`, always with \`--secret\`; readable text there is refused. Without a value on the command
  line, pulumi asks for it. Previews show \`values\` and hide \`secretValues\`; a \`values\` with one encrypted value in it is
  hidden altogether, because the engine does not say which one it is.
- Workloads are named \`[Deployment/|StatefulSet/]namespace/name\`; without a kind both are looked for.
`;

function typeText(node: KeySchema): string {
  if (node.enum) return allowedText(node).replaceAll(/\w+/g, (word) => (word === "or" ? word : `\`${word}\``));
  if (node.type === "integer") return `whole number, ${node.minimum} to ${node.maximum}`;
  if (node.type === "array") {
    return (node.items as KeySchema | undefined)?.type === "object" ? "list of maps" : "list of text";
  }
  if (node.type === "object") return "map";
  if (node.anyOf) return allowedText(node);
  return node.type === "boolean" ? "boolean" : "text";
}

function defaultText(path: string[], node: KeySchema): string {
  if (path.length === 1 && inputSchema.required?.includes(path[0] ?? "")) return "required";
  if (Object.keys(keysOf(node)).length > 0) return "see below";
  if (node.type === "object" || node.type === "array") return "none";
  return node.default === "" ? "" : `\`${JSON.stringify(node.default).replaceAll('"', "")}\``;
}

function example(path: string[], node: KeySchema): string {
  return `\`${exampleLine(path, node.example, path[0] === "secretValues")}\``;
}

function plainText(text = ""): string {
  return text.replaceAll("`", "");
}

if (require.main === module) {
  const stale = outOfStep();
  if (process.argv.includes("--check")) {
    if (stale.length > 0) {
      console.error(
        `out of step with the code they are generated from: ${stale.join(", ")}\nFix: node --import tsx scripts/config-table.ts`,
      );
      process.exitCode = 1;
    }
  } else {
    const files = generatedFiles();
    for (const path of stale) {
      writeFileSync(join(ROOT, path), files.get(path) ?? "");
      console.log(`wrote ${path}`);
    }
  }
}
