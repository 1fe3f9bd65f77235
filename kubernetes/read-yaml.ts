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
