import { isMap } from "../../kubernetes/objects";
import { mergeKey } from "./merge-keys";

/**
 * The first list of a built-in kind in which two items have the same merge key and which helm would have to change, in
 * words; undefined when there is none.
 *
 * helm patches such lists by their key: of `53/TCP` and `53/UDP` it keeps one without a word, and a rollback fails
 * (seen with helm 3.22 on a real API server). A list that is on the cluster already as the chart has it needs no patch.
 */
export function sameKeys(target: unknown, live: unknown, path: readonly string[] = []): string | undefined {
  if (Array.isArray(target)) return inList(target, Array.isArray(live) ? live : [], path);
  if (!isMap(target)) return undefined;
  for (const [key, at] of Object.entries(target)) {
    const found = sameKeys(at, isMap(live) ? live[key] : undefined, [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function inList(target: readonly unknown[], live: readonly unknown[], path: readonly string[]): string | undefined {
  const key = mergeKey(path);
  const keyOf = (item: unknown) => {
    const found = isMap(item) && key !== undefined ? item[key] : undefined;
    return typeof found === "string" || typeof found === "number" ? found : undefined;
  };
  const keys = target.map(keyOf).filter((one) => one !== undefined);
  const twice = keys.find((one, i) => keys.indexOf(one) !== i);
  const isThere = target.length === live.length && target.every((item) => live.some((one) => contains(one, item)));
  if (key !== undefined && twice !== undefined && !isThere) {
    const list = path.join(".");
    return `two items of ${list} have the same ${key} (${twice}): helm patches this list by its ${key}, and would keep one of them`;
  }
  for (const [i, item] of target.entries()) {
    const other = keyOf(item) === undefined ? live[i] : live.find((one) => keyOf(one) === keyOf(item));
    const found = sameKeys(item, other, [...path, `[${i}]`]);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether the API server has what the chart says, defaults added. */
function contains(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return Array.isArray(live) && live.length === wanted.length && wanted.every((item, i) => contains(live[i], item));
  }
  if (!isMap(wanted)) return String(live) === String(wanted);
  return isMap(live) && Object.entries(wanted).every(([key, at]) => at === null || contains(live[key], at));
}
