import type { DocumentOptions, ParseOptions, ScalarTag, SchemaOptions, ToJSOptions } from "yaml";

/** Whole numbers as Go writes them: `0x1f`, `0o17`, `0b101`, octal `017`, `1_000`. */
export const INTEGER =
  /^[-+]?(?:0[xX][_0-9a-fA-F]*[0-9a-fA-F]_*|0[bB][_01]*[01]_*|0[oO][_0-7]*[0-7]_*|0[_0-7]*|[1-9][0-9_]*)$/;

/** The value of an {@link INTEGER}. */
export function toInteger(text: string): number {
  const [, sign, digits = ""] = /^([-+]?)(.*)$/.exec(text.replaceAll("_", "")) ?? [];
  const octal = /^0[0-7]+$/.test(digits);
  return Number(octal ? `0o${digits.slice(1)}` : digits) * (sign === "-" ? -1 : 1);
}

/** Other numbers; whole ones are {@link INTEGER}. */
export const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9][0-9_]*)?$/;

/** The value of a {@link FLOAT}. */
export function toFloat(text: string): number {
  return Number(text.replaceAll("_", ""));
}

const integer: ScalarTag = { tag: "tag:yaml.org,2002:int", default: true, test: INTEGER, resolve: toInteger };
const float: ScalarTag = { tag: "tag:yaml.org,2002:float", default: true, test: FLOAT, resolve: toFloat };

const OWN_OR_UNREAD = ["int", "float", "timestamp", "binary"].map((name) => `tag:yaml.org,2002:${name}`);

/**
 * Options for the `yaml` package that read a text as helm and Kubernetes do (Go's YAML library of version 1.1: `yes` is
 * a boolean). The package's own 1.1 rules differ where it hurts: `e1234567` (a commit) would be no number at all,
 * `1:30` would be 90, and dates would become points in time.
 */
export const KUBE_YAML: ParseOptions & DocumentOptions & SchemaOptions & ToJSOptions = {
  version: "1.1",
  customTags: (tags) => [
    ...tags.filter((tag) => typeof tag === "string" || !OWN_OR_UNREAD.includes(tag.tag)),
    integer,
    float,
  ],
};
