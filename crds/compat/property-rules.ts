import { canonicalJson } from "../../shared/digest";
import type { Change, SharedRuleId } from "./rules";
import type { SchemaNode } from "./schema-tree";

/** Compares the same field in two schemas; its nested fields are none of its business. */
type PropertyRule = (before: SchemaNode, after: SchemaNode) => Change | undefined;

/** Names of the shared rules that look at one field; each but `unhandled` is the keyword that it judges. */
export type PropertyRuleId = Exclude<SharedRuleId, "scope" | "existingFieldRemoval" | "storedVersionRemoval">;

const anyChange =
  (keyword: string): PropertyRule =>
  (before, after) =>
    differ(before[keyword], after[keyword])
      ? { words: keyword, before: before[keyword], after: after[keyword] }
      : undefined;

const limit =
  (keyword: string, isTighter: (older: number, newer: number) => boolean): PropertyRule =>
  (before, after) => {
    const [older, newer] = [before[keyword], after[keyword]];
    if (typeof newer !== "number") return undefined;
    if (typeof older !== "number") return { words: keyword, after: newer };
    return isTighter(older, newer) ? { words: keyword, before: older, after: newer } : undefined;
  };
const upper = (keyword: string) => limit(keyword, (older, newer) => newer < older);
const lower = (keyword: string) => limit(keyword, (older, newer) => newer > older);

const RULES: Record<PropertyRuleId, PropertyRule> = {
  type: anyChange("type"),
  enum: enumRule,
  required: requiredRule,
  default: anyChange("default"),
  nullable: (before, after) => {
    if (before["nullable"] === after["nullable"]) return undefined;
    return { words: after["nullable"] ? "null becomes allowed" : "null is no longer allowed" };
  },
  pattern: anyChange("pattern"),
  description: anyChange("description"),
  maximum: upper("maximum"),
  minimum: lower("minimum"),
  maxLength: upper("maxLength"),
  minLength: lower("minLength"),
  maxItems: upper("maxItems"),
  minItems: lower("minItems"),
  maxProperties: upper("maxProperties"),
  minProperties: lower("minProperties"),
  unhandled: unhandledRule,
};

/** All rules of one field. Each can find something in a field that is removed: that is like one without any keyword. */
export const PROPERTY_RULES = Object.keys(RULES) as PropertyRuleId[];

/**
 * Removing the list of allowed values altogether is reported as removed values, as crdify does, although it only
 * loosens.
 */
function enumRule(before: SchemaNode, after: SchemaNode): Change | undefined {
  const [older, newer] = [texts(before["enum"]), texts(after["enum"])];
  if (older.size === 0 && newer.size > 0)
    return { words: `allowed values are listed for the first time: ${list(newer)}` };
  const gone = new Set([...older].filter((value) => !newer.has(value)));
  if (gone.size > 0) return { words: `allowed values are removed: ${list(gone)}` };
  const added = new Set([...newer].filter((value) => !older.has(value)));
  return added.size > 0 ? { words: `allowed values are added: ${list(added)}` } : undefined;
}

/**
 * The names are sorted. crdify has them in random order in its text, and compares texts to know whether a finding
 * between two served versions is an old one: with two names or more it calls an old finding new in some of its runs.
 */
function requiredRule(before: SchemaNode, after: SchemaNode): Change | undefined {
  const older = texts(before["required"]);
  const added = new Set([...texts(after["required"])].filter((name) => !older.has(name)));
  return added.size > 0 ? { words: `newly required: ${list(added)}` } : undefined;
}

/** Judged by the rule of a nested field, or of the keyword's own. */
const HANDLED = new Set(["properties", "items", ...Object.keys(RULES)]);

/**
 * A changed schema in `additionalProperties`, `allOf`, `not` and so on is reported here too, at the field above it,
 * because crdify leaves only `properties` and `items` out when it looks for other changes.
 */
function unhandledRule(before: SchemaNode, after: SchemaNode): Change | undefined {
  const keywords = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (keyword) => !HANDLED.has(keyword) && differ(before[keyword], after[keyword]),
  );
  if (keywords.length === 0) return undefined;
  const [first = ""] = keywords;
  if (keywords.length === 1) return { words: first, before: before[first], after: after[first] };
  const pick = (node: SchemaNode) => Object.fromEntries(keywords.map((keyword) => [keyword, node[keyword]]));
  return { words: keywords.join(", "), before: pick(before), after: pick(after) };
}

/** What each of the rules finds in one field; `after` is the empty node where the field is gone. */
export function compareNode(before: SchemaNode, after: SchemaNode): [PropertyRuleId, Change][] {
  return (Object.keys(RULES) as PropertyRuleId[]).flatMap((rule) => {
    const change = RULES[rule](before, after);
    return change ? [[rule, change]] : [];
  });
}

function differ(before: unknown, after: unknown): boolean {
  return canonicalJson(before) !== canonicalJson(after);
}

/** The elements of a list as text that is equal for equal elements. */
function texts(value: unknown): Set<string> {
  return new Set(Array.isArray(value) ? value.map(canonicalJson) : []);
}

function list(values: Set<string>): string {
  return [...values].sort().join(", ");
}
