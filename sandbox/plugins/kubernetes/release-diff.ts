import { isDeepStrictEqual } from "node:util";
import { detailedDiff, join, toDiffResult } from "../shared/diff";
import { type DiffKind, type DiffResult, isMap, type Properties, UNKNOWN } from "../shared/handler";

/** Helm cannot rename or move a release. */
const REPLACING = ["name", "namespace"];

/** Inputs that older versions of the official provider kept; they are no difference. */
const RETIRED = ["checksum", "resourceNames", "__inputs"];

/**
 * What an update would change, as a three-way comparison: what the program wants now against what is known of the
 * release, while a key that is gone is deleted only if the program had set it. The chart itself is not looked at:
 * templates edited without a new version go unseen, as with the official provider.
 */
export function releaseDiff(
  oldInputs: Properties,
  state: Properties,
  news: Properties,
  ignoreChanges: string[] = [],
): DiffResult {
  const before = Object.fromEntries(Object.entries(oldInputs).filter(([key]) => !RETIRED.includes(key)));
  const wanted = ignoreChanges.includes("version") ? { ...news, version: state["version"] } : news;
  const found: Record<string, DiffKind> = {};
  compareMaps(before, state, wanted, "", found);
  return toDiffResult(found, (path) => REPLACING.includes(path));
}

function compareMaps(
  before: Properties,
  live: Properties,
  wanted: Properties,
  path: string,
  found: Record<string, DiffKind>,
): void {
  for (const key of new Set([...Object.keys(before), ...Object.keys(wanted)])) {
    compare(before[key], live[key], wanted[key], join(path, key), found);
  }
}

function compare(before: unknown, live: unknown, wanted: unknown, path: string, found: Record<string, DiffKind>): void {
  if (wanted === undefined) {
    if (before !== undefined && live !== undefined) found[path] = "delete";
  } else if (live === undefined) {
    found[path] = "add";
  } else if (isMap(live) && isMap(wanted)) {
    compareMaps(isMap(before) ? before : {}, live, wanted, path, found);
  } else if (Array.isArray(live) && Array.isArray(wanted)) {
    for (const [below, kind] of Object.entries(detailedDiff(live, wanted))) found[path + below] = kind;
  } else if (wanted === UNKNOWN || !isDeepStrictEqual(live, wanted)) {
    found[path] = "update";
  }
}
