import { dig, isMap } from "../objects";

/** One node of a CRD's openAPIV3Schema. */
export type SchemaNode = Record<string, unknown>;

/** The fields that every object has; they are never pruned from an object's root or an embedded object. */
export const META_FIELDS: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

export function propertiesOf(node: SchemaNode): Record<string, SchemaNode> {
  const properties = node["properties"];
  return isMap(properties) ? (properties as Record<string, SchemaNode>) : {};
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
  return node && (propertiesOf(node)[key] ?? valuesOf(node));
}

export function keepsUnknown(node: SchemaNode | undefined): boolean {
  return node?.["x-kubernetes-preserve-unknown-fields"] === true;
}

export function isEmbedded(node: SchemaNode | undefined): boolean {
  return node?.["x-kubernetes-embedded-resource"] === true;
}

/** A path below another one: `spec.apps[0].name`. */
export function childPath(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  const step = /^[\w-]+$/.test(key) ? key : `["${key}"]`;
  return path && !step.startsWith("[") ? `${path}.${step}` : path + step;
}

/** The schema of one version of a CRD; undefined when it has none. */
export function versionSchema(crd: unknown, version: string): SchemaNode | undefined {
  const versions = dig(crd, "spec", "versions");
  const found: unknown = Array.isArray(versions) ? versions.find((one) => dig(one, "name") === version) : undefined;
  const schema = dig(found, "schema", "openAPIV3Schema");
  return isMap(schema) ? schema : undefined;
}
