import type { Environment } from "@marcbachmann/cel-js";
import { parseGoDuration } from "./durations";
import { goRegExp, type GoRegExp } from "./go-regexp";

/** An evaluation that fails on the server, too: the object is refused. */
export class RuleTrips extends Error {}

/** An evaluation that cannot be done here. */
export class NotHere extends Error {}

/**
 * Functions that the library has, but that read texts in JavaScript's way; ours are called in their place. Names of
 * functions and of methods.
 */
export const REPLACED: ReadonlyMap<string, string> = new Map(
  ["int", "double", "duration", "timestamp", "matches", "lowerAscii", "upperAscii", "trim"]
    .concat(["indexOf", "lastIndexOf", "substring"])
    .map((name) => [name, `casa_${name}`]),
);

/** Functions of the library that are not what the server has, and that nothing replaces. */
export const UNTRUSTED: ReadonlySet<string> = new Set(["uint", "getDayOfYear", "at", "json", "hex", "base64"]);

/** White space of Unicode, as Go trims it. */
const TRIMMED = /^[\s\u0085]+|[\s\u0085]+$/gu;
const RFC_3339 = /^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
const MOST_INT = 2n ** 63n;

/**
 * Adds functions of Kubernetes' CEL library: those of {@link REPLACED}, and of the extensions for texts, lists and
 * regular expressions. Sources: cel-go's ext/strings.go, apiserver 1.34 pkg/cel/library.
 */
export function addFunctions(environment: Environment): void {
  const add = (signature: string, handler: (...args: never[]) => unknown) =>
    environment.registerFunction(signature, handler as (...args: unknown[]) => unknown);
  conversions(add);
  texts(add);
  regularExpressions(add);
  lists(add);
}

type Add = (signature: string, handler: (...args: never[]) => unknown) => void;

function conversions(add: Add): void {
  add("casa_int(dyn): int", (value: unknown) => {
    if (typeof value === "bigint") return value;
    if (value instanceof Date) return BigInt(Math.floor(value.getTime() / 1000));
    if (typeof value === "number" && Number.isFinite(value) && Math.abs(value) < 2 ** 63)
      return BigInt(Math.trunc(value));
    if (typeof value !== "string" || !/^[+-]?\d+$/.test(value)) throw new RuleTrips();
    const number = BigInt(value.replace("+", ""));
    if (number >= MOST_INT || number < -MOST_INT) throw new RuleTrips();
    return number;
  });
  add("casa_double(dyn): double", (value: unknown) => {
    if (typeof value === "bigint" || typeof value === "number") return Number(value);
    if (typeof value !== "string") throw new RuleTrips();
    if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) return Number(value);
    // Hexadecimal numbers, infinity, underscores: Go's rules are long, and nobody writes these.
    throw /^[+-]?(0x|inf|nan|\d[\d_]*_)/i.test(value) ? new NotHere() : new RuleTrips();
  });
  add("casa_timestamp(dyn): google.protobuf.Timestamp", (value: unknown) => {
    if (value instanceof Date) return value;
    if (typeof value === "bigint") return new Date(Number(value) * 1000);
    const at = typeof value === "string" && RFC_3339.test(value) ? new Date(value) : undefined;
    if (!at || Number.isNaN(at.getTime())) throw new RuleTrips();
    return at;
  });
}

/** `casa_duration` needs the library's own type of durations, which only its own function makes. */
export function addDuration(environment: Environment, make: (text: string) => unknown): void {
  environment.registerFunction("casa_duration(dyn): google.protobuf.Duration", (value: unknown) => {
    if (typeof value !== "string") return value;
    const nanoseconds = parseGoDuration(value);
    if (nanoseconds === undefined) throw new RuleTrips();
    return make(`${nanoseconds}ns`);
  });
}

function texts(add: Add): void {
  const ascii = (text: string, range: RegExp, by: number) =>
    text.replace(range, (letter) => String.fromCharCode(letter.charCodeAt(0) + by));
  add("string.casa_lowerAscii(): string", (text: string) => ascii(text, /[A-Z]/g, 32));
  add("string.casa_upperAscii(): string", (text: string) => ascii(text, /[a-z]/g, -32));
  add("string.casa_trim(): string", (text: string) => text.replace(TRIMMED, ""));
  add("string.casa_indexOf(string): int", (text: string, part: string) => indexOf(text, part, 0n));
  add("string.casa_indexOf(string, int): int", indexOf);
  add("string.casa_lastIndexOf(string): int", (text: string, part: string) => lastIndexOf(text, part));
  add("string.casa_lastIndexOf(string, int): int", lastIndexOf);
  add("string.casa_substring(int): string", (text: string, from: bigint) => substring(text, from));
  add("string.casa_substring(int, int): string", substring);
  add("string.charAt(int): string", (text: string, at: bigint) => {
    const letters = [...text];
    if (at < 0n || at > BigInt(letters.length)) throw new RuleTrips();
    return letters[Number(at)] ?? "";
  });
  add("string.replace(string, string): string", (text: string, old: string, by: string) =>
    text.replaceAll(old, () => by),
  );
  add("string.replace(string, string, int): string", (text: string, old: string, by: string, most: bigint) => {
    let left = most < 0n ? Infinity : Number(most);
    return text.replaceAll(old, () => (left-- > 0 ? by : old));
  });
  add("string.reverse(): string", (text: string) => [...text].reverse().join(""));
}

function indexOf(text: string, part: string, from: bigint): bigint {
  const [letters, wanted, start] = [[...text], [...part], Number(from)];
  if (start < 0 || start > letters.length) throw new RuleTrips();
  for (let at = start; at <= letters.length - wanted.length; at++) {
    if (wanted.every((letter, i) => letters[at + i] === letter)) return BigInt(at);
  }
  return -1n;
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const [letters, wanted] = [[...text], [...part]];
  const start = from === undefined ? letters.length : Number(from);
  if (start < 0 || start > letters.length) throw new RuleTrips();
  for (let at = Math.min(start, letters.length - wanted.length); at >= 0; at--) {
    if (wanted.every((letter, i) => letters[at + i] === letter)) return BigInt(at);
  }
  return -1n;
}

function substring(text: string, from: bigint, to?: bigint): string {
  const letters = [...text];
  const end = to === undefined ? letters.length : Number(to);
  if (from < 0n || Number(from) > end || end > letters.length) throw new RuleTrips();
  return letters.slice(Number(from), end).join("");
}

function regularExpressions(add: Add): void {
  add("string.casa_matches(string): bool", (text: string, pattern: string) => expression(pattern).test(text));
  add("string.find(string): string", (text: string, pattern: string) => expression(pattern).findAll(text)[0] ?? "");
  const all = (text: string, pattern: string) => expression(pattern).findAll(text);
  add("string.findAll(string): list<string>", all);
  add("string.findAll(string, int): list<string>", (text: string, pattern: string, most: bigint) =>
    all(text, pattern).slice(0, most < 0n ? undefined : Number(most)),
  );
}

function expression(pattern: string): GoRegExp {
  const found = goRegExp(pattern);
  if (!found) throw new NotHere();
  return found;
}

type Comparable = bigint | number | string | Date;

function lists(add: Add): void {
  add("list.isSorted(): bool", (list: Comparable[]) =>
    list.every((item, i) => i === 0 || (list[i - 1] ?? item) <= item),
  );
  add("list.min(): dyn", (list: Comparable[]) => best(list, (one, other) => one < other));
  add("list.max(): dyn", (list: Comparable[]) => best(list, (one, other) => one > other));
  add("list.sum(): dyn", (list: unknown[]) => {
    if (list.length > 0 && list.every((item) => typeof item === "bigint")) {
      const sum = list.reduce((one, other) => one + other, 0n);
      if (sum >= MOST_INT || sum < -MOST_INT) throw new RuleTrips();
      return sum;
    }
    // The sum of nothing has a type that only the schema knows, and durations have an addition of their own.
    if (list.length === 0 || !list.every((item) => typeof item === "number")) throw new NotHere();
    return list.reduce((one, other) => one + other, 0);
  });
}

function best(list: readonly Comparable[], isBetter: (one: Comparable, other: Comparable) => boolean): Comparable {
  const [first, ...rest] = list;
  if (first === undefined) throw new RuleTrips();
  return rest.reduce((found, item) => (isBetter(item, found) ? item : found), first);
}
