import { isAsked, type PodWebhook, servedValues } from "../../kubernetes/webhooks";
import { labelsToSelect, selects } from "../../kubernetes/label-selector";
import { dig } from "../../kubernetes/objects";
import type { LiveWorkload } from "../../kubernetes/workloads";
import { shellWord } from "../../shared/shell-word";
import { type InjectionMode, ownWebhooks } from "./injected";

/** Why pods of a workload get nothing injected, and what to do. */
export interface NotInjected {
  why: string;
  fix: string;
}

/** What is known of the injectors. */
export interface KnownInjectors {
  /** Undefined when they may not be listed. */
  webhooks: readonly PodWebhook[] | undefined;
  /** MutatingWebhookConfiguration of mode `cilium`; undefined: any. */
  webhook?: string;
  /** Revisions of Istio that answered in this run. */
  revisions?: readonly string[];
}

/** What the pods are of, and what webhooks and Istio's injector go by. */
export type UninjectedPods = Pick<LiveWorkload, "namespace" | "podLabels" | "podAnnotations" | "name" | "template"> & {
  readonly kind: string;
};

const INJECT = "sidecar.istio.io/inject";
const REVISION = "istio.io/rev";
const NAMESPACE_WIDE = "istio-injection";
const AMBIENT = "istio.io/dataplane-mode";

type Labels = Readonly<Record<string, string>>;

/**
 * Says why the injector adds nothing to a workload's pods, although the API server was asked and would create them: by
 * the labels that the webhooks' selectors decide by.
 */
export function whyNotInjected(
  mode: InjectionMode,
  { webhooks, webhook, revisions = [] }: KnownInjectors,
  workload: UninjectedPods,
  namespaceLabels: Labels,
): NotInjected {
  const { namespace, podLabels, podAnnotations, kind, name } = workload;
  const label = (text: string) => `kubectl label namespace ${shellWord(namespace)} ${text} --overwrite`;
  const template = `the pod template of ${kind} ${namespace}/${name}`;
  const own = webhooks && ownWebhooks(mode, webhook, webhooks);
  const asked = (own ?? []).filter((one) => isAsked(one, namespaceLabels, podLabels));
  const unselected = (): NotInjected => {
    const where = namespaceText(namespaceLabels);
    const byPod = (own ?? []).find((one) => selects(one.namespaceSelector, namespaceLabels));
    if (mode === "cilium" && byPod) {
      const missing = labelsToSelect(byPod.objectSelector, podLabels).join(", ");
      return { why: "no webhook is asked about its pods, by their labels", fix: `set ${missing} in ${template}` };
    }
    const fix = label(injecting(mode, own ?? [], revisions, namespaceLabels, podLabels));
    return { why: `no webhook is asked about its pods: ${where}`, fix };
  };
  if (mode === "cilium") {
    if (own === undefined) return unlisted();
    return asked.length === 0 ? unselected() : silent(asked, namespace);
  }

  // Of both the label counts, as for Istio.
  if ((podLabels[INJECT] ?? podAnnotations[INJECT]) === "false") {
    return { why: `its pods say ${INJECT}=false`, fix: `take ${INJECT} out of ${template}` };
  }
  if (dig(workload.template.spec, "hostNetwork") === true) {
    return {
      why: "its pods use the host's network, where Istio injects nothing",
      fix: `take hostNetwork out of ${template}`,
    };
  }
  const switchedOn = () => injecting(mode, own ?? [], revisions, namespaceLabels, podLabels);
  if (namespaceLabels[AMBIENT] === "ambient" || podLabels[AMBIENT] === "ambient") {
    return {
      why: "it is in the ambient mesh (istio.io/dataplane-mode=ambient): its pods have no proxy that CASA's filters run in",
      fix:
        podLabels[AMBIENT] === undefined
          ? label(`${AMBIENT}- ${switchedOn()}`)
          : `take ${AMBIENT} out of ${template}; ${label(switchedOn())}`,
    };
  }
  if (namespaceLabels[NAMESPACE_WIDE] === "disabled") {
    return { why: "its namespace says istio-injection=disabled", fix: label(switchedOn()) };
  }
  if (own === undefined) return unlisted();
  const revision = podLabels[REVISION] ?? namespaceLabels[REVISION];
  const served = servedValues(own, REVISION);
  if (revision !== undefined && namespaceLabels[NAMESPACE_WIDE] === undefined && !served.includes(revision)) {
    const others = served.length === 0 ? "none is" : `served: ${served.join(", ")}`;
    const best = served.find((one) => revisions.includes(one)) ?? served[0];
    const fix =
      podLabels[REVISION] === undefined
        ? label(switchedOn())
        : `set ${REVISION} in ${template}${best === undefined ? "" : ` to ${best}`}`;
    return { why: `no webhook serves its revision ${revision} (${others})`, fix };
  }
  return asked.length > 0 ? silent(asked, namespace) : unselected();
}

function unlisted(): NotInjected {
  return {
    why: "nothing is injected into its pods; the webhooks may not be listed by this user, so why is not known",
    fix: "let the user list mutatingwebhookconfigurations.admissionregistration.k8s.io, or ask somebody who may",
  };
}

function silent(asked: readonly PodWebhook[], namespace: string): NotInjected {
  const names = [...new Set(asked.map(({ configuration }) => configuration))].join(", ");
  return {
    why:
      `${names} is asked about its pods and adds nothing: it does not answer and is ignored, or its own settings ` +
      "leave such pods out",
    fix: `look at what serves ${names}, at its settings, and at the events of namespace ${namespace}`,
  };
}

function namespaceText(labels: Labels): string {
  const injection = Object.entries(labels).filter(([key]) => /istio|inject/.test(key));
  if (injection.length === 0) return "its namespace has no injection label";
  return `its namespace has ${injection.map(([key, value]) => `${key}=${value}`).join(", ")}`;
}

/** The changes to a namespace's labels by which one of the webhooks is asked about the pods, as kubectl takes them. */
function injecting(
  mode: InjectionMode,
  webhooks: readonly PodWebhook[],
  revisions: readonly string[],
  namespaceLabels: Labels,
  podLabels: Labels,
): string {
  const usual = mode === "istio" ? `${NAMESPACE_WIDE}=enabled` : "casa.io/injection=enabled";
  const changes = webhooks
    .filter(({ objectSelector }) => selects(objectSelector, podLabels))
    .map(({ namespaceSelector }) => labelsToSelect(namespaceSelector, namespaceLabels).join(" "))
    // The API server sets that label itself.
    .filter((text) => text !== "" && !text.includes("kubernetes.io/metadata.name"));
  const answers = (text: string) => revisions.some((one) => text.includes(`${REVISION}=${one}`));
  const isRevision = (text: string) => text.includes(`${REVISION}=`);
  const byRevision = namespaceLabels[REVISION] !== undefined;
  // First those of a control plane that answers; then the way that the namespace goes already; then the shortest.
  const rank = (text: string) => [
    isRevision(text) && revisions.length > 0 && !answers(text) ? 1 : 0,
    isRevision(text) === byRevision ? 0 : 1,
    text.split(" ").length,
  ];
  const [best] = changes.sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    const at = left.findIndex((value, i) => value !== right[i]);
    return at < 0 ? (a < b ? -1 : 1) : (left[at] ?? 0) - (right[at] ?? 0);
  });
  return best ?? usual;
}
