import { isMap, type KubeObject } from "../../kubernetes/objects";

/** Labels that every chart version changes on every object. */
const LABELS = new Set(["helm.sh/chart", "app.kubernetes.io/version", "chart", "heritage"]);

/**
 * Differences that say nothing of their own: labels with the chart's version, and checksums of other objects that show
 * themselves, and how the provider was told to patch. They are counted, not listed; that a checksum rolls pods is told
 * where rolls are.
 */
export function isNoise(path: readonly string[]): boolean {
  const field = path.at(-1) ?? "";
  const parent = path.at(-2);
  if (parent === "labels") return LABELS.has(field);
  return parent === "annotations" && /^checksum\/|(^|[/.-])checksum$|^pulumi\.com\/(patch|skipAwait)/.test(field);
}

/** Whether a controller writes a field anew whatever a chart has there: the rules of an aggregated ClusterRole. */
export function isOfController({ kind, ...object }: KubeObject, path: readonly string[]): boolean {
  return kind === "ClusterRole" && isMap(object["aggregationRule"]) && path[0] === "rules";
}
