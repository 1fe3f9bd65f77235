import { dig, isMap } from "../../kubernetes/objects";

/** One node of a CRD's openAPIV3Schema. */
export type SchemaNode = Record<string, unknown>;

/** The fields that every object has; they are never pruned from an object's root or an embedded object. */
export const META_FIELDS: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

/** A member of a map that came as JSON: `constructor` and the like are only there when the JSON has them. */
export function member(map: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

export function propertiesOf(node: SchemaNode | undefined): Record<string, SchemaNode> {
  const properties = node?.["properties"];
  return isMap(properties) ? (properties as Record<string, SchemaNode>) : {};
}

/** Schema of a field that is named in the schema. */
export function propertyOf(node: SchemaNode | undefined, key: string): SchemaNode | undefined {
  const property = member(propertiesOf(node), key);
  return isMap(property) ? property : undefined;
}

/** Schema of a list's elements. */
export function itemsOf(node: SchemaNode | undefined): SchemaNode | undefined {
  const items = node?.["items"];
  return isMap(items) ? items : undefined;
}

/** Schema of a map's values; an empty one where anything is allowed, undefined where other keys are not. */
export function valuesOf(node: SchemaNode | undefined): SchemaNode | undefined {
  const values = node?.["additionalProperties"];
  if (values === true) return {};
  return isMap(values) ? values : undefined;
}

/** Schema of one key of a map. */
export function fieldOf(node: SchemaNode | undefined, key: string): SchemaNode | undefined {
  return propertyOf(node, key) ?? valuesOf(node);
}

export function keepsUnknown(node: SchemaNode | undefined): boolean {
  return node?.["x-kubernetes-preserve-unknown-fields"] === true;
}

export function isEmbedded(node: SchemaNode | undefined): boolean {
  return node?.["x-kubernetes-embedded-resource"] === true;
}

export function isNullable(node: SchemaNode | undefined): boolean {
  return node?.["nullable"] === true;
}

/** The value that an absent field gets; undefined when there is none. */
export function defaultOf(node: SchemaNode | undefined): unknown {
  return node?.["default"] ?? undefined;
}

/** The way from an object's root to a value; undefined at the root. */
export interface Step {
  up: Step | undefined;
  /** Field, key of a map, or place in a list. */
  key: string | number;
  /** The key is one of a map, which anybody may choose, not a field that a schema names. */
  inMap: boolean;
}

export function stepTo(up: Step | undefined, key: string | number, node?: SchemaNode): Step {
  return { up, key, inMap: typeof key === "string" && propertyOf(node, key) === undefined && !!valuesOf(node) };
}

/** `spec.apps[0].model`. */
export function pathOf(step: Step | undefined): string {
  return step === undefined ? "" : childPath(pathOf(step.up), step.key);
}

/** The same with places and map keys left out, for counting: `spec.apps[].model`, `spec.limits.*.max`. */
export function foldedPathOf(step: Step | undefined): string {
  if (step === undefined) return "";
  const up = foldedPathOf(step.up);
  if (typeof step.key === "number") return `${up}[]`;
  return step.inMap ? `${up}.*` : childPath(up, step.key);
}

/** A path below another one: `spec.apps[0].name`. */
export function childPath(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  if (!/^[\w-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path ? `${path}.${key}` : key;
}

/** The schema of one version of a CRD; undefined when it has none. */
export function versionSchema(crd: unknown, version: string): SchemaNode | undefined {
  const versions = dig(crd, "spec", "versions");
  const found: unknown = Array.isArray(versions) ? versions.find((one) => dig(one, "name") === version) : undefined;
  const schema = dig(found, "schema", "openAPIV3Schema");
  return isMap(schema) ? schema : undefined;
}
