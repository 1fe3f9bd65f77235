import { isDeepStrictEqual } from "node:util";
import { formatCheck } from "./formats";
import { goRegExp } from "./go-regexp";
import { isNullable, type SchemaNode } from "./structural";

/** One thing that a value must fulfil; what JSON Schema says in the same way as the API server is not among them. */
export interface ValueRule {
  /** What is wrong when it does not, without the value. */
  text: string;
  /** Undefined: cannot be said here. */
  fits: (value: unknown) => boolean | undefined;
}

/** Whole numbers from here on are no integers for the server. */
const BEYOND_INT64 = 2 ** 63;
/** Of a number that is whole but for the error of floating-point arithmetic (go-openapi/swag). */
const EPSILON = 1e-9;

/**
 * The rules of one schema node that the server (kube-openapi, pkg/validation/validate) judges in its own way: types,
 * where formats matter, too; enum; limits of numbers, where those for whole numbers are cut to whole ones; patterns of
 * Go.
 */
export function valueRules(node: SchemaNode): ValueRule[] {
  return [...typeRule(node), ...enumRule(node), ...limitRules(node), ...patternRule(node), ...formatRule(node)];
}

/** Type names that a value may have; undefined where any type is fine. */
function typesOf(node: SchemaNode): string[] | undefined {
  const type = node["type"];
  if (node["x-kubernetes-int-or-string"] === true) return ["integer", "string"];
  const known = formatCheck(node["format"]) !== undefined;
  if (typeof type !== "string" || type === "") return known ? ["string"] : undefined;
  return known && type !== "string" && type !== "integer" && type !== "number" ? [type, "string"] : [type];
}

function typeRule(node: SchemaNode): ValueRule[] {
  const types = typesOf(node);
  if (types === undefined) return [];
  const isTyped = node["type"] !== undefined || node["x-kubernetes-int-or-string"] === true;
  const takesNull = isNullable(node) || !isTyped;
  // The server lets lists pass where a format of texts is wanted.
  const takesLists =
    formatCheck(node["format"]) !== undefined && !types.includes("integer") && !types.includes("number");
  const fits = (value: unknown) => {
    if (value === null) return takesNull;
    if (Array.isArray(value)) return takesLists || types.includes("array");
    return types.some((type) => isOfType(value, type));
  };
  return [{ text: `must be ${types.join(" or ")}`, fits }];
}

function isOfType(value: unknown, type: string): boolean {
  if (type === "integer") return typeof value === "number" && isWhole(value);
  return type === "object" ? typeof value === "object" && value !== null : typeof value === type;
}

function isWhole(value: number): boolean {
  if (Number.isInteger(value)) return Math.abs(value) < BEYOND_INT64;
  const below = Math.trunc(value);
  return below > 0 && (value - below) / (value + below) < EPSILON;
}

function enumRule(node: SchemaNode): ValueRule[] {
  const allowed: unknown = node["enum"];
  if (!Array.isArray(allowed) || allowed.length === 0) return [];
  const words = allowed.map((one) => (typeof one === "string" ? one : JSON.stringify(one)));
  // A null is no value of an enum, even if the enum lists it; a number is cut to the kind of number in the enum.
  const fits = (value: unknown) =>
    value !== null &&
    allowed.some((one) =>
      typeof one === "number" && typeof value === "number" && Number.isInteger(one)
        ? Math.trunc(value) === one
        : isDeepStrictEqual(one, value),
    );
  return [{ text: `must be one of ${words.join(", ")}`, fits }];
}

function limitRules(node: SchemaNode): ValueRule[] {
  const { minimum, maximum, multipleOf } = node;
  const rules: ValueRule[] = [];
  const rule = (text: string, fits: (value: number, limit: (given: number) => number) => boolean) =>
    rules.push({
      text,
      fits: (value) =>
        typeof value !== "number" || fits(value, (given) => (Number.isInteger(value) ? Math.trunc(given) : given)),
    });
  if (typeof maximum === "number") {
    if (node["exclusiveMaximum"] === true) rule(`must be below ${maximum}`, (value, cut) => value < cut(maximum));
    else rule(`must be at most ${maximum}`, (value, cut) => value <= cut(maximum));
  }
  if (typeof minimum === "number") {
    if (node["exclusiveMinimum"] === true) rule(`must be above ${minimum}`, (value, cut) => value > cut(minimum));
    else rule(`must be at least ${minimum}`, (value, cut) => value >= cut(minimum));
  }
  if (typeof multipleOf === "number") {
    rule(`must be a multiple of ${multipleOf}`, (value, cut) => isMultiple(value, cut(multipleOf)));
  }
  return rules;
}

function isMultiple(value: number, factor: number): boolean {
  if (factor <= 0) return false;
  if (Number.isInteger(value)) return value % factor === 0;
  return isWhole(factor < 1 ? (1 / factor) * value : value / factor);
}

function patternRule(node: SchemaNode): ValueRule[] {
  const { pattern } = node;
  if (typeof pattern !== "string" || pattern === "") return [];
  const found = goRegExp(pattern);
  return [{ text: `must match ${pattern}`, fits: (value) => (typeof value === "string" ? found?.test(value) : true) }];
}

function formatRule(node: SchemaNode): ValueRule[] {
  const check = formatCheck(node["format"]);
  if (!check) return [];
  const text = `must be a ${String(node["format"])}`;
  return [{ text, fits: (value) => (typeof value === "string" ? check(value) : true) }];
}
