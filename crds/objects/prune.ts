import { isMap } from "../../kubernetes/objects";
import {
  fieldOf,
  isEmbedded,
  itemsOf,
  keepsUnknown,
  META_FIELDS,
  propertyOf,
  type SchemaNode,
  type Step,
  stepTo,
  valuesOf,
} from "./structural";

/**
 * Takes out of an object what the API server takes out when it reads or writes it, and returns where something went.
 * The object is changed. Source: apiextensions-apiserver 1.34, pkg/apiserver/schema/pruning.
 */
export function prune(object: Record<string, unknown>, schema: SchemaNode): Step[] {
  const lost: Step[] = [];
  pruneValue(object, { ...schema, "x-kubernetes-embedded-resource": true }, undefined, lost);
  return lost;
}

/** The same for a value that is not an object's root. */
export function pruneValue(value: unknown, node: SchemaNode | undefined, step: Step | undefined, lost: Step[]): void {
  if (keepsUnknown(node)) return pruneBelowKept(value, node, step, lost);
  if (Array.isArray(value)) {
    value.forEach((item, i) => pruneValue(item, itemsOf(node), stepTo(step, i), lost));
  } else if (isMap(value)) {
    for (const key of Object.keys(value)) {
      if (isEmbedded(node) && META_FIELDS.has(key)) continue;
      const at = stepTo(step, key, node);
      const below = fieldOf(node, key);
      if (below) pruneValue(value[key], below, at, lost);
      else {
        // A null says nothing, so nothing is lost with it.
        if (value[key] !== null) lost.push(at);
        delete value[key];
      }
    }
  }
}

/** Below a node that keeps unknown fields only what the schema names is looked at again. */
function pruneBelowKept(value: unknown, node: SchemaNode | undefined, step: Step | undefined, lost: Step[]): void {
  if (node === undefined) return;
  if (Array.isArray(value)) {
    value.forEach((item, i) => pruneBelowKept(item, itemsOf(node), stepTo(step, i), lost));
  } else if (isMap(value)) {
    for (const [key, at] of Object.entries(value)) {
      if (isEmbedded(node) && META_FIELDS.has(key)) continue;
      const below = propertyOf(node, key) ?? valuesOf(node);
      if (below) pruneValue(at, below, stepTo(step, key, node), lost);
    }
  }
}
