import { canonicalJson } from "../../shared/digest";
import { dig, digList, isMap } from "../../kubernetes/objects";
import type { Crd } from "../crds";
import type { CrdFinding } from "./finding";
import { type Change, type ExtraRuleId, finding } from "./rules";
import type { SchemaNode } from "./schema-tree";

type Version = Crd["spec"]["versions"][number];

/** What crdify does not look for, in the CRD as a whole. */
export function compareWhole(before: Crd, after: Crd): CrdFinding[] {
  return [
    ...names(before, after),
    ...versions(before, after),
    ...conversion(before, after),
    ...pruningOfAll(before, after),
  ];
}

function names({ spec: before }: Crd, { spec: after }: Crd): CrdFinding[] {
  const parts = [
    { words: "group", before: before.group, after: after.group },
    { words: "kind", before: before.names.kind, after: after.names.kind },
    { words: "plural name", before: before.names.plural, after: after.names.plural },
  ];
  return parts.filter((part) => part.before !== part.after).map((part) => finding("casa/namesChange", part));
}

function versions(before: Crd, after: Crd): CrdFinding[] {
  const newer = new Map(after.spec.versions.map((version) => [version.name, version]));
  const removed = before.spec.versions
    .filter(({ name, served }) => served && newer.get(name)?.served !== true)
    .map(({ name }) => {
      const words = newer.has(name) ? "the version is no longer served" : "the version, which is served now, is gone";
      return finding("casa/servedVersionRemoval", { words }, { version: name });
    });
  const change = { words: "storage version", before: storage(before), after: storage(after) };
  return change.before === change.after ? removed : [...removed, finding("casa/storageVersionChange", change)];
}

function storage(crd: Crd): string | undefined {
  return crd.spec.versions.find((version) => version.storage)?.name;
}

/**
 * Without a webhook the API server writes the wanted version's name on an object and prunes what is not in its schema.
 */
function conversion(before: Crd, after: Crd): CrdFinding[] {
  const strategy = (crd: Crd) => crd.spec.conversion?.strategy ?? "None";
  if (strategy(after) === "Webhook") {
    if (isMap(dig(after.spec.conversion, "webhook", "clientConfig"))) return [];
    return [
      finding("casa/conversionWithoutWebhook", { words: "conversion by webhook is wanted, and no webhook named" }),
    ];
  }
  const inUse = new Set([...after.spec.versions.map(({ name }) => name), ...storedVersions(before)]);
  if (strategy(before) !== "Webhook" || inUse.size < 2) return [];
  const words = "objects are no longer converted, only relabelled, as the strategy changes";
  return [finding("casa/conversionWithoutWebhook", { words, before: "Webhook", after: strategy(after) })];
}

/** Versions that objects may be stored in, according to the live CRD. */
export function storedVersions(live: Crd): string[] {
  return digList(live, "status", "storedVersions").filter((name) => typeof name === "string");
}

/** CRDs that were made through v1beta1 may keep unknown fields everywhere. */
function pruningOfAll({ spec: before }: Crd, { spec: after }: Crd): CrdFinding[] {
  if (before["preserveUnknownFields"] !== true || after["preserveUnknownFields"] === true) return [];
  return [finding("casa/pruningEnabled", { words: "spec.preserveUnknownFields is switched off" })];
}

/** What crdify does not look for, in a version that both CRDs have. */
export function compareVersion(before: Version, after: Version): CrdFinding[] {
  const had = (subresource: string) =>
    isMap(dig(before, "subresources", subresource)) && !isMap(dig(after, "subresources", subresource));
  const at = { version: before.name };
  return [
    ...(had("status")
      ? [finding("casa/statusSubresourceRemoval", { words: "subresource status is removed" }, at)]
      : []),
    ...(had("scale") ? [finding("casa/scaleSubresourceRemoval", { words: "subresource scale is removed" }, at)] : []),
  ];
}

interface Found {
  rule: ExtraRuleId;
  change: Change;
  /** A field below the one that is compared, as the end of its path. */
  below?: string;
}

/** What crdify does not look for, in a field that both schemas have. */
export function compareField(before: SchemaNode, after: SchemaNode): Found[] {
  return [
    ...celRules(before, after),
    ...listTypes(before, after),
    ...unknownFields(before, after),
    ...requiredProperties(before, after),
  ];
}

/**
 * A rule whose expression is not there before is a changed one where one of the same message or place has gone for it.
 */
function celRules(before: SchemaNode, after: SchemaNode): Found[] {
  const all = (node: SchemaNode) => digList(node, "x-kubernetes-validations");
  const meaning = (rule: unknown) => canonicalJson([dig(rule, "rule"), dig(rule, "optionalOldSelf")]);
  const [older, newer] = [all(before), all(after)];
  const [olderMeanings, newerMeanings] = [new Set(older.map(meaning)), new Set(newer.map(meaning))];
  const gone = new Set(older.filter((rule) => !newerMeanings.has(meaning(rule))));
  return newer.flatMap((rule, index): Found[] => {
    if (olderMeanings.has(meaning(rule))) return [];
    const message = dig(rule, "message");
    const sameMessage = [...gone].find((other) => message !== undefined && dig(other, "message") === message);
    const twin = sameMessage ?? (gone.has(older[index]) ? older[index] : undefined);
    if (twin === undefined) {
      return [{ rule: "casa/celRuleAdded", change: { words: "CEL rule", after: dig(rule, "rule") } }];
    }
    gone.delete(twin);
    const change = { words: "CEL rule", before: dig(twin, "rule"), after: dig(rule, "rule") };
    return [{ rule: "casa/celRuleChanged", change }];
  });
}

function listTypes(before: SchemaNode, after: SchemaNode): Found[] {
  const found: Found[] = [];
  const compare = (rule: ExtraRuleId, keyword: string, value: (node: SchemaNode) => unknown) => {
    const change = { words: keyword, before: value(before), after: value(after) };
    if (canonicalJson(change.before) !== canonicalJson(change.after)) found.push({ rule, change });
  };
  // A keyword that is not set means what the API server takes it for.
  const listType = (node: SchemaNode) => node["x-kubernetes-list-type"] ?? "atomic";
  if (before["type"] === "array" && after["type"] === "array") {
    compare("casa/listTypeChange", "x-kubernetes-list-type", listType);
  }
  if (listType(before) === "map" && listType(after) === "map") {
    const keys = (node: SchemaNode) => digList(node, "x-kubernetes-list-map-keys").map(String).sort();
    compare("casa/listMapKeysChange", "x-kubernetes-list-map-keys", keys);
  }
  if (before["type"] === "object" && after["type"] === "object") {
    const mapType = (node: SchemaNode) => node["x-kubernetes-map-type"] ?? "granular";
    compare("casa/mapTypeChange", "x-kubernetes-map-type", mapType);
  }
  return found;
}

function unknownFields(before: SchemaNode, after: SchemaNode): Found[] {
  const found: Found[] = [];
  const keepsUnknown = (node: SchemaNode) => node["x-kubernetes-preserve-unknown-fields"] === true;
  const hasFreeKeys = ({ additionalProperties: free }: SchemaNode) => free === true || isMap(free);
  if (keepsUnknown(before) && !keepsUnknown(after)) {
    const change = { words: "x-kubernetes-preserve-unknown-fields is removed" };
    found.push({ rule: "casa/pruningEnabled", change });
  }
  if (hasFreeKeys(before) && !hasFreeKeys(after) && !keepsUnknown(after)) {
    found.push({ rule: "casa/additionalPropertiesRemoval", change: { words: "additionalProperties is removed" } });
  }
  if (before["x-kubernetes-int-or-string"] === true && after["x-kubernetes-int-or-string"] !== true) {
    found.push({ rule: "casa/intOrStringRemoval", change: { words: "x-kubernetes-int-or-string is removed" } });
  }
  return found;
}

function requiredProperties(before: SchemaNode, after: SchemaNode): Found[] {
  const required = new Set(digList(after, "required"));
  const properties = isMap(after["properties"]) ? Object.entries(after["properties"]) : [];
  return properties
    .filter(([name, property]) => required.has(name) && dig(property, "default") === undefined)
    .filter(([name]) => dig(before, "properties", name) === undefined)
    .map(([name]) => ({
      rule: "casa/requiredPropertyAdded",
      change: { words: "a new field is required and has no default" },
      below: `.${name}`,
    }));
}
