import { isDeepStrictEqual } from "node:util";
import { isMap } from "../../kubernetes/objects";
import { mergeKey, retainsKeys } from "./merge-keys";

type Tree = Record<string, unknown>;

/**
 * What helm makes of a live object of a built-in kind: a strategic three-way merge. What the target has is set, what
 * the installed revision had and the target has not is removed, what others added is left alone.
 */
export function mergeTyped(installed: Tree, target: Tree, live: Tree): Tree {
  return mergeMaps(installed, target, live, []);
}

/**
 * What helm makes of a live custom resource: what differs between the installed revision and the target is set or
 * removed, lists as a whole; changes made by hand to anything else stay.
 */
export function mergeUntyped(installed: Tree, target: Tree, live: Tree): Tree {
  return applyMergePatch(live, mergePatch(installed, target));
}

function mergeMaps(installed: Tree, target: Tree, live: Tree, path: readonly string[]): Tree {
  const result: Tree = { ...live };
  for (const key of Object.keys(installed)) {
    if (target[key] === undefined || target[key] === null) delete result[key];
  }
  for (const [key, wanted] of Object.entries(target)) {
    // A null in a chart takes the field away, like a patch with null does.
    if (wanted === null || wanted === undefined) delete result[key];
    else result[key] = mergeValue(installed[key], wanted, live[key], [...path, key]);
  }
  if (!retainsKeys(path) || isDeepStrictEqual(result, live)) return result;
  return Object.fromEntries(Object.entries(result).filter(([key]) => key in target));
}

function mergeValue(installed: unknown, target: unknown, live: unknown, path: readonly string[]): unknown {
  if (isMap(target)) return mergeMaps(isMap(installed) ? installed : {}, target, isMap(live) ? live : {}, path);
  if (!Array.isArray(target)) return target;
  if (path.at(-1) === "finalizers") return mergeSets(installed, target, live);
  const key = mergeKey(path);
  return key === undefined ? withoutNulls(target) : mergeLists(installed, target, live, key, path);
}

function mergeLists(
  installed: unknown,
  target: readonly unknown[],
  live: unknown,
  key: string,
  path: readonly string[],
): unknown[] {
  const [wanted, before, now] = [target, installed, live].map((list) => numbered(Array.isArray(list) ? list : [], key));
  if (!wanted || !before || !now) return withoutNulls(target) as unknown[];
  const merged = [...wanted].map(([id, item]) => mergeValue(before.get(id), item, now.get(id), [...path, `[${id}]`]));
  const ofOthers = [...now].filter(([id]) => !wanted.has(id) && !before.has(id)).map(([, item]) => item);
  return [...merged, ...ofOthers];
}

/** Items by their merge key; of those with the same one, by their order too. Undefined when one has none. */
function numbered(list: readonly unknown[], key: string): Map<string, unknown> | undefined {
  const items = new Map<string, unknown>();
  for (const item of list) {
    const id = isMap(item) ? item[key] : undefined;
    if (typeof id !== "string" && typeof id !== "number") return undefined;
    let name = String(id);
    for (let i = 1; items.has(name); i++) name = `${id}\0${i}`;
    items.set(name, item);
  }
  return items;
}

function mergeSets(installed: unknown, target: readonly unknown[], live: unknown): unknown[] {
  const dropped = new Set(Array.isArray(installed) ? installed.filter((item) => !target.includes(item)) : []);
  const now: unknown[] = Array.isArray(live) ? live : [];
  return [...new Set([...now.filter((item) => !dropped.has(item)), ...target])];
}

/**
 * Nulls in a list that is replaced as a whole would be stored as they are; the API server drops them in typed objects.
 */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isMap(value)) return value;
  const kept = Object.entries(value).filter(([, at]) => at !== null && at !== undefined);
  return Object.fromEntries(kept.map(([key, at]) => [key, withoutNulls(at)]));
}

/** The JSON merge patch (RFC 7386) that makes `to` of `from`; an empty map when they are the same. */
export function mergePatch(from: Tree, to: Tree): Tree {
  const patch: Tree = {};
  for (const key of Object.keys(from)) {
    if (to[key] === undefined && from[key] !== undefined) patch[key] = null;
  }
  for (const [key, wanted] of Object.entries(to)) {
    const old = from[key];
    if (wanted === undefined || isDeepStrictEqual(old, wanted)) continue;
    if (isMap(old) && isMap(wanted)) {
      const below = mergePatch(old, wanted);
      if (Object.keys(below).length > 0) patch[key] = below;
    } else patch[key] = wanted;
  }
  return patch;
}

function applyMergePatch(target: Tree, patch: Tree): Tree {
  const result = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    const old = result[key];
    if (value === null) delete result[key];
    else result[key] = isMap(value) ? applyMergePatch(isMap(old) ? old : {}, value) : value;
  }
  return result;
}
