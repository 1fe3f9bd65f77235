import { canonicalJson } from "../digest";
import { isMap } from "../objects";
import { childPath, fieldOf, itemsOf, type SchemaNode } from "./structural";

/** Elements that are there twice in lists that are sets, or maps by their keys (x-kubernetes-list-type). */
export function duplicateItems(value: unknown, node: SchemaNode | undefined, path = ""): string[] {
  if (node === undefined) return [];
  if (isMap(value)) {
    return Object.entries(value).flatMap(([key, at]) => duplicateItems(at, fieldOf(node, key), childPath(path, key)));
  }
  if (!Array.isArray(value)) return [];
  const below = value.flatMap((item, i) => duplicateItems(item, itemsOf(node), childPath(path, i)));
  return [...twice(value, node, path), ...below];
}

function twice(list: readonly unknown[], node: SchemaNode, path: string): string[] {
  const type = node["x-kubernetes-list-type"];
  if (type !== "set" && type !== "map") return [];
  const keys = Array.isArray(node["x-kubernetes-list-map-keys"])
    ? (node["x-kubernetes-list-map-keys"] as string[])
    : [];
  if (type === "map" && list.some((item) => item !== null && !isMap(item))) return [`${path}: must hold objects`];
  const identity = (item: unknown) =>
    type === "set" ? item : Object.fromEntries(keys.map((key) => [key, isMap(item) ? item[key] : undefined]));
  const seen = new Set<string>();
  return list.flatMap((item, i) => {
    const id = canonicalJson(identity(item));
    if (!seen.has(id)) {
      seen.add(id);
      return [];
    }
    return [`${childPath(path, i)}: is there twice${type === "map" ? ` (by ${keys.join(", ")})` : ""}`];
  });
}
