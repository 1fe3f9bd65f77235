import Ajv, { type ErrorObject, type SchemaValidateFunction, type ValidateFunction } from "ajv";
import { isMap } from "../../kubernetes/objects";
import { childPath, isNullable, itemsOf, propertiesOf, type SchemaNode } from "./structural";
import { type ValueRule, valueRules } from "./value-rules";

/** Keywords that mean the same in JSON Schema. */
const SAME = [
  ...["maxLength", "minLength", "maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties", "required"],
];
const BRANCHES = ["allOf", "anyOf", "oneOf"] as const;
/** Nodes that one function checks, about: what Ajv takes to make one grows with the square of that. */
const PER_FUNCTION = 60;
/** Nodes that are worth a function of their own. */
const WORTH_A_FUNCTION = 3;
/** Our own keyword, for what the server judges in its own way; its value is a list of {@link PlacedRule}. */
const RULES = "casa-rules";
/** Marks a node that null fits without a look at its branches. */
const NULL_FITS = { type: "null" };

interface PlacedRule extends ValueRule {
  /** Schema path, for what cannot be said. */
  path: string;
}

/** Values of an object that do not fit, and rules that could not be judged on this object. */
export interface ValueFindings {
  /** With the path; never with a value, which may be secret. */
  problems: string[];
  unchecked: string[];
}

/** Validates values as the API server does on a write. */
export type ValueValidator = (object: unknown) => ValueFindings;

/** Translates a CRD's schema (OpenAPI 3.0, with Kubernetes' extensions) to JSON Schema, and compiles it. */
export function valueValidator(schema: SchemaNode): ValueValidator {
  let undecided = new Set<string>();
  const options = { strict: false, allErrors: true, messages: false, ownProperties: true, inlineRefs: false };
  // The code that is made runs for a moment only; to optimize it takes longer.
  const ajv = new Ajv({ ...options, logger: false, code: { optimize: false } });
  ajv.addKeyword({ keyword: RULES, errors: true, compile: (rules: PlacedRule[]) => judge(rules, () => undecided) });
  let validate: ValidateFunction;
  try {
    validate = ajv.compile(inParts(translate(schema, "")));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const unchecked = [`the schema cannot be compiled, so no value was checked: ${why}`];
    return () => ({ problems: [], unchecked });
  }
  return (object) => {
    undecided = new Set();
    const problems = validate(object) ? [] : describe(validate.errors ?? [], object);
    return { problems, unchecked: [...undecided] };
  };
}

function judge(rules: readonly PlacedRule[], undecided: () => Set<string>): SchemaValidateFunction {
  const validate: SchemaValidateFunction = (value: unknown) => {
    const broken: ValueRule[] = [];
    for (const rule of rules) {
      const fits = rule.fits(value);
      if (fits === false) broken.push(rule);
      else if (fits === undefined) undecided().add(`${rule.path || "the object"}: ${rule.text}`);
    }
    validate.errors = broken.map(({ text }) => ({ keyword: RULES, params: { text } }));
    return broken.length === 0;
  };
  return validate;
}

/** A translated schema, and how many nodes one function checks for it. */
interface Sized {
  schema: unknown;
  size: number;
}

/** The same schema with its larger parts by reference, so that each is checked by a function of its own. */
function inParts(schema: object): object {
  const parts: unknown[] = [];
  const root = withParts(schema, parts).schema as object;
  return { ...root, $defs: Object.fromEntries(parts.map((part, i) => [i, part])) };
}

/** Branches stay where they are: where an error comes from says whether it is inside of one. */
function withParts(schema: unknown, parts: unknown[]): Sized {
  if (!isMap(schema)) return { schema, size: 0 };
  const { properties, items, additionalProperties, ...rest } = schema;
  const rows = isMap(properties) ? Object.entries(properties) : [];
  const inner = Object.entries({ items, additionalProperties }).filter(([, below]) => below !== undefined);
  const sizedOf = (entries: [string, unknown][]) =>
    entries.map(([key, below]) => [key, withParts(below, parts)] as [string, Sized]);
  const around = sizedOf(inner);
  const rowsIn = sizedOf(rows);
  const whole = sum(rowsIn) + sum(around);
  const placed =
    whole > PER_FUNCTION ? rowsIn.map(([key, row]) => [key, apart(row, parts)] as [string, Sized]) : rowsIn;
  const found: Record<string, unknown> = { ...rest, ...schemasOf(around) };
  if (placed.length > 0) found["properties"] = schemasOf(placed);
  return { schema: found, size: 1 + sum(placed) + sum(around) };
}

function apart({ schema, size }: Sized, parts: unknown[]): Sized {
  return size < WORTH_A_FUNCTION
    ? { schema, size }
    : { schema: { $ref: `#/$defs/${parts.push(schema) - 1}` }, size: 1 };
}

function sum(entries: readonly [string, Sized][]): number {
  return entries.reduce((size, [, below]) => size + below.size, 0);
}

function schemasOf(entries: readonly [string, Sized][]): Record<string, unknown> {
  return Object.fromEntries(entries.map(([key, { schema }]) => [key, schema]));
}

function translate(node: SchemaNode, path: string): object {
  const at: Record<string, unknown> = {};
  for (const key of SAME) if (node[key] !== undefined) at[key] = node[key];
  const rules = valueRules(node).map((rule) => ({ ...rule, path }));
  if (rules.length > 0) at[RULES] = rules;
  const properties = Object.entries(propertiesOf(node)).filter(([, below]) => isMap(below));
  if (properties.length > 0) {
    at["properties"] = Object.fromEntries(
      properties.map(([key, below]) => [key, translate(below, childPath(path, key))]),
    );
  }
  const values = node["additionalProperties"];
  if (isMap(values)) at["additionalProperties"] = translate(values, `${path}.*`);
  else if (values === false) at["additionalProperties"] = false;
  const items = itemsOf(node);
  if (items) at["items"] = translate(items, `${path}[]`);
  const branches = translateBranches(node, path);
  if (branches === undefined) return at;
  // Of a null the server looks at the type and the enum only.
  const takesNull = isNullable(node) || (node["type"] === undefined && node["x-kubernetes-int-or-string"] !== true);
  return takesNull ? { ...at, if: NULL_FITS, else: branches } : { ...at, ...branches };
}

function translateBranches(node: SchemaNode, path: string): object | undefined {
  const found: Record<string, unknown> = {};
  for (const key of BRANCHES) {
    const given: unknown = node[key];
    const branches = Array.isArray(given) ? given.filter(isMap) : [];
    if (branches.length > 0) found[key] = branches.map((branch) => translate(branch, path));
  }
  if (isMap(node["not"])) found["not"] = translate(node["not"], path);
  return Object.keys(found).length === 0 ? undefined : found;
}

function describe(errors: readonly ErrorObject[], object: unknown): string[] {
  // Errors inside of branches say why each branch does not fit; that none does is said by the combination itself.
  const own = errors.filter((error) => error.keyword !== "if" && !isInBranch(error.schemaPath));
  return [...new Set((own.length > 0 ? own : errors).map((error) => problemText(error, object)))];
}

/** Whether a place of the translated schema is inside of a branch that need not fit. */
function isInBranch(schemaPath: string): boolean {
  const steps = schemaPath.split("/").slice(1);
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] ?? "";
    if (step === "properties" || step === "allOf") i++;
    else if (["anyOf", "oneOf", "not"].includes(step)) return i < steps.length - 1;
  }
  return false;
}

function problemText({ keyword, params, instancePath, parentSchema }: ErrorObject, object: unknown): string {
  const values = params as Record<string, unknown>;
  const path = pathOf(instancePath, object);
  if (keyword === "required") return `${childPath(path, String(values["missingProperty"]))}: is required`;
  return `${path || "the object"}: ${ruleText(keyword, values, parentSchema)}`;
}

function pathOf(pointer: string, object: unknown): string {
  let [path, at] = ["", object];
  for (const escaped of pointer.split("/").slice(1)) {
    const step = escaped.replaceAll("~1", "/").replaceAll("~0", "~");
    path = childPath(path, Array.isArray(at) ? Number(step) : step);
    at = (at as Record<string, unknown> | undefined)?.[step];
  }
  return path;
}

function ruleText(keyword: string, params: Record<string, unknown>, schema: object | undefined): string {
  switch (keyword) {
    case RULES:
      return String(params["text"]);
    case "additionalProperties":
      return "has a key that is not allowed";
    case "anyOf":
    case "oneOf":
      return `must fit ${keyword === "oneOf" ? "exactly one" : "one"} of the allowed forms (${keyword})`;
    case "not":
      return "must not fit a forbidden form (not)";
    case "uniqueItems":
      return "must not hold an item twice";
    default: {
      const limit = params["limit"] ?? (schema as Record<string, unknown> | undefined)?.[keyword];
      const most = keyword.startsWith("max") ? "most" : "least";
      const unit = keyword.slice(3).replace("Length", "characters").toLowerCase();
      return `must have at ${most} ${String(limit)} ${unit}`;
    }
  }
}
