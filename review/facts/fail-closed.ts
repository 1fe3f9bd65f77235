import { dig, digList, isMap, type KubeObject } from "../../kubernetes/objects";

/** What becomes of MAS traffic, or of new MAS pods, when nobody answers: denied, or let through unasked. */
type Stance = "closed" | "open";

/**
 * Objects of the release by which traffic of MAS workloads is denied, or their pods not started, when the sidecar or
 * its injector does not answer: ext_authz and ext_proc filters of Envoy with `failure_mode_allow` off (the default),
 * plugins that do not say FAIL_OPEN, Istio's CUSTOM authorization (closed unless the mesh's provider says otherwise),
 * webhooks for pods with failurePolicy Fail (Kubernetes' default).
 */
export function failClosed(objects: readonly KubeObject[]): string[] {
  return those(objects, "closed");
}

/** Objects by which traffic passes without being authorized meanwhile, or pods start without a proxy. */
export function failOpen(objects: readonly KubeObject[]): string[] {
  return those(objects, "open");
}

function those(objects: readonly KubeObject[], stance: Stance): string[] {
  return objects
    .filter((object) => stanceOf(object) === stance)
    .map(({ kind, metadata }) => `${kind} ${metadata.name ?? ""}`);
}

function stanceOf(object: KubeObject): Stance | undefined {
  switch (object.kind) {
    case "EnvoyFilter":
    case "CiliumEnvoyConfig":
    case "CiliumClusterwideEnvoyConfig":
      return worst(authzFilters(object["spec"]).map(allows));
    case "WasmPlugin":
      return dig(object, "spec", "failStrategy") === "FAIL_OPEN" ? "open" : "closed";
    case "AuthorizationPolicy":
      return dig(object, "spec", "action") === "CUSTOM" ? "closed" : undefined;
    case "SecurityPolicy": {
      const extAuth = dig(object, "spec", "extAuth");
      return extAuth === undefined ? undefined : worst([dig(extAuth, "failOpen") === true]);
    }
    case "MutatingWebhookConfiguration":
      return worst(ofPods(object).map((webhook) => dig(webhook, "failurePolicy") === "Ignore"));
    case "ValidatingWebhookConfiguration":
      // One that only checks pods, and lets them pass, leaves nothing out of them.
      return worst(ofPods(object).map((webhook) => dig(webhook, "failurePolicy") === "Ignore")) === "closed"
        ? "closed"
        : undefined;
    default:
      return undefined;
  }
}

/** One that denies is enough. */
function worst(open: readonly boolean[]): Stance | undefined {
  if (open.length === 0) return undefined;
  return open.every(Boolean) ? "open" : "closed";
}

/** The webhooks that are asked about pods; those of other kinds stop no MAS pod. */
function ofPods(object: KubeObject): unknown[] {
  return digList(object, "webhooks").filter((webhook) => {
    const rules = digList(webhook, "rules");
    const resources = rules.flatMap((rule) => digList(rule, "resources"));
    return rules.length === 0 || resources.some((name) => name === "pods" || name === "*" || name === "*/*");
  });
}

const FILTER = /\.(?:ext_authz\.v\d+\.ExtAuthz|ext_proc\.v\d+\.ExternalProcessor)$/;

/** Envoy reads the names of fields in both spellings. */
const allows = (filter: Record<string, unknown>) =>
  filter["failure_mode_allow"] === true || filter["failureModeAllow"] === true;

/** Every configuration of such a filter, wherever an object has it. */
function authzFilters(node: unknown): Record<string, unknown>[] {
  if (Array.isArray(node)) return node.flatMap(authzFilters);
  if (!isMap(node)) return [];
  const [type, real] = [node["@type"], node["type_url"] ?? node["typeUrl"]];
  if (typeof type === "string" && FILTER.test(type)) return [node];
  // A TypedStruct has the type and the fields one level below.
  if (typeof real === "string" && FILTER.test(real)) return [isMap(node["value"]) ? node["value"] : {}];
  return Object.values(node).flatMap(authzFilters);
}
