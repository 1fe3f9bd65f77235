import { isDeepStrictEqual } from "node:util";

/** A value as data: maps and lists may come as JSON text, from `pulumi config` and where they were set so. */
export function valueOf(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/**
 * Whether a value is the project's default for its key; the engine records a default as text where it is no map or
 * list.
 */
export function isDefault(value: unknown, byDefault: unknown): boolean {
  if (byDefault === undefined) return false;
  const text = typeof byDefault === "string" ? byDefault : JSON.stringify(byDefault);
  return value === text || isDeepStrictEqual(value, byDefault);
}
