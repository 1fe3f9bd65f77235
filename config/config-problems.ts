import { distance } from "fastest-levenshtein";
import type { z } from "zod";
import { exampleLine, keyText, removeLine } from "./config-commands";
import { allKeys, type KeySchema, keysOf, schemaAt } from "./config-schema";

type Path = readonly PropertyKey[];

const LONGEST_VALUE = 80;

/** One problem for the user: the key, what is wrong, the line that fixes it. */
export function problem(path: Path, what: string, fix: string): string {
  return `- ${keyText(path)}: ${what}.\n    Fix: ${fix}`;
}

/** One text per problem: key, value (a secret one is never shown), what is allowed, and the line that fixes it. */
export function describeProblems(
  issues: readonly z.core.$ZodIssue[],
  raw: unknown,
  secretKeys: readonly string[],
): string[] {
  const texts = issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => unknownKey(issue.path, key))
      : [wrongValue(issue.path, raw, secretKeys, hintOf(issue))],
  );
  // A value can break two rules at once (too long and misspelt); the text is the same then.
  return [...new Set(texts)];
}

/** Never says the value: a misspelt `secretValues` is an unknown key too. */
function unknownKey(above: Path, key: string): string {
  const path = [...above, key];
  const near = nearestKey(above, key);
  const known = Object.keys(keysOf(schemaAt(above))).join(", ");
  const hint = near ? `the nearest one is "${near}"` : `known keys here: ${known}`;
  return problem(path, `is not a key of this project; ${hint}`, removeLine(path));
}

/**
 * The known key that was probably meant, here or elsewhere in the schema (`maxConcurrent` for
 * `restarts.maxConcurrent`).
 */
function nearestKey(above: Path, key: string): string | undefined {
  const isHere = (path: string[]) => keyText(path.slice(0, -1)) === keyText(above);
  const candidates = allKeys()
    .map((path) => ({ path, off: distance(key.toLowerCase(), (path.at(-1) ?? "").toLowerCase()), here: isHere(path) }))
    .filter(({ off, here }) => off <= (here ? Math.max(1, Math.floor(key.length / 3)) : 1))
    .sort((a, b) => a.off - b.off || Number(b.here) - Number(a.here));
  return candidates[0] && keyText(candidates[0].path);
}

/** What a check of ours adds to "is not allowed", after its first sentence: the name that was probably meant. */
function hintOf(issue: z.core.$ZodIssue): string {
  const hint = issue.code === "custom" ? issue.message.split("; ")[1] : undefined;
  return hint ? `; ${hint}` : "";
}

function wrongValue(path: Path, raw: unknown, secretKeys: readonly string[], hint: string): string {
  const node = schemaAt(path);
  const value = valueAt(raw, path);
  const set = value !== undefined && value !== "";
  const shown = set ? `is ${shownValue(path, value, secretKeys)}` : "is not set";
  const line = exampleLine(path, exampleFor(path, node), path[0] === "secretValues");
  const fix = set && outlives(path, value, node) ? `${removeLine(path)} && ${line}` : line;
  return problem(path, `${shown}${hint}; allowed: ${allowedText(node)}`, fix);
}

/** Whether setting the key would not be enough: the CLI sets nothing below text, and keeps text in a map text. */
function outlives(path: Path, value: unknown, node: KeySchema | undefined): boolean {
  if (node?.type === "object" || node?.type === "array") return true;
  return path.length > 1 && typeof value === "string" && node?.type !== "string";
}

/** A value as a message may show it: no secret, no password of a URL, no chart values, and nothing long. */
export function shownValue(path: Path, value: unknown, secretKeys: readonly string[]): string {
  const key = String(path[0]);
  if (secretKeys.includes(key)) return "[secret]";
  // Chart values may hold passwords even when nobody marked them.
  if (key === "values") return Array.isArray(value) ? "a list" : `a ${typeof value}`;
  const text = JSON.stringify(value).replace(/(:\/\/)[^/@\s]*@/g, "$1[secret]@");
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}

/** What a key allows, in words. */
export function allowedText(node: KeySchema | undefined): string {
  if (node?.allowed) return node.allowed;
  if (node?.enum) return node.enum.map(String).join(" or ");
  if (node?.type === "integer") return `a whole number from ${node.minimum} to ${node.maximum}`;
  if (node?.type === "boolean") return "true or false";
  if (node?.type === "array") return "a list";
  return node?.type === "object" ? "a map" : "text";
}

function exampleFor(path: Path, node: KeySchema | undefined): unknown {
  if (node?.enum) return node.default;
  if (typeof path.at(-1) !== "number") return node?.example ?? node?.default;
  const list = schemaAt(path.slice(0, -1))?.example;
  return Array.isArray(list) ? list[0] : undefined;
}

function valueAt(raw: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, step) => (typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[step] : undefined),
    raw,
  );
}
