import { isDeepStrictEqual } from "node:util";
import { isMap } from "../../kubernetes/objects";
import { byKey, mergeKey } from "./merge-keys";

/** One field that differs. `[key]` steps stand for items of a list, by their merge key, their name, or their index. */
export interface FieldDifference {
  path: string[];
  /** Undefined where the field is not set. */
  before: unknown;
  after: unknown;
}

/** What the API server keeps for itself; no difference in these is a change of the object. */
const BOOKKEEPING = new Set(["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"]);

/** The fields of two versions of an object that differ, bookkeeping and status left out. */
export function differences(before: Record<string, unknown>, after: Record<string, unknown>): FieldDifference[] {
  return compare(contentOf(before), contentOf(after), []);
}

/** An object without what the API server and controllers write to it. */
export function contentOf(object: Record<string, unknown>): Record<string, unknown> {
  const { status: _status, metadata, ...rest } = object;
  if (!isMap(metadata)) return rest;
  const kept = Object.entries(metadata).filter(([key]) => !BOOKKEEPING.has(key));
  const annotations = isMap(metadata["annotations"]) ? withoutControllers(metadata["annotations"]) : undefined;
  return { ...rest, metadata: { ...Object.fromEntries(kept), ...(annotations ? { annotations } : {}) } };
}

function withoutControllers(annotations: Record<string, unknown>): Record<string, unknown> {
  const { "deployment.kubernetes.io/revision": _revision, ...others } = annotations;
  return others;
}

function compare(before: unknown, after: unknown, path: string[]): FieldDifference[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (isMap(before) && isMap(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].sort().flatMap((key) => compare(before[key], after[key], [...path, key]));
  }
  if (Array.isArray(before) && Array.isArray(after)) return compareLists(before, after, path);
  // A whole map that comes or goes is told field by field, so that a secret or noise in it is recognized.
  if (isMap(before) && after === undefined) return wholeMap(before, path, (at) => [at, undefined]);
  if (isMap(after) && before === undefined) return wholeMap(after, path, (at) => [undefined, at]);
  return [{ path, before, after }];
}

function wholeMap(
  map: Record<string, unknown>,
  path: string[],
  sides: (at: unknown) => [unknown, unknown],
): FieldDifference[] {
  if (Object.keys(map).length === 0) {
    const [before, after] = sides(map);
    return [{ path, before, after }];
  }
  return Object.entries(map).flatMap(([key, at]) => compare(...sides(at), [...path, key]));
}

function compareLists(before: unknown[], after: unknown[], path: string[]): FieldDifference[] {
  const key = mergeKey(path) ?? "name";
  const old = byKey(before, key);
  const now = byKey(after, key);
  if (old && now && before.length + after.length > 0) {
    const found = [...new Set([...old.keys(), ...now.keys()])].flatMap((id) =>
      compare(old.get(id), now.get(id), [...path, `[${id}]`]),
    );
    // Only the order changed.
    return found.length > 0 ? found : [{ path, before: [...old.keys()], after: [...now.keys()] }];
  }
  if (before.length !== after.length || !before.some(isMap)) return [{ path, before, after }];
  return before.flatMap((item, i) => compare(item, after[i], [...path, `[${i}]`]));
}

/** A path as text: dots between plain names, anything else in brackets. */
export function pathText(path: readonly string[]): string {
  return path.reduce((text, step) => {
    if (step.startsWith("[")) return text + step;
    if (/^[\w-]+$/.test(step)) return text ? `${text}.${step}` : step;
    return `${text}["${step}"]`;
  }, "");
}

/** The value at a path, list steps resolved as {@link differences} made them. */
export function valueAt(tree: unknown, path: readonly string[]): unknown {
  let at = tree;
  for (const [i, step] of path.entries()) {
    if (Array.isArray(at)) at = itemAt(at, step, path.slice(0, i));
    else if (isMap(at)) at = at[step];
    else return undefined;
  }
  return at;
}

/** A path with plain list indices in the form that {@link differences} gives paths: items by their key. */
export function keyedPath(tree: unknown, path: readonly string[]): string[] {
  let at = tree;
  return path.map((step, i) => {
    const list = at;
    at = Array.isArray(list) || isMap(list) ? (list as Record<string, unknown>)[step] : undefined;
    if (!Array.isArray(list)) return step;
    const key = mergeKey(path.slice(0, i)) ?? "name";
    const id = byKey(list, key) && isMap(at) ? at[key] : undefined;
    return typeof id === "string" || typeof id === "number" ? `[${id}]` : `[${step}]`;
  });
}

function itemAt(list: readonly unknown[], step: string, path: readonly string[]): unknown {
  const id = step.slice(1, -1);
  const items = byKey(list, mergeKey(path) ?? "name");
  return items ? items.get(id) : list[Number(id)];
}
