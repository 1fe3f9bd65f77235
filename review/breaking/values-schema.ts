import { Ajv, type ErrorObject } from "ajv";
import { Ajv2019 } from "ajv/dist/2019";
import { Ajv2020 } from "ajv/dist/2020";
import type { ChartDependency, ChartPackage } from "../../helm/chart-package";
import { dig, isMap } from "../../kubernetes/objects";
import type { Values } from "../../config/values";

/** One place where the values break a chart's values.schema.json. Nothing of it holds a value. */
export interface SchemaProblem {
  /** Keys and list positions from the top of the parent chart's values. */
  path: string[];
  kind: "required" | "additional" | "invalid";
  /** What the schema says, e.g. `must be integer`. */
  text: string;
}

/**
 * Checks the values as helm does before it renders: each enabled chart's own values, defaults merged in, against its
 * values.schema.json. `format` and references to other files are not checked (helm does, when it renders), and a schema
 * that cannot be compiled here is passed over.
 *
 * @param values what the user configured, merged.
 */
export function schemaProblems(chart: ChartPackage, values: Values): SchemaProblem[] {
  return problemsOf(chart, coalesce(chart.defaults, values), []);
}

function problemsOf(chart: ChartPackage, values: Values, path: readonly string[]): SchemaProblem[] {
  const own = chart.schema === undefined ? [] : violations(chart.schema, values);
  const below = chart.dependencies.flatMap((dependency) => {
    if (!dependency.chart || !isEnabled(dependency, values)) return [];
    const inside = values[dependency.key];
    const given = isMap(inside) ? inside : {};
    // helm hands the parent's globals down, and every subchart has a map of them.
    const global = coalesce(asMap(given["global"]), asMap(values["global"]));
    return problemsOf(dependency.chart, { ...given, global }, [...path, dependency.key]);
  });
  return [...own.map((problem) => ({ ...problem, path: [...path, ...problem.path] })), ...below];
}

/** Puts values over defaults as helm does: a null takes a default away, and stays where there is none. */
function coalesce(defaults: Values, values: Values): Values {
  const merged = { ...defaults };
  for (const [key, value] of Object.entries(values)) {
    const old = merged[key];
    if (value === null && key in merged) delete merged[key];
    else merged[key] = isMap(old) && isMap(value) ? coalesce(old, value) : value;
  }
  return merged;
}

/** helm: the first condition that holds a boolean decides, else the tags, else a subchart is on. */
function isEnabled(dependency: ChartDependency, values: Values): boolean {
  for (const condition of dependency.conditions) {
    const value = dig(values, ...condition);
    if (typeof value === "boolean") return value;
  }
  const tags = dependency.tags.map((tag) => dig(values, "tags", tag)).filter((value) => typeof value === "boolean");
  return tags.length === 0 || tags.includes(true);
}

function violations(schema: unknown, values: Values): SchemaProblem[] {
  if (!isMap(schema) && typeof schema !== "boolean") return [];
  const dialect = isMap(schema) && typeof schema["$schema"] === "string" ? schema["$schema"] : "";
  const Dialect = dialect.includes("2020-12") ? Ajv2020 : dialect.includes("2019-09") ? Ajv2019 : Ajv;
  // Go's regular expressions are not JavaScript's Unicode ones; without the flag more of them are understood.
  const ajv = new Dialect({
    allErrors: true,
    strict: false,
    validateFormats: false,
    logger: false,
    unicodeRegExp: false,
  });
  try {
    const validate = ajv.compile(isMap(schema) ? asMap(portable(schema, dialect.includes("draft-04"))) : schema);
    return validate(values) ? [] : telling(validate.errors ?? []).map(problemOf);
  } catch {
    return [];
  }
}

/** Keywords whose content is data and no schema. */
const DATA = new Set(["enum", "const", "default", "examples"]);

/**
 * The schema without what this validator cannot do: ids and references to other files, regular expressions of Go's
 * alone, and draft-04's boolean limits put as today's.
 */
function portable(schema: unknown, isDraft4: boolean, isSchema = true): unknown {
  if (Array.isArray(schema)) return schema.map((part) => portable(part, isDraft4, isSchema));
  if (!isMap(schema)) return schema;
  const copy: Values = {};
  for (const [key, value] of Object.entries(schema)) {
    if (isSchema && isUnsupported(key, value)) continue;
    const namesBelow = isSchema && /^(?:properties|patternProperties|definitions|\$defs|dependentSchemas)$/.test(key);
    copy[key] = isSchema && DATA.has(key) ? value : portable(value, isDraft4, !namesBelow);
  }
  for (const [limit, bound] of isSchema && isDraft4 ? DRAFT4_LIMITS : []) {
    if (copy[limit] === true) copy[limit] = copy[bound];
    else if (copy[limit] === false) delete copy[limit];
  }
  return copy;
}

const DRAFT4_LIMITS = [
  ["exclusiveMinimum", "minimum"],
  ["exclusiveMaximum", "maximum"],
] as const;

function isUnsupported(key: string, value: unknown): boolean {
  if (typeof value !== "string") return false;
  if (key === "$schema" || key === "$id" || key === "id") return true;
  if (key === "$ref") return !value.startsWith("#");
  return key === "pattern" && !isRegExp(value);
}

function isRegExp(pattern: string): boolean {
  try {
    return new RegExp(pattern) instanceof RegExp;
  } catch {
    return false;
  }
}

/**
 * Leaves out what follows from another error: the branches that an anyOf tried, and an `if` whose `then` is reported.
 */
function telling(errors: ErrorObject[]): ErrorObject[] {
  const branching = errors.filter(({ keyword }) => keyword === "anyOf" || keyword === "oneOf");
  return errors.filter(
    (error) =>
      error.keyword !== "if" && !branching.some(({ schemaPath }) => error.schemaPath.startsWith(`${schemaPath}/`)),
  );
}

function problemOf(error: ErrorObject): SchemaProblem {
  const path = error.instancePath.split("/").slice(1).map(unescapePointer);
  const params = error.params as Record<string, unknown>;
  const text = error.message ?? "is not allowed";
  const missing = params["missingProperty"];
  if (error.keyword === "required" && typeof missing === "string") {
    return { path: [...path, missing], kind: "required", text: "must be set" };
  }
  const additional = params["additionalProperty"] ?? params["unevaluatedProperty"];
  if (typeof additional === "string") return { path: [...path, additional], kind: "additional", text };
  if (error.keyword === "enum")
    return { path, kind: "invalid", text: `must be one of ${listed(params["allowedValues"])}` };
  return { path, kind: "invalid", text };
}

/** The allowed values stand in the chart, so they are no secrets; the user's value is never shown. */
function listed(allowed: unknown): string {
  const all = Array.isArray(allowed) ? allowed.map((value) => JSON.stringify(value)) : [];
  return all.length > 10 ? `${all.slice(0, 10).join(", ")} …` : all.join(", ");
}

function unescapePointer(step: string): string {
  return step.replaceAll("~1", "/").replaceAll("~0", "~");
}

function asMap(value: unknown): Values {
  return isMap(value) ? value : {};
}
