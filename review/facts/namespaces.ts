import { type InjectionMode, ownWebhooks } from "../../components/workload-restarts/injected";
import type { InjectionFacts } from "../../components/workload-restarts/injection-facts";
import { whyNotInjected } from "../../components/workload-restarts/why-not-injected";
import { isAsked } from "../../kubernetes/webhooks";
import { workloadId } from "../../kubernetes/workload";
import type { LiveWorkload } from "../../kubernetes/workloads";
import type { NamespaceFact } from "./schema";

type Labels = Readonly<Record<string, string>>;

/** Labels of a namespace by which its pods usually get a proxy; any one of them is enough. */
const LABELS: Readonly<Record<InjectionMode, { needed: string; met: (labels: Labels) => boolean }>> = {
  istio: {
    needed: "istio-injection=enabled",
    // A revision label picks one of several control planes; istio-injection=disabled wins over it.
    met: (labels) =>
      labels["istio-injection"] === "enabled" ||
      (labels["istio-injection"] !== "disabled" && labels["istio.io/rev"] !== undefined),
  },
  cilium: { needed: "casa.io/injection=enabled", met: (labels) => labels["casa.io/injection"] === "enabled" },
};

/** What is known of the injection into MAS pods. */
export interface NamespaceInput {
  mode: InjectionMode;
  /** MutatingWebhookConfiguration of mode `cilium`. */
  webhook?: string;
  /** Namespace of each MAS workload. */
  mas: readonly { namespace: string }[];
  /** Labels of the namespaces that could be read. */
  labels: ReadonlyMap<string, Labels>;
  /** The workloads that the injector was asked about, and what it said. */
  workloads: readonly LiveWorkload[];
  injection: InjectionFacts;
}

/**
 * For each namespace with MAS workloads, whether their new pods get a proxy: as the API server's webhooks say of a pod
 * of each workload; where they could not be asked, by the namespace's labels.
 */
export function namespaceFacts(input: NamespaceInput): NamespaceFact[] {
  const counts = new Map<string, number>();
  for (const { namespace } of input.mas) counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
  const { needed, met } = LABELS[input.mode];
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => {
      const found = input.labels.get(name);
      const common = { name, label: needed, workloads: count };
      const asked = askedIn(name, input);
      const bare = asked.find(({ injected }) => !injected);
      if (bare) {
        const { webhooks, answers } = input.injection;
        const revisions = [...answers.values()].flatMap((one) =>
          "injected" in one ? (one.injected.revision ?? []) : [],
        );
        const known = { webhooks, webhook: input.webhook, revisions };
        const { why, fix } = whyNotInjected(input.mode, known, bare.workload, found ?? {});
        const { kind, name: which } = bare.workload;
        const workloads = asked.filter(({ injected }) => !injected).length;
        return { ...common, workloads, labelled: false, why: `${kind} ${name}/${which}: ${why}`, fix };
      }
      if (asked.length > 0) return { ...common, labelled: true };
      return { ...common, labelled: found === undefined ? null : met(found) };
    });
}

/** The workloads of a namespace that the injector was asked about and answered. */
function askedIn(namespace: string, { mode, webhook, workloads, labels, injection }: NamespaceInput) {
  // Other webhooks add containers, too; without CASA's own none of them is the proxy. It may come with this upgrade.
  const own = mode === "cilium" && injection.webhooks ? ownWebhooks(mode, webhook, injection.webhooks) : undefined;
  if (own?.length === 0) return [];
  return workloads
    .filter((workload) => workload.namespace === namespace)
    .flatMap((workload) => {
      const answer = injection.answers.get(workloadId(workload));
      if (!answer || !("injected" in answer)) return [];
      const isMeant = own?.some((one) => isAsked(one, labels.get(namespace) ?? {}, workload.podLabels)) ?? true;
      return [{ workload, injected: isMeant && answer.injected.containers.length > 0 }];
    });
}
