import { listed } from "../../shared/listed";
import type { RunningPod } from "../../kubernetes/running-pods";
import type { PodProblem } from "../../kubernetes/try-pod";
import { isOfIstio, type PodWebhook } from "../../kubernetes/webhooks";
import { type WorkloadKind, workloadId } from "../../kubernetes/workload";
import type { LiveWorkload } from "../../kubernetes/workloads";
import { injectedInto, type InjectionMode, type InjectorAnswer, loses, podLacks } from "./injected";
import type { LaterPods } from "./later-pods";
import { isOfTemplate, replacedPods } from "./replaced-pods";

/** What is known of the injection into MAS pods before anything is decided. */
export interface InjectionFacts {
  /** What the injector says of a new pod of each MAS workload, by `Kind/namespace/name`. */
  readonly answers: ReadonlyMap<string, InjectorAnswer>;
  /** Workloads whose pods lack something of it, and what, in words. */
  readonly lacking: ReadonlyMap<string, string>;
  /** Workloads whose pods carry containers of the injector's that new ones would not get. */
  readonly losing: ReadonlyMap<string, Losing>;
  /** Workloads that were asked about by themselves; the others share the answer of one that is like them. */
  readonly askedAlone: ReadonlySet<string>;
  /** Mutating webhooks for pods; undefined when they may not be listed. */
  readonly webhooks?: readonly PodWebhook[];
  /** What would become of the next pods of those that have none now. */
  readonly later: readonly LaterPods[];
  /** Namespaces whose pods may not be listed, so that nothing is compared there. */
  readonly unlisted: readonly string[];
}

/** What a restart would take away. */
export interface Losing {
  /** Containers. */
  readonly names: readonly string[];
  /** A webhook that is meant to inject is asked about the pods, so it does not answer, or adds nothing. */
  readonly asked: boolean;
}

export const NO_INJECTION_FACTS: InjectionFacts = {
  ...{ answers: new Map(), lacking: new Map(), losing: new Map(), askedAlone: new Set(), unlisted: [], later: [] },
};

/** For each workload whose pods lack something of what its new pods would get: how many, and what. */
export function lackingPods(
  mode: InjectionMode,
  workloads: readonly LiveWorkload[],
  answers: ReadonlyMap<string, InjectorAnswer>,
  pods: readonly RunningPod[],
): Map<string, string> {
  const found = new Map<string, string>();
  for (const { workload, own, answer } of compared(workloads, answers, pods)) {
    const lacking = own.flatMap((pod) => podLacks(mode, pod, workload.template.spec, answer) ?? []);
    const [what] = [...new Set(lacking)].sort();
    if (what !== undefined) found.set(workloadId(workload), `${lacking.length} of ${own.length} pods: ${what}`);
  }
  return found;
}

/**
 * For each workload whose pods have containers that new ones would not get: which. Of mode `istio` that is told only
 * where new ones get nothing at all; how many containers a proxy consists of is the injector's business.
 */
export function losingPods(
  mode: InjectionMode,
  workloads: readonly LiveWorkload[],
  answers: ReadonlyMap<string, InjectorAnswer>,
  pods: readonly RunningPod[],
  isAskedAbout: (workload: LiveWorkload) => boolean,
): Map<string, Losing> {
  const found = new Map<string, Losing>();
  for (const { workload, own, answer } of compared(workloads, answers, pods)) {
    const wanted = answer.injected;
    if (mode === "istio" && wanted.containers.length > 0) continue;
    const lost = own.flatMap((pod) => loses(injectedInto(mode, pod, workload.template.spec), wanted));
    const names = [...new Set(lost)].sort();
    if (names.length > 0) found.set(workloadId(workload), { names, asked: isAskedAbout(workload) });
  }
  return found;
}

/** The pods that a restart replaces, beside what the injector gives new ones. */
function compared(
  workloads: readonly LiveWorkload[],
  answers: ReadonlyMap<string, InjectorAnswer>,
  pods: readonly RunningPod[],
): { workload: LiveWorkload; own: RunningPod[]; answer: Exclude<InjectorAnswer, PodProblem> }[] {
  const byWorkload = new Map<string, RunningPod[]>();
  for (const pod of pods) {
    if (pod.workload !== undefined) byWorkload.set(pod.workload, [...(byWorkload.get(pod.workload) ?? []), pod]);
  }
  return workloads.flatMap((workload) => {
    const answer = answers.get(workloadId(workload));
    if (!answer || !("injected" in answer)) return [];
    const own = replacedPods(workload, byWorkload.get(workloadId(workload)) ?? []);
    return [{ workload, own: own.filter((pod) => isOfTemplate(workload, pod)), answer }];
  });
}

/** A workload whose new pods are asked about before the first restart. */
export interface AskAbout {
  readonly kind: WorkloadKind;
  readonly namespace: string;
  readonly name: string;
  /** Containers that the injector put into its pods when the plan was made. */
  readonly injects: string[];
}

/** One workload for each namespace and each answer: what is true of it is true of those like it. */
export function representatives(
  targets: readonly { kind: WorkloadKind; namespace: string; name: string }[],
  { answers, losing }: InjectionFacts,
): AskAbout[] {
  const found = new Map<string, AskAbout>();
  for (const { kind, namespace, name } of targets) {
    const answer = answers.get(workloadId({ kind, namespace, name }));
    if (answer === undefined || ("problem" in answer && answer.problem !== "down")) continue;
    const given = "injected" in answer ? answer.injected.containers.map((container) => container.name) : [];
    // An injector that does not answer and is ignored gives nothing now either.
    const lost = losing.get(workloadId({ kind, namespace, name }));
    const injects = [...new Set([...given, ...(lost?.asked ? lost.names : [])])].sort();
    const key = `${namespace} ${injects.join(" ")}`;
    if (!found.has(key)) found.set(key, { kind, namespace, name, injects });
  }
  return [...found.values()];
}

/** What a reviewer should know where the injector or the pods could not be looked at, in words. */
export function injectionWarnings(
  mode: InjectionMode,
  { answers, losing, unlisted, webhooks }: InjectionFacts,
  pending: readonly { kind: WorkloadKind; namespace: string; name: string }[] = [],
): string[] {
  const lost = lossWarnings(losing, pending.map(workloadId));
  if (mode === "istio" && webhooks?.some(isOfIstio) === false) {
    const install = "install or repair Istio's control plane (kubectl get mutatingwebhookconfigurations)";
    return [`the cluster has no webhook that injects proxies, so no MAS pod gets one: ${install}`, ...lost];
  }
  const byProblem = new Map<string, string[]>();
  for (const [id, answer] of answers) {
    if ("injected" in answer) continue;
    // One pod is refused for what it is; the rest concerns all of a namespace.
    const where = answer.problem === "refused" ? id : (id.split("/")[1] ?? "");
    const key = `${answer.problem} ${answer.message}`;
    byProblem.set(key, [...new Set([...(byProblem.get(key) ?? []), where])]);
  }
  const texts = [...byProblem].map(([key, places]) => {
    const [problem = "", ...reason] = key.split(" ");
    const where =
      problem === "refused"
        ? listed(places.sort())
        : `namespace${places.length === 1 ? "" : "s"} ${places.sort().join(", ")}`;
    const said = reason.join(" ");
    if (problem === "down") {
      return `no pod can be created in ${where} now: ${said}. Repair the webhook: restarts there wait for it, and come after all others`;
    }
    return (
      `what is injected into MAS pods of ${where} could not be asked by a dry-run, so whether running pods carry it ` +
      `is not known, and restarts go by the release's configuration alone: ${said}`
    );
  });
  const pods = unlisted.map(
    (namespace) =>
      `pods of namespace ${namespace} may not be listed, so whether they carry what is injected is not known; ` +
      `to have it compared, let the user get and list pods there`,
  );
  return [...lost, ...texts, ...pods];
}

function lossWarnings(losing: InjectionFacts["losing"], pending: readonly string[]): string[] {
  const byNames = new Map<string, string[]>();
  for (const id of pending) {
    const names = losing.get(id)?.names.join(" and ");
    if (names !== undefined) byNames.set(names, [...(byNames.get(names) ?? []), id]);
  }
  return [...byNames].map(([names, ids]) => {
    return (
      `a restart takes ${names} away from ${listed(ids)}: their pods have it, and new ones ` +
      "would get none now; repair the injection first (labels, webhook, what serves it), or leave them out (restarts.exclude)"
    );
  });
}
