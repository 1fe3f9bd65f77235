import { canonicalJson } from "../../shared/digest";
import { isMap } from "../../kubernetes/objects";
import { fieldOf, itemsOf, pathOf, type SchemaNode, type Step, stepTo } from "./structural";

/**
 * Elements that are there twice in lists that are sets, or maps by their keys (x-kubernetes-list-type). Source:
 * apiextensions-apiserver 1.34, pkg/apiserver/schema/listtype.
 */
export function duplicateItems(value: unknown, node: SchemaNode | undefined, step?: Step): string[] {
  if (node === undefined) return [];
  if (isMap(value)) {
    return Object.entries(value).flatMap(([key, at]) => duplicateItems(at, fieldOf(node, key), stepTo(step, key)));
  }
  if (!Array.isArray(value)) return [];
  const below = value.flatMap((item, i) => duplicateItems(item, itemsOf(node), stepTo(step, i)));
  return [...twice(value, node, step), ...below];
}

function twice(list: readonly unknown[], node: SchemaNode, step: Step | undefined): string[] {
  const type = node["x-kubernetes-list-type"];
  if (type !== "set" && type !== "map") return [];
  const keys = Array.isArray(node["x-kubernetes-list-map-keys"])
    ? (node["x-kubernetes-list-map-keys"] as string[])
    : [];
  if (type === "map" && list.some((item) => item !== null && !isMap(item)))
    return [`${pathOf(step)}: must hold objects`];
  const identity = (item: unknown) =>
    type === "set" ? item : Object.fromEntries(keys.map((key) => [key, isMap(item) ? item[key] : undefined]));
  const seen = new Set<string>();
  return list.flatMap((item, i) => {
    const id = canonicalJson(identity(item));
    if (!seen.has(id)) {
      seen.add(id);
      return [];
    }
    return [`${pathOf(stepTo(step, i))}: is there twice${type === "map" ? ` (by ${keys.join(", ")})` : ""}`];
  });
}
