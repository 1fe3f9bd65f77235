import { closest, distance } from "fastest-levenshtein";
import { z } from "zod";
import { configSchema } from "./config";

type Issue = z.core.$ZodIssue;
type SchemaNode = z.core.JSONSchema.BaseSchema;

/** One text per problem: key, value, what is allowed, and the line that fixes it. */
export function describeProblems(issues: Issue[], raw: unknown, secretKeys: readonly string[]): string[] {
  const schema = z.toJSONSchema(configSchema, { io: "input" }) as SchemaNode;
  return issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => unknownKey([...issue.path], key, schema))
      : [wrongValue(issue, schema, raw, secretKeys)],
  );
}

function unknownKey(path: PropertyKey[], key: string, schema: SchemaNode): string {
  const known = Object.keys(properties(nodeAt(schema, path)));
  const nearest = known.length > 0 ? closest(key, known) : undefined;
  const near = nearest !== undefined && distance(key, nearest) <= Math.max(2, key.length / 3);
  const full = keyText([...path, key]);
  const hint = near ? ` Did you mean "${keyText([...path, nearest])}"?` : ` Known keys: ${known.join(", ")}.`;
  return `- ${full}: is not a key of this project.${hint}\n    Fix: ${command("rm", [...path, key])}`;
}

function wrongValue(issue: Issue, schema: SchemaNode, raw: unknown, secretKeys: readonly string[]): string {
  const value = valueAt(raw, issue.path);
  const secret = secretKeys.includes(String(issue.path[0]));
  const shown = value === undefined || value === "" ? "is not set" : `is ${secret ? "[secret]" : JSON.stringify(value)}`;
  const node = nodeAt(schema, issue.path);
  const allowed = allowedText(node, issue);
  const example = exampleFor(schema, issue.path);
  return (
    `- ${keyText(issue.path)}: ${shown}; allowed: ${allowed}.\n` +
    `    Fix: ${command("set", issue.path)} ${shellWord(example)}`
  );
}

/** What a schema node allows, in words. */
function allowedText(node: SchemaNode | undefined, issue: Issue): string {
  if (issue.code === "invalid_format" || (issue.code === "too_small" && issue.origin === "string")) return issue.message;
  if (node?.enum) return node.enum.map(String).join(" or ");
  switch (node?.type) {
    case "integer":
      return `a whole number from ${node.minimum ?? ""} to ${node.maximum ?? ""}`;
    case "boolean":
      return "true or false";
    case "array":
      return "a list";
    case "object":
      return "a map";
    case "string":
      return node.maxLength ? `text of at most ${node.maxLength} characters` : "text";
    default:
      return issue.message;
  }
}

function exampleFor(schema: SchemaNode, path: PropertyKey[]): string {
  const node = nodeAt(schema, path) as (SchemaNode & { example?: unknown }) | undefined;
  const listNode = typeof path.at(-1) === "number" ? (nodeAt(schema, path.slice(0, -1)) as { example?: unknown }) : undefined;
  const example = node?.example ?? (Array.isArray(listNode?.example) ? (listNode.example as unknown[])[0] : undefined);
  const value = node?.enum ? node.default : (example ?? node?.default);
  return typeof value === "string" ? value : JSON.stringify(value ?? "…");
}

function nodeAt(schema: SchemaNode, path: PropertyKey[]): SchemaNode | undefined {
  let at: SchemaNode | undefined = schema;
  for (const step of path) {
    const next: unknown = typeof step === "number" ? at?.items : properties(at)[String(step)];
    at = next as SchemaNode | undefined;
  }
  return at;
}

function properties(node: SchemaNode | undefined): Record<string, unknown> {
  return (node?.properties ?? {}) as Record<string, unknown>;
}

function valueAt(raw: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, step) => (typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[step] : undefined),
    raw,
  );
}

function keyText(path: PropertyKey[]): string {
  return path.map((step, i) => (typeof step === "number" ? `[${step}]` : `${i > 0 ? "." : ""}${String(step)}`)).join("");
}

/** The `pulumi config` command for a key; keys inside another one need `--path`. */
function command(verb: "set" | "rm", path: PropertyKey[]): string {
  return path.length > 1 ? `pulumi config ${verb} --path ${shellWord(keyText(path))}` : `pulumi config ${verb} ${keyText(path)}`;
}

function shellWord(word: string): string {
  return /^[\w./:@-]+$/.test(word) ? word : `'${word}'`;
}
