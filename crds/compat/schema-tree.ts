import { isDeepStrictEqual } from "node:util";
import { isMap } from "../../kubernetes/objects";

/**
 * One node of an OpenAPI schema as the API server keeps it: keywords that it does not know are gone, and so are values
 * that mean the same as no value. Two nodes that are equal here are equal for the API server and for crdify.
 */
export type SchemaNode = Record<string, unknown>;

type Normalize = (value: unknown) => unknown;

const unlessZero: Normalize = (value) =>
  value === "" || value === false || value === null || value === undefined ? undefined : value;
const unlessNull: Normalize = (value) => value ?? undefined;
const unlessEmpty: Normalize = (value) => (Array.isArray(value) && value.length > 0 ? (value as unknown) : undefined);
const schema: Normalize = (value) => (isMap(value) ? normalizeSchema(value) : undefined);
const schemas: Normalize = (value) =>
  Array.isArray(value) && value.length > 0 ? value.map((one) => normalizeSchema(one)) : undefined;
const schemaOrSchemas: Normalize = (value) => (Array.isArray(value) ? schemas(value) : schema(value));
const schemaOrBoolean: Normalize = (value) => (typeof value === "boolean" ? value : schema(value));
const schemaOrNames: Normalize = (value) => (Array.isArray(value) ? unlessEmpty(value) : schema(value));
const schemaMap =
  (each: Normalize): Normalize =>
  (value) =>
    isMap(value) && Object.keys(value).length > 0
      ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, each(one)]))
      : undefined;
const keywordsOf = (table: Record<string, Normalize>): Normalize => {
  const rows = Object.entries(table);
  return (value) => {
    const kept: SchemaNode = {};
    for (const [keyword, normalize] of rows) {
      const at = normalize(isMap(value) ? value[keyword] : undefined);
      if (at !== undefined) kept[keyword] = at;
    }
    return kept;
  };
};

const celRule = keywordsOf({
  rule: unlessZero,
  message: unlessZero,
  messageExpression: unlessZero,
  reason: unlessNull,
  fieldPath: unlessZero,
  optionalOldSelf: unlessNull,
});

/**
 * Every keyword of a CRD's schema (the Go type JSONSchemaProps of k8s.io/apiextensions-apiserver). Where that type has
 * a pointer, the zero value differs from no value; elsewhere it does not.
 */
const KEYWORDS: Record<string, Normalize> = {
  id: unlessZero,
  $schema: unlessZero,
  $ref: unlessNull,
  description: unlessZero,
  type: unlessZero,
  format: unlessZero,
  title: unlessZero,
  default: unlessNull,
  maximum: unlessNull,
  exclusiveMaximum: unlessZero,
  minimum: unlessNull,
  exclusiveMinimum: unlessZero,
  maxLength: unlessNull,
  minLength: unlessNull,
  pattern: unlessZero,
  maxItems: unlessNull,
  minItems: unlessNull,
  uniqueItems: unlessZero,
  multipleOf: unlessNull,
  enum: unlessEmpty,
  maxProperties: unlessNull,
  minProperties: unlessNull,
  required: unlessEmpty,
  items: schemaOrSchemas,
  allOf: schemas,
  oneOf: schemas,
  anyOf: schemas,
  not: schema,
  properties: schemaMap((value) => normalizeSchema(value)),
  additionalProperties: schemaOrBoolean,
  patternProperties: schemaMap((value) => normalizeSchema(value)),
  dependencies: schemaMap(schemaOrNames),
  additionalItems: schemaOrBoolean,
  definitions: schemaMap((value) => normalizeSchema(value)),
  externalDocs: (value) => (isMap(value) ? keywordsOf({ description: unlessZero, url: unlessZero })(value) : undefined),
  example: unlessNull,
  nullable: unlessZero,
  "x-kubernetes-preserve-unknown-fields": unlessNull,
  "x-kubernetes-embedded-resource": unlessZero,
  "x-kubernetes-int-or-string": unlessZero,
  "x-kubernetes-list-map-keys": unlessEmpty,
  "x-kubernetes-list-type": unlessNull,
  "x-kubernetes-map-type": unlessNull,
  "x-kubernetes-validations": (value) => (Array.isArray(value) && value.length > 0 ? value.map(celRule) : undefined),
};

const normalizeNode = keywordsOf(KEYWORDS);

/** The schema with all its nested ones as the API server keeps them. */
export function normalizeSchema(value: unknown): SchemaNode {
  return normalizeNode(value) as SchemaNode;
}

/** Properties of these names have the same path as a keyword beside them. */
const AMBIGUOUS = new Set(["items", "not", "additionalProperties", "additionalItems"]);

/**
 * Two schemas without what is equal in both: properties that are the same, with all below them, become `{}`. Large
 * schemas differ in a few fields, and walking all of the others takes a second for each megabyte.
 */
export function withoutEqual(before: unknown, after: unknown): [before: unknown, after: unknown] {
  if (!isMap(before) || !isMap(after)) return [before, after];
  const [older, newer] = [{ ...before }, { ...after }];
  for (const keyword of ["items", "additionalProperties"]) {
    [older[keyword], newer[keyword]] = withoutEqual(before[keyword], after[keyword]);
  }
  const [olderFields, newerFields] = [before["properties"], after["properties"]];
  if (!isMap(olderFields) || !isMap(newerFields)) return [older, newer];
  const [olderRest, newerRest] = [{ ...olderFields }, { ...newerFields }];
  for (const name of Object.keys(olderFields)) {
    if (!Object.hasOwn(newerFields, name) || AMBIGUOUS.has(name)) continue;
    const same = isDeepStrictEqual(olderFields[name], newerFields[name]);
    [olderRest[name], newerRest[name]] = same ? [{}, {}] : withoutEqual(olderFields[name], newerFields[name]);
  }
  return [
    { ...older, properties: olderRest },
    { ...newer, properties: newerRest },
  ];
}

/**
 * Every node of a schema by its path, written as crdify writes it: `^` is the root, `^.spec.hosts.items` an element of
 * a list, `^.spec.labels.additionalProperties` a value of a map, `^.spec.allOf[0]` a part of a combination.
 *
 * Paths are not unique: a list's element and a property called "items" have the same one. As in crdify, the property
 * wins, so that the order of `nested` matters.
 */
export function flattenSchema(root: SchemaNode): Map<string, SchemaNode> {
  const found = new Map<string, SchemaNode>();
  const visit = (node: SchemaNode, path: string): void => {
    found.set(path, node);
    for (const [step, child] of nested(node)) visit(child, `${path}${step}`);
  };
  visit(root, "^");
  return found;
}

function nested(node: SchemaNode): [step: string, child: SchemaNode][] {
  return [
    ...(Array.isArray(node["items"]) ? indexed(node, "items") : one(node, "items")),
    ...indexed(node, "allOf"),
    ...indexed(node, "anyOf"),
    ...indexed(node, "oneOf"),
    ...one(node, "not"),
    ...named(node, "properties", (name) => `.${name}`),
    ...one(node, "additionalProperties"),
    ...named(node, "patternProperties"),
    ...one(node, "additionalItems"),
    ...named(node, "definitions"),
    ...named(node, "dependencies"),
  ];
}

function one(node: SchemaNode, keyword: string): [string, SchemaNode][] {
  const child = node[keyword];
  return isMap(child) ? [[`.${keyword}`, child]] : [];
}

function indexed(node: SchemaNode, keyword: string): [string, SchemaNode][] {
  const children = node[keyword];
  if (!Array.isArray(children)) return [];
  return (children as SchemaNode[]).map((child, index) => [`.${keyword}[${index}]`, child]);
}

function named(
  node: SchemaNode,
  keyword: string,
  step = (name: string) => `.${keyword}[${name}]`,
): [string, SchemaNode][] {
  const children = node[keyword];
  if (!isMap(children)) return [];
  return Object.entries(children).flatMap(([name, child]) => (isMap(child) ? [[step(name), child]] : []));
}
