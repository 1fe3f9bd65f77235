import { isDeepStrictEqual } from "node:util";
import { isMap } from "../../kubernetes/objects";
import { pathText, type Segment, splitAtWildcard, valuesAt } from "./paths";
import type { Step } from "./rules";

type Tree = Record<string, unknown>;

/** An object after the rules. */
export interface Migrated {
  /** A new object, or the very one that was given when no rule applied. */
  object: Tree;
  /** Indexes of the rules that changed something. */
  applied: number[];
  /** Why it cannot be migrated, in words; never with a value of the object. */
  problems: string[];
}

/** Applies rules to an object, in their order. Once applied, applying them again changes nothing. */
export function migrate(object: Tree, steps: readonly Step[]): Migrated {
  const copy = structuredClone(object);
  const problems: string[] = [];
  const applied = steps.flatMap((step, i) => (applyStep(copy, step, problems) ? [i] : []));
  return { object: applied.length > 0 ? copy : object, applied, problems };
}

function applyStep(object: Tree, step: Step, problems: string[]): boolean {
  if (step.from && step.to) return move(object, step.from, step.to, step, problems);
  if (step.from) return remove(object, step.from);
  return step.to !== undefined && setDefault(object, step.to, step.value, problems);
}

/** The maps in which a path's last part is looked up: the way through lists and maps first, then the fields. */
function holders(object: Tree, path: readonly Segment[]): { root: Tree; fields: readonly string[] }[] {
  const { through, fields } = splitAtWildcard(path);
  return valuesAt(object, through).flatMap((root) => (isMap(root) ? [{ root, fields }] : []));
}

function move(object: Tree, from: readonly Segment[], to: readonly Segment[], step: Step, problems: string[]): boolean {
  const { through, fields: toFields } = splitAtWildcard(to);
  const { fields } = splitAtWildcard(from);
  // Both go through the same lists and maps; below their last one the way on is made of fields only.
  let changed = false;
  for (const root of valuesAt(object, through)) {
    if (!isMap(root)) continue;
    const taken = lookUp(root, fields);
    if (taken === undefined) continue;
    const there = lookUp(root, toFields);
    if (there !== undefined && !isDeepStrictEqual(there, taken) && step.ifBoth === undefined) {
      problems.push(
        `both ${pathText(from)} and ${pathText(to)} are set, to different values (ifBoth says which one counts)`,
      );
      continue;
    }
    const put = there === undefined || step.ifBoth === "overwrite";
    if (put && !set(root, toFields, taken)) {
      problems.push(`${pathText(to)} cannot be set: something on the way is not a map`);
      continue;
    }
    take(root, fields);
    changed = true;
  }
  return changed;
}

function remove(object: Tree, path: readonly Segment[]): boolean {
  const last = path.at(-1);
  if (last?.kind === "values") {
    let changed = false;
    for (const map of valuesAt(object, path.slice(0, -1))) {
      if (!isMap(map)) continue;
      for (const key of Object.keys(map)) {
        delete map[key];
        changed = true;
      }
    }
    return changed;
  }
  const found = holders(object, path).filter(({ root, fields }) => lookUp(root, fields) !== undefined);
  for (const { root, fields } of found) take(root, fields);
  return found.length > 0;
}

function setDefault(object: Tree, path: readonly Segment[], value: unknown, problems: string[]): boolean {
  let changed = false;
  for (const { root, fields } of holders(object, path)) {
    if (lookUp(root, fields) !== undefined) continue;
    if (set(root, fields, structuredClone(value))) changed = true;
    else problems.push(`${pathText(path)} cannot be set: something on the way is not a map`);
  }
  return changed;
}

function lookUp(root: Tree, fields: readonly string[]): unknown {
  return valuesAt(
    root,
    fields.map((name) => ({ kind: "field", name })),
  )[0];
}

/**
 * Sets a value, making maps on the way. @returns false when something on the way is not a map; nothing is changed then.
 */
function set(root: Tree, fields: readonly string[], value: unknown): boolean {
  const [name, ...rest] = fields;
  if (name === undefined) return false;
  if (rest.length === 0) {
    define(root, name, value);
    return true;
  }
  const next = Object.hasOwn(root, name) ? root[name] : undefined;
  if (next !== undefined && next !== null && !isMap(next)) return false;
  const below: Tree = isMap(next) ? next : {};
  if (!set(below, rest, value)) return false;
  if (below !== next) define(root, name, below);
  return true;
}

/** As an own property, whatever the name: `__proto__` is a key like any other. */
function define(map: Tree, name: string, value: unknown): void {
  Object.defineProperty(map, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Takes a value away, and maps that this leaves empty; `spec` itself stays. */
function take(root: Tree, fields: readonly string[]): void {
  const [name, ...rest] = fields;
  if (name === undefined) return;
  const below = root[name];
  if (rest.length === 0 || !isMap(below)) {
    delete root[name];
    return;
  }
  take(below, rest);
  const isPart = "apiVersion" in root && "kind" in root;
  if (Object.keys(below).length === 0 && !isPart) delete root[name];
}
