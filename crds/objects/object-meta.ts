import { isMap } from "../../kubernetes/objects";
import { pruneValue } from "./prune";
import { fieldOf, isEmbedded, itemsOf, pathOf, propertyOf, type SchemaNode, type Step, stepTo } from "./structural";

const text = { type: "string" };
const whole = { type: "integer" };
const yes = { type: "boolean" };
const texts = { type: "object", additionalProperties: text };

/** ObjectMeta of apimachinery 1.34, as a schema. */
const OBJECT_META: SchemaNode = {
  type: "object",
  properties: {
    ...{ name: text, generateName: text, namespace: text, selfLink: text, uid: text, resourceVersion: text },
    ...{ generation: whole, creationTimestamp: text, deletionTimestamp: text, deletionGracePeriodSeconds: whole },
    ...{ labels: texts, annotations: texts, finalizers: { type: "array", items: text } },
    ownerReferences: {
      type: "array",
      items: {
        type: "object",
        properties: { apiVersion: text, kind: text, name: text, uid: text, controller: yes, blockOwnerDeletion: yes },
      },
    },
    managedFields: {
      type: "array",
      items: {
        type: "object",
        properties: {
          ...{ manager: text, operation: text, apiVersion: text, time: text, fieldsType: text, subresource: text },
          fieldsV1: { "x-kubernetes-preserve-unknown-fields": true },
        },
      },
    },
  },
};

/** Told of an object that the server refuses to read, too: it fails all reads of it, and all lists that it is in. */
export const UNREADABLE = "with the new schema the object cannot even be read";

/** What the API server does to an embedded object's apiVersion, kind and metadata when it decodes it. */
export interface Coerced {
  lost: Step[];
  /** What makes it refuse a write; a stored object only loses these fields. */
  malformed: string[];
}

/**
 * Takes out of embedded objects what does not fit their apiVersion, kind and metadata. The value is changed. Source:
 * apiextensions-apiserver 1.34, pkg/apiserver/schema/objectmeta. (That empty maps and texts of the metadata go, too, is
 * no loss, and is not told.)
 */
export function coerceEmbedded(value: unknown, schema: SchemaNode): Coerced {
  const found: Coerced = { lost: [], malformed: [] };
  eachEmbedded(value, schema, undefined, (object, step) => coerceOne(object, step, found));
  return found;
}

function coerceOne(object: Record<string, unknown>, step: Step | undefined, { lost, malformed }: Coerced): void {
  for (const key of ["apiVersion", "kind"]) {
    if (!Object.hasOwn(object, key) || typeof object[key] === "string") continue;
    const at = stepTo(step, key);
    if (object[key] !== null) lost.push(at);
    malformed.push(`${pathOf(at)}: must be string`);
    delete object[key];
  }
  const metadata = object["metadata"];
  if (!Object.hasOwn(object, "metadata") || metadata === null) return;
  const place = stepTo(step, "metadata");
  if (!isMap(metadata)) {
    malformed.push(`${pathOf(place)}: must be object; ${UNREADABLE}`);
    return;
  }
  for (const [key, at] of Object.entries(metadata)) {
    const node = propertyOf(OBJECT_META, key);
    if (node === undefined || decodes(at, node)) continue;
    const below = stepTo(place, key);
    lost.push(below);
    malformed.push(`${pathOf(below)}: is not what metadata has there`);
    delete metadata[key];
  }
  pruneValue(metadata, OBJECT_META, place, lost);
}

/** Whether Go decodes a value into a type: null is its zero value, whatever it is. */
function decodes(value: unknown, node: SchemaNode): boolean {
  if (value === null) return true;
  switch (node["type"]) {
    case "integer":
      return Number.isInteger(value);
    case "array":
      return Array.isArray(value) && value.every((item) => decodes(item, itemsOf(node) ?? {}));
    case "object":
      return isMap(value) && Object.entries(value).every(([key, at]) => decodes(at, fieldOf(node, key) ?? {}));
    case undefined:
      return true;
    default:
      return typeof value === node["type"];
  }
}

/** Calls back for each embedded object that the schema names, the outer ones first. */
export function eachEmbedded(
  value: unknown,
  node: SchemaNode | undefined,
  step: Step | undefined,
  visit: (object: Record<string, unknown>, step: Step | undefined) => void,
): void {
  if (node === undefined) return;
  if (Array.isArray(value)) value.forEach((item, i) => eachEmbedded(item, itemsOf(node), stepTo(step, i), visit));
  else if (isMap(value)) {
    if (isEmbedded(node)) visit(value, step);
    for (const [key, at] of Object.entries(value)) eachEmbedded(at, fieldOf(node, key), stepTo(step, key, node), visit);
  }
}
