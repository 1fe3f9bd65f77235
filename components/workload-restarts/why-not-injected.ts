import { isAsked, type PodWebhook, servedValues } from "../../kubernetes/webhooks";
import type { LiveWorkload } from "../../kubernetes/workloads";
import { shellWord } from "../../shared/shell-word";
import type { InjectionMode } from "./injected";

/** Why pods of a workload get nothing injected, and what to do. */
export interface NotInjected {
  why: string;
  fix: string;
}

const INJECT = "sidecar.istio.io/inject";
const REVISION = "istio.io/rev";
const NAMESPACE_WIDE = "istio-injection";

/**
 * Says why the injector adds nothing to a workload's pods, although the API server was asked and would create them: by
 * the labels that the webhooks' selectors decide by.
 */
export function whyNotInjected(
  mode: InjectionMode,
  webhooks: readonly PodWebhook[] | undefined,
  {
    namespace,
    podLabels,
    podAnnotations,
    kind,
    name,
  }: Pick<LiveWorkload, "namespace" | "podLabels" | "podAnnotations" | "kind" | "name">,
  namespaceLabels: Readonly<Record<string, string>>,
): NotInjected {
  const label = (text: string) => `kubectl label namespace ${shellWord(namespace)} ${text} --overwrite`;
  const asked = (webhooks ?? []).filter((webhook) => isAsked(webhook, namespaceLabels, podLabels));
  const template = `the pod template of ${kind} ${namespace}/${name}`;
  if (mode === "cilium") {
    const needed = "casa.io/injection=enabled";
    if (asked.length === 0)
      return { why: `no webhook is asked about its pods: ${namespaceText(namespaceLabels)}`, fix: label(needed) };
    return silent(asked, namespace);
  }

  if (podLabels[INJECT] === "false" || podAnnotations[INJECT] === "false") {
    return { why: `its pods say ${INJECT}=false`, fix: `take ${INJECT} out of ${template}` };
  }
  if (namespaceLabels["istio.io/dataplane-mode"] === "ambient" || podLabels["istio.io/dataplane-mode"] === "ambient") {
    return {
      why: "it is in the ambient mesh (istio.io/dataplane-mode=ambient): its pods have no proxy that CASA's filters run in",
      fix: label(`istio.io/dataplane-mode- ${injecting(webhooks)}`),
    };
  }
  if (namespaceLabels[NAMESPACE_WIDE] === "disabled") {
    return { why: "its namespace says istio-injection=disabled", fix: label(injecting(webhooks)) };
  }
  const revision = podLabels[REVISION] ?? namespaceLabels[REVISION];
  const served = servedValues(webhooks ?? [], REVISION);
  if (revision !== undefined && namespaceLabels[NAMESPACE_WIDE] === undefined && !served.includes(revision)) {
    const others = served.length === 0 ? "none is" : `served: ${served.join(", ")}`;
    const [first] = served;
    const fix =
      podLabels[REVISION] === undefined
        ? label(first === undefined ? injecting(webhooks) : `${REVISION}=${first}`)
        : `set ${REVISION} in ${template}${first === undefined ? "" : ` to ${first}`}`;
    return { why: `no webhook serves its revision ${revision} (${others})`, fix };
  }
  if (asked.length > 0) return silent(asked, namespace);
  return {
    why: `no webhook is asked about its pods: ${namespaceText(namespaceLabels)}`,
    fix: label(injecting(webhooks)),
  };
}

function silent(asked: readonly PodWebhook[], namespace: string): NotInjected {
  const names = [...new Set(asked.map(({ configuration }) => configuration))].join(", ");
  return {
    why: `${names} is asked about its pods and adds nothing: it does not answer and is ignored, or its pods use the host's network`,
    fix: `look at what serves ${names}, and at the events of namespace ${namespace}`,
  };
}

function namespaceText(labels: Readonly<Record<string, string>>): string {
  const injection = Object.entries(labels).filter(([key]) => /istio|inject/.test(key));
  if (injection.length === 0) return "its namespace has no injection label";
  return `its namespace has ${injection.map(([key, value]) => `${key}=${value}`).join(", ")}`;
}

/** The label that switches injection on with the control planes that there are. */
function injecting(webhooks: readonly PodWebhook[] | undefined): string {
  const wide = servedValues(webhooks ?? [], NAMESPACE_WIDE).includes("enabled");
  const [revision] = servedValues(webhooks ?? [], REVISION);
  return wide || revision === undefined ? "istio-injection=enabled" : `${REVISION}=${revision}`;
}
