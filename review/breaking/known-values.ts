import type { ChartPackage } from "../../helm/chart-package";
import { isMap } from "../../kubernetes/objects";
import type { TemplateUses } from "../../helm/template-uses";

const LEVELS = ["closed", "passed", "loose", "open"] as const;
export type Level = (typeof LEVELS)[number];

/** The one of two levels that knows less. */
export function looser(a: Level, b: Level): Level {
  return LEVELS.indexOf(a) > LEVELS.indexOf(b) ? a : b;
}

/** What is known of the keys of one map of a chart's values. */
export interface KnownNode {
  children: Map<string, KnownNode>;
  /**
   * closed: the keys below are the known ones and no others; passed: templates read keys of the map under another name;
   * loose: it is a part of values that are used all at once; open: any key may be meant.
   */
  level: Level;
  /** Set at the root of a chart and of each subchart: what its templates say. */
  uses?: TemplateUses;
}

/**
 * All keys that a chart reads, as far as its package tells: default values, values.schema.json, and what the templates
 * mention; those of subcharts below the subchart's key.
 */
export function knownValues(chart: ChartPackage): KnownNode {
  const root: KnownNode = { ...newNode(), uses: chart.uses };
  addDefaults(root, chart.values);
  addUses(
    root,
    chart.uses,
    chart.dependencies.every((dependency) => dependency.chart),
  );
  if (chart.schema !== undefined) addSchema(root, chart.schema, { root: chart.schema, stepsLeft: 50_000 }, []);
  at(root, ["global"]).level = "open";
  // Tags switch subcharts by group; helm reads them at the top level and charts need not list them.
  at(root, ["tags"]).level = "open";
  for (const dependency of chart.dependencies) {
    for (const path of [...dependency.conditions, ...dependency.importedTo]) at(root, path);
    for (const path of dependency.importedTo) at(root, path).level = "open";
    const node = at(root, [dependency.key]);
    if (dependency.chart === undefined) node.level = "open";
    else merge(node, knownValues(dependency.chart));
  }
  return root;
}

/** Dotted paths of all known keys. */
export function knownPaths(node: KnownNode, path: readonly string[] = []): string[][] {
  return [...node.children].flatMap(([key, child]) => [[...path, key], ...knownPaths(child, [...path, key])]);
}

function newNode(): KnownNode {
  return { children: new Map(), level: "closed" };
}

/** The node of a path, made where it is missing. */
function at(node: KnownNode, path: readonly string[]): KnownNode {
  let here = node;
  for (const key of path) {
    const next = here.children.get(key) ?? newNode();
    here.children.set(key, next);
    here = next;
  }
  return here;
}

function raise(node: KnownNode, level: Level): void {
  node.level = looser(node.level, level);
}

function merge(into: KnownNode, from: KnownNode): void {
  into.uses ??= from.uses;
  raise(into, from.level);
  for (const [key, child] of from.children) {
    const own = into.children.get(key);
    if (own) merge(own, child);
    else into.children.set(key, child);
  }
}

/**
 * An empty map or a null waits to be filled; a scalar or a list may be replaced by a map where the chart allows both.
 */
function addDefaults(node: KnownNode, defaults: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(defaults)) {
    const child = at(node, [key]);
    if (isMap(value) && Object.keys(value).length > 0) addDefaults(child, value);
    else child.level = "open";
  }
}

/** Without all subcharts nobody can say what their templates do with a map that is handed to them. */
function addUses(root: KnownNode, uses: TemplateUses, isComplete: boolean): void {
  for (const path of uses.mentioned) at(root, path);
  for (const path of uses.passed) {
    // Taken literally, values that are used all at once would make every key known.
    raise(at(root, path), path.length === 0 ? "loose" : isComplete ? "passed" : "open");
  }
  for (const path of uses.open) raise(at(root, path), path.length === 0 ? "loose" : "open");
}

const COMBINED = ["allOf", "anyOf", "oneOf"];
const SINGLE = ["if", "then", "else"];

/** Bounds the work on schemas that refer to themselves in many ways. */
interface SchemaWalk {
  root: unknown;
  stepsLeft: number;
}

/** Adds the properties of a JSON schema; where it allows other keys by name, or cannot be followed, the map is open. */
function addSchema(node: KnownNode, schema: unknown, walk: SchemaWalk, references: readonly string[]): void {
  if (schema === false || schema === undefined) return;
  if (!isMap(schema) || walk.stepsLeft-- <= 0) return raise(node, "open");
  const { $ref: reference, properties, additionalProperties, patternProperties } = schema;
  if (typeof reference === "string") {
    const target = references.includes(reference) ? undefined : resolve(walk.root, reference);
    if (target === undefined) return raise(node, "open");
    addSchema(node, target, walk, [...references, reference]);
  }
  for (const [key, value] of isMap(properties) ? Object.entries(properties) : []) {
    addSchema(at(node, [key]), value, walk, references);
  }
  const parts = [...COMBINED.flatMap((name) => schema[name]), ...SINGLE.map((name) => schema[name])].filter(isMap);
  for (const part of parts) addSchema(node, part, walk, references);
  // Where neither the schema nor anything else names a key of it, they are left to the user (or it is no map at all).
  const silent = !isMap(properties) && additionalProperties === undefined && parts.length === 0 && !reference;
  const allows = additionalProperties !== undefined && additionalProperties !== false;
  if ((silent && node.children.size === 0) || allows || isMap(patternProperties)) raise(node, "open");
}

/** Target of a reference inside the same schema file (`#/definitions/image`). */
function resolve(root: unknown, reference: string): unknown {
  if (!reference.startsWith("#")) return undefined;
  let here = root;
  for (const step of reference.slice(1).split("/").slice(1)) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    here = Array.isArray(here) ? here[Number(key)] : isMap(here) ? here[key] : undefined;
  }
  return here;
}
