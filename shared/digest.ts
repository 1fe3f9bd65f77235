import { createHash } from "node:crypto";

/** Canonical JSON: the same text whatever order the keys came in. `undefined` members are dropped. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, at: unknown) => {
    if (typeof at !== "object" || at === null || Array.isArray(at)) return at;
    return Object.fromEntries(Object.entries(at).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

/** First 16 hexadecimal digits of the SHA-256 of a value's canonical JSON: short enough for an annotation. */
export function shortDigest(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex").slice(0, 16);
}
