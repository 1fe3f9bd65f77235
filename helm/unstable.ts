import { groupKind, isMap, type KubeObject, objectKey } from "../kubernetes/objects";

/**
 * Charts may make values up while they render (`randAlphaNum`, `genCA`, `now`): two renderings of the same chart then
 * differ, and a hash over them would change with every run. Rendering twice shows which fields those are.
 */
export interface UnstableFields {
  /** Object key to the paths (as path segments) that differ between two renderings. */
  paths: Map<string, string[][]>;
  /** Keys of the objects in which something differs even between renderings of the same moment; default: all. */
  random?: ReadonlySet<string>;
  /** Object key to those of its paths whose last step, a key of a map, is itself made up. */
  keys: Map<string, string[][]>;
  /** Object key to what a reader is shown as its name, for objects whose very name is made up. */
  names: Map<string, string>;
}

/** What stands for a value that is made up anew with each rendering. */
export const GENERATED = "<generated>";

/** Finds the fields and names that differ between renderings of the same chart with the same values. */
export function findUnstable(first: KubeObject[], second: KubeObject[], namespace: string): UnstableFields {
  const found: UnstableFields = { paths: new Map(), keys: new Map(), names: new Map() };
  for (const [object, other] of pairs(first, second, namespace)) {
    const key = objectKey(object, namespace);
    const paths = differing(object, other, []);
    const madeUp = paths.filter((path) => isKeyOfOne(path, object, other));
    if (paths.length > 0) addPaths(found.paths, new Map([[key, paths]]));
    if (madeUp.length > 0) addPaths(found.keys, new Map([[key, madeUp]]));
    const { name = "" } = object.metadata;
    if (other.metadata.name !== name) found.names.set(key, nameToShow(name, other.metadata.name ?? ""));
  }
  return found;
}

/** What several comparisons found, together: one pair of renderings may agree by chance. */
export function joinUnstable(all: readonly UnstableFields[]): UnstableFields {
  const joined: UnstableFields = { paths: new Map(), keys: new Map(), names: new Map() };
  for (const { paths, keys, names } of all) {
    for (const [key, name] of names) joined.names.set(key, name);
    addPaths(joined.paths, paths);
    addPaths(joined.keys, keys);
  }
  return joined;
}

function addPaths(to: Map<string, string[][]>, from: ReadonlyMap<string, string[][]>): void {
  for (const [key, list] of from) {
    const known = to.get(key) ?? [];
    const fresh = list.filter((path) => !known.some((one) => one.join("\0") === path.join("\0")));
    to.set(key, [...known, ...fresh]);
  }
}

/** Whether a path ends with a key of a map that only one of two objects has. */
function isKeyOfOne(path: readonly string[], ...objects: readonly unknown[]): boolean {
  const last = path.at(-1) ?? "";
  const maps = objects.map((object) =>
    path.slice(0, -1).reduce<unknown>((at, step) => (isTree(at) ? at[step] : at), object),
  );
  return maps.every(isMap) && maps.filter((map) => isMap(map) && last in map).length === 1;
}

/** Replaces the unstable fields by one fixed word; the objects given are left as they are. */
export function maskUnstable(objects: KubeObject[], unstable: UnstableFields, namespace: string): KubeObject[] {
  return objects.map((object) => {
    const paths = unstable.paths.get(objectKey(object, namespace));
    if (!paths) return object;
    const copy = structuredClone(object);
    const madeUp = new Set((unstable.keys.get(objectKey(object, namespace)) ?? []).map((path) => path.join("\0")));
    for (const path of paths) replaceAt(copy, path, madeUp.has(path.join("\0")));
    return copy;
  });
}

/**
 * A key for each object in its place: a chart may render one object several times, and helm takes them one after the
 * other. The first has the key of all.
 */
export function numberedKeys(objects: readonly KubeObject[], namespace: string): string[] {
  const seen = new Map<string, number>();
  return objects.map((object) => {
    const key = objectKey(object, namespace);
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return before === 0 ? key : `${key}\0${before}`;
  });
}

/** Objects of two renderings that are the same one; those with a name of their own by kind and order. */
function pairs(first: KubeObject[], second: KubeObject[], namespace: string): [KubeObject, KubeObject][] {
  const [firstKeys, secondKeys] = [numberedKeys(first, namespace), numberedKeys(second, namespace)];
  const others = new Map(second.map((object, i) => [secondKeys[i], object]));
  const keys = new Set(firstKeys);
  const unmatched = second.filter((_, i) => !keys.has(secondKeys[i] ?? ""));
  return first.flatMap((object, i): [KubeObject, KubeObject][] => {
    const same = others.get(firstKeys[i]);
    if (same) return [[object, same]];
    const at = unmatched.findIndex((one) => groupKind(one) === groupKind(object));
    return at < 0 ? [] : unmatched.splice(at, 1).map((other) => [object, other]);
  });
}

/** The part of a name that two renderings share, cut where words end: `migrate-<generated>`. */
function nameToShow(a: string, b: string): string {
  let same = 0;
  while (same < Math.min(a.length, b.length) && a[same] === b[same]) same++;
  const start = a.slice(0, same).replace(/[^-.]*$/, "");
  let tail = 0;
  while (tail < Math.min(a.length, b.length) - start.length && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const end = tail > 0 ? a.slice(-tail).replace(/^[^-.]*/, "") : "";
  return `${start}${GENERATED}${end}`;
}

function differing(a: unknown, b: unknown, path: string[]): string[][] {
  if (Array.isArray(a) && Array.isArray(b)) {
    // Of lists of different length nobody can say which item is which.
    if (a.length !== b.length) return [path];
    return a.flatMap((item, i) => differing(item, b[i], [...path, `${i}`]));
  }
  if (isMap(a) && isMap(b)) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...keys].flatMap((key) => differing(a[key], b[key], [...path, key]));
  }
  return Object.is(a, b) ? [] : [path];
}

function replaceAt(root: unknown, path: string[], takeAway: boolean): void {
  let at = root;
  for (const step of path.slice(0, -1)) {
    if (!isTree(at)) return;
    at = at[step];
  }
  const last = path.at(-1);
  if (last === undefined || !isTree(at) || !(last in at)) return;
  if (takeAway) Reflect.deleteProperty(at, last);
  else at[last] = GENERATED;
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
