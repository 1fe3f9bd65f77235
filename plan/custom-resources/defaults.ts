import { isMap } from "../objects";
import { fieldOf, itemsOf, propertiesOf, type SchemaNode } from "./structural";

/**
 * Fills in defaults as the API server does before it validates: nulls that are not allowed go (or become the default), and
 * absent fields with a default get it. The object is changed.
 */
export function applyDefaults(value: unknown, node: SchemaNode | undefined): void {
  dropNulls(value, node);
  fillIn(value, node);
}

function isForbiddenNull(value: unknown, node: SchemaNode | undefined): boolean {
  return value === null && node !== undefined && node["nullable"] !== true;
}

function dropNulls(value: unknown, node: SchemaNode | undefined): void {
  if (Array.isArray(value)) value.forEach((item) => dropNulls(item, itemsOf(node)));
  else if (isMap(value)) {
    for (const [key, at] of Object.entries(value)) {
      const below = fieldOf(node, key);
      if (isForbiddenNull(at, below) && below?.["default"] === undefined) delete value[key];
      else dropNulls(at, below);
    }
  }
}

function fillIn(value: unknown, node: SchemaNode | undefined): void {
  if (node === undefined) return;
  if (Array.isArray(value)) {
    const items = itemsOf(node);
    value.forEach((item, i) => {
      if (isForbiddenNull(item, items)) value[i] = structuredClone(items?.["default"] ?? null);
      fillIn(value[i], items);
    });
  } else if (isMap(value)) {
    for (const [key, below] of Object.entries(propertiesOf(node))) {
      const byDefault = below["default"];
      if (byDefault === undefined) continue;
      if (value[key] === undefined || isForbiddenNull(value[key], below)) value[key] = structuredClone(byDefault);
    }
    for (const key of Object.keys(value)) {
      const below = fieldOf(node, key);
      if (isForbiddenNull(value[key], below)) value[key] = structuredClone(below?.["default"] ?? null);
      fillIn(value[key], below);
    }
  }
}
