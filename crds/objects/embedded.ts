import { dig, digList, isMap } from "../../kubernetes/objects";
import { eachEmbedded } from "./object-meta";
import { pathOf, type SchemaNode, stepTo } from "./structural";

/** Bytes that the keys and values of all annotations may have. */
const MOST_ANNOTATIONS = 256 * 1024;

/** Problems with the apiVersion, kind and metadata of embedded objects. */
export interface EmbeddedFindings {
  rejected: string[];
  unchecked: string[];
}

/**
 * Validates embedded objects (x-kubernetes-embedded-resource) as a write does. Source: apiextensions-apiserver 1.34,
 * pkg/apiserver/schema/objectmeta, and apimachinery's ValidateObjectMeta.
 */
export function embeddedProblems(value: unknown, schema: SchemaNode): EmbeddedFindings {
  const found: EmbeddedFindings = { rejected: [], unchecked: [] };
  eachEmbedded(value, schema, undefined, (object, step) => {
    const tell = (key: string, problem: string | undefined) => {
      if (problem !== undefined) found.rejected.push(`${pathOf(stepTo(step, key))}: ${problem}`);
    };
    tell("apiVersion", apiVersionProblem(object["apiVersion"]));
    tell("kind", kindProblem(object["kind"]));
    for (const problem of metadataProblems(object["metadata"])) tell("metadata", problem);
    if (digList(object, "metadata", "managedFields").length > 0) {
      found.unchecked.push(`${pathOf(stepTo(step, "metadata"))}: managedFields of an embedded object`);
    }
  });
  return found;
}

function apiVersionProblem(value: unknown): string | undefined {
  if (typeof value !== "string") return "is required";
  if (value === "") return "must not be empty";
  return value.split("/").length > 2 ? "must be a group and a version" : undefined;
}

function kindProblem(value: unknown): string | undefined {
  if (typeof value !== "string") return "is required";
  const isLabel = value.length <= 63 && /^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(value.toLowerCase());
  return isLabel ? undefined : "must be a kind's name";
}

function metadataProblems(metadata: unknown): string[] {
  if (!isMap(metadata)) return [];
  const { name, generateName, namespace, generation } = metadata;
  const problem = (is: boolean, words: string) => (is ? [words] : []);
  const map = (key: string) => Object.entries((dig(metadata, key) ?? {}) as Record<string, string>);
  const annotations = map("annotations");
  const size = annotations.reduce((sum, entry) => sum + Buffer.byteLength(entry.join("")), 0);
  const owners = digList(metadata, "ownerReferences").filter(isMap);
  const finalizers = digList(metadata, "finalizers").map(String);
  return [
    ...problem(!isSegment(name), "name must be usable in a path"),
    ...problem(/[/%]/.test(textOf(generateName)), "generateName must be usable in a path"),
    ...problem(!!namespace && !isDnsLabel(textOf(namespace)), "namespace must be a namespace's name"),
    ...problem(typeof generation === "number" && generation < 0, "generation must not be negative"),
    ...problem(
      !map("labels").every(([key, at]) => isQualifiedName(key) && isLabelValue(at ?? "")),
      "labels must be valid",
    ),
    ...problem(!annotations.every(([key]) => isQualifiedName(key.toLowerCase())), "annotations must have valid names"),
    ...problem(size > MOST_ANNOTATIONS, "annotations are too long"),
    ...problem(!owners.every(isOwner), "ownerReferences must be complete"),
    ...problem(
      owners.filter(({ controller }) => controller === true).length > 1,
      "only one owner may be the controller",
    ),
    ...problem(!finalizers.every(isQualifiedName), "finalizers must have valid names"),
    ...problem(
      ["orphan", "foregroundDeletion"].every((both) => finalizers.includes(both)),
      "finalizers contradict each other",
    ),
  ];
}

function isOwner(owner: Record<string, unknown>): boolean {
  const [apiVersion, kind] = [textOf(owner["apiVersion"]), textOf(owner["kind"])];
  if (apiVersion === "v1" && kind === "Event") return false;
  const version = apiVersion.split("/").length > 2 ? "" : apiVersion.split("/").at(-1);
  return [version, kind, textOf(owner["name"]), textOf(owner["uid"])].every((part) => part !== "");
}

function isSegment(name: unknown): boolean {
  return name !== "." && name !== ".." && !/[/%]/.test(textOf(name));
}

function isDnsLabel(name: string): boolean {
  return name.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name);
}

function isQualifiedName(name: string): boolean {
  const parts = name.split("/");
  const [prefix, base = ""] = parts.length === 1 ? [undefined, name] : parts;
  if (parts.length > 2) return false;
  if (prefix !== undefined && !(prefix.length <= 253 && prefix.split(".").every(isDnsPart))) return false;
  return base.length <= 63 && /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(base);
}

function isDnsPart(part: string): boolean {
  return /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(part);
}

function isLabelValue(value: string): boolean {
  return value === "" || (value.length <= 63 && /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(value));
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
