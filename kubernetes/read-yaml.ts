import { FAILSAFE_SCHEMA, load, Type } from "js-yaml";
import { parseDocument } from "yaml";
import { FLOAT, INTEGER, KUBE_YAML, toFloat, toInteger } from "./kube-yaml";

const TRUE = /^(?:[Yy]|[Yy]es|YES|[Tt]rue|TRUE|[Oo]n|ON)$/;
const FALSE = /^(?:[Nn]|[Nn]o|NO|[Ff]alse|FALSE|[Oo]ff|OFF)$/;
const NULL = /^(?:~|[Nn]ull|NULL)?$/;

function scalar(tag: string, is: (text: string) => boolean, value: (text: string) => unknown): Type {
  return new Type(`tag:yaml.org,2002:${tag}`, {
    kind: "scalar",
    resolve: (text: unknown) => is(typeof text === "string" ? text : ""),
    construct: (text: unknown) => value(typeof text === "string" ? text : ""),
  });
}

/** The rules of {@link KUBE_YAML}, for `js-yaml`. */
const SCHEMA = FAILSAFE_SCHEMA.extend({
  implicit: [
    scalar(
      "null",
      (text) => NULL.test(text),
      () => null,
    ),
    scalar(
      "bool",
      (text) => TRUE.test(text) || FALSE.test(text),
      (text) => TRUE.test(text),
    ),
    scalar("int", (text) => INTEGER.test(text), toInteger),
    scalar("float", (text) => FLOAT.test(text), toFloat),
    new Type("tag:yaml.org,2002:merge", { kind: "scalar", resolve: (text: unknown) => text === "<<" }),
  ],
  // A text in base64 is the text: JSON, which everything becomes, knows no bytes.
  explicit: [
    scalar(
      "binary",
      () => true,
      (text) => Buffer.from(text, "base64").toString("utf8"),
    ),
  ],
});

/** What was read before, by its text: charts are rendered several times, and most of it comes out the same. */
const known = new Map<string, unknown>();
/** Texts that are remembered. */
const MOST_TEXTS = 20_000;

/**
 * Reads one YAML document as helm and Kubernetes do: version 1.1, the last of repeated keys counts. What comes back is
 * frozen, since who reads the same text gets the same value.
 *
 * @throws Error in the words of the `yaml` package.
 */
export function readYaml(text: string): unknown {
  if (known.has(text)) return known.get(text);
  if (known.size >= MOST_TEXTS) known.clear();
  const value = freeze(fastOrExact(text));
  known.set(text, value);
  return value;
}

/** `js-yaml` takes a twentieth of the time; where it stumbles, the exact one has the last word. */
function fastOrExact(text: string): unknown {
  try {
    return load(text, { schema: SCHEMA, json: true }) ?? null;
  } catch {
    return readExactly(text);
  }
}

/** A text is no YAML. Quotes nothing of it: it may hold passwords. */
export class NoYaml extends Error {}

/**
 * The first document of a file, as helm reads value files and the files of a chart; what comes after it counts for
 * nothing. Undefined when there is none.
 *
 * @throws NoYaml
 */
export function readFirstDocument(text: string): unknown {
  const first = firstDocument(text);
  const value = firstOf(first);
  if (expandedSize(value) > MOST_VALUES) throw new NoYaml("it is not valid YAML (its aliases stand for too much)");
  return value;
}

function firstOf(first: string): unknown {
  try {
    return load(first, { schema: SCHEMA, json: true }) ?? undefined;
  } catch {
    const doc = parseDocument(first, { ...KUBE_YAML, prettyErrors: false, uniqueKeys: false });
    const error = doc.errors[0];
    if (error) {
      const line = first.slice(0, error.pos[0]).split("\n").length;
      throw new NoYaml(`line ${line} is not valid YAML (${error.code.toLowerCase().replaceAll("_", " ")})`);
    }
    try {
      return doc.toJS() ?? undefined;
    } catch {
      throw new NoYaml("it is not valid YAML (aliases)");
    }
  }
}

/** Values in a document with each alias written out, as helm bounds them (go-yaml's limit for aliases). */
const MOST_VALUES = 4_000_000;

/** Infinite where an alias stands for something that it is in. */
function expandedSize(value: unknown, known = new Map<object, number>()): number {
  if (typeof value !== "object" || value === null) return 1;
  const size = known.get(value);
  if (size !== undefined) return size;
  known.set(value, Infinity);
  const sum = Object.values(value).reduce((total: number, one) => total + expandedSize(one, known), 1);
  known.set(value, sum);
  return sum;
}

/** With what stands before it, so that lines keep their numbers. A marker at the start of a line is one anywhere. */
function firstDocument(text: string): string {
  for (const { 0: marker, index } of text.matchAll(/^(?:---|\.\.\.)(?=\s|$)/gm)) {
    const onlyComments = /^\uFEFF?(?:\s*(?:[#%].*)?(?:\r?\n|$))*$/.test(text.slice(0, index));
    if (!(onlyComments && marker === "---")) return text.slice(0, index);
  }
  return text;
}

/** The same by the `yaml` package, which says best what is wrong. @throws Error */
export function readExactly(text: string): unknown {
  const doc = parseDocument(text, { ...KUBE_YAML, uniqueKeys: false });
  const error = doc.errors[0];
  if (error) throw error;
  return doc.toJS();
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
  return value;
}
