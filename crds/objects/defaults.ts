import { isMap } from "../../kubernetes/objects";
import { defaultOf, fieldOf, isNullable, itemsOf, propertiesOf, type SchemaNode } from "./structural";

/**
 * Takes out nulls that are not allowed and have no default; those that have one are left for {@link applyDefaults}. The
 * value is changed. No data is lost by this. Source: apiextensions-apiserver 1.34, pkg/apiserver/schema/defaulting.
 */
export function dropNulls(value: unknown, node: SchemaNode | undefined): void {
  if (Array.isArray(value)) value.forEach((item) => dropNulls(item, itemsOf(node)));
  else if (isMap(value)) {
    for (const [key, at] of Object.entries(value)) {
      const below = fieldOf(node, key);
      if (isForbiddenNull(at, below) && defaultOf(below) === undefined) delete value[key];
      else dropNulls(at, below);
    }
  }
}

/**
 * Fills in defaults as the API server does before it validates: for absent fields, and for nulls that are not allowed.
 */
export function applyDefaults(value: unknown, node: SchemaNode | undefined): void {
  if (node === undefined) return;
  if (Array.isArray(value)) {
    const items = itemsOf(node);
    value.forEach((item, i) => {
      if (isForbiddenNull(item, items)) value[i] = structuredClone(defaultOf(items) ?? null);
      applyDefaults(value[i], items);
    });
  } else if (isMap(value)) {
    for (const [key, below] of Object.entries(propertiesOf(node))) {
      const byDefault = defaultOf(below);
      if (byDefault === undefined) continue;
      if (!Object.hasOwn(value, key) || isForbiddenNull(value[key], below)) value[key] = structuredClone(byDefault);
    }
    for (const key of Object.keys(value)) {
      const below = fieldOf(node, key);
      if (isForbiddenNull(value[key], below)) value[key] = structuredClone(defaultOf(below) ?? null);
      applyDefaults(value[key], below);
    }
  }
}

function isForbiddenNull(value: unknown, node: SchemaNode | undefined): boolean {
  return value === null && node !== undefined && !isNullable(node);
}
