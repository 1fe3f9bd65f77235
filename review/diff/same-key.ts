import { isMap } from "../../kubernetes/objects";
import { mergeKey } from "./merge-keys";

/**
 * The first list of a built-in kind that is not as the chart has it after helm's patch, because two items have the same
 * merge key, in words; undefined when there is none.
 *
 * helm compares such items by their order, and the API server patches them by their key (all seen with helm 3.22 on a
 * real API server): of `53/TCP` and `53/UDP` one is kept when the other comes, none when one goes, and in another order
 * they are refused.
 *
 * @param after what the API server makes of the patch; undefined when it refuses it.
 * @param installed the object of the revision that helm compares with; undefined when it had none.
 */
export function lostTwins(
  target: unknown,
  after: unknown,
  installed: unknown,
  path: readonly string[] = [],
): string | undefined {
  if (Array.isArray(target)) return inList(target, listOf(after), listOf(installed), path);
  if (!isMap(target)) return undefined;
  for (const [key, at] of Object.entries(target)) {
    const below = (tree: unknown) => (isMap(tree) ? tree[key] : undefined);
    const found = lostTwins(at, below(after), below(installed), [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function inList(
  target: readonly unknown[],
  after: readonly unknown[],
  installed: readonly unknown[],
  path: readonly string[],
): string | undefined {
  const key = mergeKey(path);
  const keyOf = (item: unknown) => {
    const found = isMap(item) && key !== undefined ? item[key] : undefined;
    return typeof found === "string" || typeof found === "number" ? found : undefined;
  };
  const group = (list: readonly unknown[], id: unknown) => list.filter((item) => keyOf(item) === id);
  for (const id of new Set(target.map(keyOf).filter((one) => one !== undefined))) {
    const [wanted, before, now] = [group(target, id), group(installed, id), group(after, id)];
    if (wanted.length < 2 && before.length < 2) continue;
    if (isAsWanted(wanted, now, path)) continue;
    const list = path.join(".");
    return `two items of ${list} have the same ${key} (${id}): helm patches this list by its ${key}, and would not keep them as the chart has them`;
  }
  for (const [i, item] of target.entries()) {
    const id = keyOf(item);
    const other = (list: readonly unknown[]) => (id === undefined ? list[i] : group(list, id)[0]);
    const found = lostTwins(item, other(after), other(installed), [...path, `[${i}]`]);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Of environment variables of one name the last one counts; of ports and others each does, but not the same again. */
function isAsWanted(wanted: readonly unknown[], now: readonly unknown[], path: readonly string[]): boolean {
  if (path.at(-1) === "env") return contains(now.at(-1), wanted.at(-1));
  return now.length <= wanted.length && wanted.every((item) => now.some((one) => contains(one, item)));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Whether the API server has what the chart says, defaults added. */
function contains(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return Array.isArray(live) && live.length === wanted.length && wanted.every((item, i) => contains(live[i], item));
  }
  if (!isMap(wanted)) return String(live) === String(wanted);
  return isMap(live) && Object.entries(wanted).every(([key, at]) => at === null || contains(live[key], at));
}
