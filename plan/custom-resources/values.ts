import Ajv, { type ErrorObject, type ValidateFunction } from "ajv";
import { isMap } from "../objects";
import { FORMATS, formatName, UNCHECKED_FORMATS } from "./formats";
import { childPath, META_FIELDS, type SchemaNode } from "./structural";

/** Keywords that mean the same in JSON Schema. */
const SAME = [
  "enum",
  "maxLength",
  "minLength",
  "maxItems",
  "minItems",
  "maxProperties",
  "minProperties",
  "required",
  "multipleOf",
];
const COMBINED = ["allOf", "anyOf", "oneOf"];

/** Validates values as the API server does on a write. */
export interface ValueValidator {
  /** What is wrong, with the path; never with a value, which may be secret. */
  problems: (object: unknown) => string[];
  /** Parts of the schema that could not be translated. */
  unchecked: string[];
}

/** Translates a CRD's schema (OpenAPI 3.0, with Kubernetes' extensions) to JSON Schema, and compiles it. */
export function valueValidator(schema: SchemaNode): ValueValidator {
  const unchecked = new Set<string>();
  const ajv = new Ajv({ strict: false, allErrors: true, messages: false, unicodeRegExp: true });
  for (const [name, check] of Object.entries(FORMATS)) ajv.addFormat(name, check);
  let validate: ValidateFunction;
  try {
    validate = ajv.compile(translate(schema, "", unchecked));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { problems: () => [], unchecked: [`the schema cannot be compiled, so no value was checked: ${why}`] };
  }
  const problems = (object: unknown) => (validate(object) ? [] : describe(validate.errors ?? []));
  return { problems, unchecked: [...unchecked] };
}

function translate(node: SchemaNode, path: string, unchecked: Set<string>): object {
  const at: Record<string, unknown> = {};
  for (const key of SAME) if (node[key] !== undefined) at[key] = node[key];
  const nullable = node["nullable"] === true;
  if (node["x-kubernetes-int-or-string"] === true) at["type"] = ["integer", "string", ...(nullable ? ["null"] : [])];
  else if (typeof node["type"] === "string") at["type"] = nullable ? [node["type"], "null"] : node["type"];
  limits(node, at);
  textRules(node, path, at, unchecked);
  const properties = node["properties"];
  if (isMap(properties)) {
    at["properties"] = Object.fromEntries(
      Object.entries(properties)
        .filter(([, below]) => isMap(below))
        .map(([key, below]) => [key, translate(below as SchemaNode, childPath(path, key), unchecked)]),
    );
  }
  const values = node["additionalProperties"];
  if (isMap(values)) at["additionalProperties"] = translate(values, childPath(path, "*"), unchecked);
  else if (values === false) at["additionalProperties"] = false;
  const items = node["items"];
  if (isMap(items)) at["items"] = translate(items, `${path}[]`, unchecked);
  for (const key of COMBINED) {
    const branches = node[key];
    if (Array.isArray(branches)) at[key] = branches.filter(isMap).map((branch) => translate(branch, path, unchecked));
  }
  if (isMap(node["not"])) at["not"] = translate(node["not"], path, unchecked);
  if (node["x-kubernetes-embedded-resource"] === true && path !== "") {
    const given = Array.isArray(node["required"]) ? (node["required"] as string[]) : [];
    at["required"] = [...new Set([...given, ...[...META_FIELDS].filter((field) => field !== "metadata")])];
  }
  return at;
}

/** OpenAPI 3.0 says by a boolean that a limit itself is excluded, JSON Schema by the number. */
function limits(node: SchemaNode, at: Record<string, unknown>): void {
  for (const [limit, exclusive] of [
    ["maximum", "exclusiveMaximum"],
    ["minimum", "exclusiveMinimum"],
  ] as const) {
    if (node[limit] !== undefined) at[node[exclusive] === true ? exclusive : limit] = node[limit];
  }
}

function textRules(node: SchemaNode, path: string, at: Record<string, unknown>, unchecked: Set<string>): void {
  const { pattern, format } = node;
  if (typeof pattern === "string") {
    if (isSamePattern(pattern)) at["pattern"] = pattern;
    else unchecked.add(`${path}: pattern ${pattern} has another meaning in Go than here`);
  }
  if (typeof format !== "string" || (node["type"] !== undefined && node["type"] !== "string")) return;
  const name = formatName(format);
  if (name in FORMATS) at["format"] = name;
  else if (UNCHECKED_FORMATS.has(name)) unchecked.add(`${path}: format ${format}`);
}

/** The server's regular expressions are Go's (RE2); what JavaScript does not know or reads differently is left out. */
function isSamePattern(pattern: string): boolean {
  if (/\[\[?:|\\[AzZQEC]|\(\?[a-zA-Z-]+[:)]|\(\?P</.test(pattern)) return false;
  try {
    new RegExp(pattern, "u");
    return true;
  } catch {
    return false;
  }
}

function describe(errors: readonly ErrorObject[]): string[] {
  // Errors inside of branches say why each branch does not fit; that none does is said by the combination itself.
  const own = errors.filter(({ schemaPath }) => !/\/(anyOf|oneOf|not)\/./.test(schemaPath));
  return [...new Set(own.map((error) => `${pathOf(error.instancePath) || "the object"}: ${ruleText(error)}`))];
}

function pathOf(pointer: string): string {
  const steps = pointer.split("/").slice(1);
  return steps
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, step) => childPath(path, /^\d+$/.test(step) ? Number(step) : step), "");
}

function ruleText({ keyword, params, parentSchema }: ErrorObject): string {
  const values = params as Record<string, unknown>;
  switch (keyword) {
    case "required":
      return `${String(values["missingProperty"])} is required`;
    case "type":
      return `must be ${[values["type"]].flat().join(" or ")}`;
    case "enum":
      return `must be one of ${(values["allowedValues"] as unknown[]).map((value) => JSON.stringify(value)).join(", ")}`;
    case "pattern":
      return `must match ${String(values["pattern"])}`;
    case "format":
      return `must be a ${String(values["format"])}`;
    case "additionalProperties":
      return "has a key that is not allowed";
    case "anyOf":
    case "oneOf":
      return `must fit ${keyword === "oneOf" ? "exactly one" : "one"} of the allowed forms (${keyword})`;
    case "not":
      return "must not fit a forbidden form (not)";
    default:
      return `breaks ${keyword} ${String(values["limit"] ?? values["multipleOf"] ?? parentSchema?.[keyword] ?? "")}`.trim();
  }
}
