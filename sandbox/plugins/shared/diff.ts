import { isDeepStrictEqual } from "node:util";
import { type DiffKind, type DiffResult, isMap, UNKNOWN } from "./handler";

/** What differs between two property trees, by Pulumi property path; lists of another length differ as a whole. */
export function detailedDiff(before: unknown, after: unknown): Record<string, DiffKind> {
  const found: Record<string, DiffKind> = {};
  walk(before, after, "", found);
  return found;
}

/** A diff in which the given paths (and what is below them) make the engine replace the resource. */
export function toDiffResult(
  detailed: Record<string, DiffKind>,
  replaces: (path: string) => boolean,
  deleteBeforeReplace = false,
): DiffResult {
  const entries = Object.entries(detailed).map(([path, kind]): [string, DiffKind] => [
    path,
    replaces(path) ? (`${kind}-replace` as DiffKind) : kind,
  ]);
  return { changes: entries.length > 0, detailed: Object.fromEntries(entries), deleteBeforeReplace };
}

function walk(before: unknown, after: unknown, path: string, found: Record<string, DiffKind>): void {
  if (isMap(before) && isMap(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      walk(before[key], after[key], join(path, key), found);
    }
  } else if (Array.isArray(before) && Array.isArray(after)) {
    for (let i = 0; i < Math.max(before.length, after.length); i++) walk(before[i], after[i], `${path}[${i}]`, found);
  } else if (before === undefined && after !== undefined) {
    found[path] = "add";
  } else if (after === undefined && before !== undefined) {
    found[path] = "delete";
  } else if (after === UNKNOWN || !isDeepStrictEqual(before, after)) {
    found[path] = "update";
  }
}

/** Appends a key to a property path, quoted where the path syntax needs it. */
export function join(path: string, key: string): string {
  if (/[."[\]]/.test(key)) return `${path}["${key.replaceAll('"', '\\"')}"]`;
  return path === "" ? key : `${path}.${key}`;
}
