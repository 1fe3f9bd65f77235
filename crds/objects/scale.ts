import { dig } from "../../kubernetes/objects";

/** Largest number of replicas that the scale subresource can tell. */
const MOST_REPLICAS = 2 ** 31 - 1;

/**
 * What the scale subresource of a CRD's version says about an object: numbers of replicas that are none. Source:
 * apiextensions-apiserver 1.34, pkg/registry/customresource/validator.go.
 *
 * @param scale `subresources.scale` of the version; undefined when it has none.
 */
export function scaleProblems(object: unknown, scale: unknown): string[] {
  if (scale === undefined || scale === null) return [];
  const at = (key: string) => {
    const path = dig(scale, key);
    if (typeof path !== "string") return undefined;
    const steps = path.replace(/^\./, "").split(".");
    return { path: steps.join("."), value: dig(object, ...steps) };
  };
  const problems = ["specReplicasPath", "statusReplicasPath"].flatMap((key) => {
    const found = at(key);
    if (!found || found.value === undefined) return [];
    const isCount = Number.isInteger(found.value) && Number(found.value) >= 0 && Number(found.value) <= MOST_REPLICAS;
    return isCount ? [] : [`${found.path}: must be a number of replicas (scale subresource)`];
  });
  const selector = at("labelSelectorPath");
  if (selector?.value === undefined || typeof selector.value === "string") return problems;
  return [...problems, `${selector.path}: must be string (scale subresource)`];
}
