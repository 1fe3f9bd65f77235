import { isMap } from "../../kubernetes/objects";
import { parseGoDuration, parseWordDuration } from "./durations";
import { fieldOf, itemsOf, propertiesOf, propertyOf, isEmbedded, type SchemaNode } from "./structural";

/** CEL's reserved words; a field of such a name is written `__word__` in a rule. */
const RESERVED = new Set([
  ...["true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"],
  ...["let", "loop", "package", "namespace", "return", "var", "void", "while"],
]);
const TEXT = { type: "string" };

/** The fields that rules at the root of an object see even when the schema does not name them. */
const ROOT_FIELDS: Readonly<Record<string, SchemaNode>> = {
  apiVersion: TEXT,
  kind: TEXT,
  metadata: { type: "object", properties: { name: TEXT, generateName: TEXT } },
};

/** The schema of an object's root as rules see it. */
export function asRoot(node: SchemaNode): SchemaNode {
  return { ...node, properties: { ...propertiesOf(node), ...ROOT_FIELDS } };
}

/**
 * A value as CEL types it by the schema: whole numbers are integers, times are timestamps, odd names are escaped. A
 * null in an object's field is the same as none. Source: apiserver 1.34, pkg/cel/common/valuesunstructured.go.
 *
 * @param duration makes CEL's duration of a Go duration.
 */
export function celValue(value: unknown, given: SchemaNode | undefined, duration: (text: string) => unknown): unknown {
  const node = given && isEmbedded(given) ? asRoot(given) : given;
  if (Array.isArray(value)) return value.map((item) => celValue(item, itemsOf(node), duration));
  if (isMap(value)) {
    const isObject = node?.["properties"] !== undefined;
    const entries = Object.entries(value).flatMap(([key, at]) => {
      if (isObject && (at === null || !propertyOf(node, key))) return [];
      return [[isObject ? escaped(key) : key, celValue(at, fieldOf(node, key), duration)] as const];
    });
    return Object.fromEntries(entries);
  }
  if (typeof value === "number" && Number.isInteger(value) && node?.["type"] !== "number") return BigInt(value);
  if (typeof value === "string" && node?.["type"] === "string") return celText(value, node["format"], duration);
  return value;
}

function celText(text: string, format: unknown, duration: (text: string) => unknown): unknown {
  switch (format) {
    case "date":
    case "date-time":
      return new Date(text);
    case "duration":
      return duration(`${parseGoDuration(text) ?? parseWordDuration(text) ?? 0}ns`);
    case "byte":
      return new Uint8Array(Buffer.from(text, "base64"));
    default:
      return text;
  }
}

function escaped(name: string): string {
  if (RESERVED.has(name)) return `__${name}__`;
  return name
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
}

/** The field that a rule names. */
export function unescaped(name: string): string {
  const word = /^__(\w+)__$/.exec(name)?.[1];
  if (word !== undefined && RESERVED.has(word)) return word;
  return name
    .replaceAll("__dot__", ".")
    .replaceAll("__dash__", "-")
    .replaceAll("__slash__", "/")
    .replaceAll("__underscores__", "__");
}
