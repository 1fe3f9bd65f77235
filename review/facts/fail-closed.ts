import { dig, isMap, type KubeObject } from "../../kubernetes/objects";

/**
 * Objects of the release by which traffic of MAS workloads is denied, or their pods not started, when the sidecar or
 * its injector does not answer: Istio's ext_authz filters with `failure_mode_allow` off (Envoy's default), plugins with
 * FAIL_CLOSE (Istio's default), webhooks with failurePolicy Fail (Kubernetes' default).
 */
export function failClosed(objects: readonly KubeObject[]): string[] {
  return objects.filter(denies).map(({ kind, metadata }) => `${kind} ${metadata.name ?? ""}`);
}

function denies(object: KubeObject): boolean {
  switch (object.kind) {
    case "EnvoyFilter":
      return authzFilters(object["spec"]).some((filter) => filter["failure_mode_allow"] !== true);
    case "WasmPlugin":
      return (dig(object, "spec", "failStrategy") ?? "FAIL_CLOSE") === "FAIL_CLOSE";
    case "MutatingWebhookConfiguration": {
      const webhooks = Array.isArray(object["webhooks"]) ? (object["webhooks"] as unknown[]) : [];
      return webhooks.some((webhook) => (dig(webhook, "failurePolicy") ?? "Fail") === "Fail");
    }
    default:
      return false;
  }
}

/** Every ext_authz configuration in an EnvoyFilter, wherever its patches put it. */
function authzFilters(node: unknown): Record<string, unknown>[] {
  if (Array.isArray(node)) return node.flatMap(authzFilters);
  if (!isMap(node)) return [];
  const type = node["@type"];
  if (typeof type === "string" && /\.ext_authz\.v\d+\.ExtAuthz$/.test(type)) return [node];
  return Object.values(node).flatMap(authzFilters);
}
