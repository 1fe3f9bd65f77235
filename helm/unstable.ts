import { type KubeObject, objectKey } from "../kubernetes/objects";

/**
 * Charts may make values up while they render (`randAlphaNum`, `genCA`): two renderings of the same chart then differ,
 * and a hash over them would change with every run. Rendering twice shows which fields those are.
 */
export interface UnstableFields {
  /** Object key to the paths (as path segments) that differ between two renderings. */
  paths: Map<string, string[][]>;
}

const GENERATED = "<generated>";

/** Finds the fields that differ between two renderings of the same chart with the same values. */
export function findUnstable(first: KubeObject[], second: KubeObject[], namespace: string): UnstableFields {
  const others = new Map(second.map((object) => [objectKey(object, namespace), object]));
  const paths = new Map<string, string[][]>();
  for (const object of first) {
    const key = objectKey(object, namespace);
    const other = others.get(key);
    const found = other ? differing(object, other, []) : [];
    if (found.length > 0) paths.set(key, found);
  }
  return { paths };
}

/** Replaces the unstable fields by one fixed word; the objects given are left as they are. */
export function maskUnstable(objects: KubeObject[], unstable: UnstableFields, namespace: string): KubeObject[] {
  return objects.map((object) => {
    const paths = unstable.paths.get(objectKey(object, namespace));
    if (!paths) return object;
    const copy = structuredClone(object);
    for (const path of paths) replaceAt(copy, path);
    return copy;
  });
}

function differing(a: unknown, b: unknown, path: string[]): string[][] {
  if (isTree(a) && isTree(b) && Array.isArray(a) === Array.isArray(b)) {
    const left = a as Record<string, unknown>;
    const right = b as Record<string, unknown>;
    const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
    return [...keys].flatMap((key) => differing(left[key], right[key], [...path, key]));
  }
  return Object.is(a, b) ? [] : [path];
}

function replaceAt(root: unknown, path: string[]): void {
  let at = root;
  for (const step of path.slice(0, -1)) {
    if (!isTree(at)) return;
    at = (at as Record<string, unknown>)[step];
  }
  const last = path.at(-1);
  if (last !== undefined && isTree(at) && last in at) (at as Record<string, unknown>)[last] = GENERATED;
}

function isTree(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
