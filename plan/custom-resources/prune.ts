import { isMap } from "../objects";
import {
  childPath,
  fieldOf,
  isEmbedded,
  itemsOf,
  keepsUnknown,
  META_FIELDS,
  propertiesOf,
  type SchemaNode,
  valuesOf,
} from "./structural";

/**
 * Takes out of an object what the API server takes out when it reads or writes it (apiextensions-apiserver's pruning), and
 * returns the paths of what went. The object is changed.
 */
export function prune(object: Record<string, unknown>, schema: SchemaNode): string[] {
  const lost: string[] = [];
  pruneValue(object, { ...schema, "x-kubernetes-embedded-resource": true }, "", lost);
  return lost;
}

function pruneValue(value: unknown, node: SchemaNode | undefined, path: string, lost: string[]): void {
  if (keepsUnknown(node)) return pruneBelowKept(value, node, path, lost);
  if (Array.isArray(value)) {
    value.forEach((item, i) => pruneValue(item, itemsOf(node), childPath(path, i), lost));
  } else if (isMap(value)) {
    for (const key of Object.keys(value)) {
      if (isEmbedded(node) && META_FIELDS.has(key)) continue;
      const below = fieldOf(node, key);
      if (below) pruneValue(value[key], below, childPath(path, key), lost);
      else {
        lost.push(childPath(path, key));
        delete value[key];
      }
    }
  }
}

/** Below a node that keeps unknown fields only what the schema names is looked at again. */
function pruneBelowKept(value: unknown, node: SchemaNode | undefined, path: string, lost: string[]): void {
  if (node === undefined) return;
  if (Array.isArray(value)) {
    value.forEach((item, i) => pruneBelowKept(item, itemsOf(node), childPath(path, i), lost));
  } else if (isMap(value)) {
    for (const [key, at] of Object.entries(value)) {
      if (isEmbedded(node) && META_FIELDS.has(key)) continue;
      const below = propertiesOf(node)[key] ?? valuesOf(node);
      if (below) pruneValue(at, below, childPath(path, key), lost);
    }
  }
}
