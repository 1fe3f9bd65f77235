import type { RunningPod } from "../../kubernetes/running-pods";
import type { PodWebhook } from "../../kubernetes/webhooks";
import { type WorkloadKind, workloadId } from "../../kubernetes/workload";
import type { LiveWorkload } from "../../kubernetes/workloads";
import { injectedInto, type InjectionMode, type InjectorAnswer, lacks } from "./injected";

/** What is known of the injection into MAS pods before anything is decided. */
export interface InjectionFacts {
  /** What the injector says of a new pod of each MAS workload, by `Kind/namespace/name`. */
  readonly answers: ReadonlyMap<string, InjectorAnswer>;
  /** Workloads whose pods lack something of it, and what, in words. */
  readonly lacking: ReadonlyMap<string, string>;
  /** Mutating webhooks for pods; undefined when they may not be listed. */
  readonly webhooks?: readonly PodWebhook[];
  /** Namespaces whose pods may not be listed, so that nothing is compared there. */
  readonly unlisted: readonly string[];
}

export const NO_INJECTION_FACTS: InjectionFacts = { answers: new Map(), lacking: new Map(), unlisted: [] };

/** For each workload whose pods lack something of what its new pods would get: how many, and what. */
export function lackingPods(
  mode: InjectionMode,
  workloads: readonly LiveWorkload[],
  answers: ReadonlyMap<string, InjectorAnswer>,
  pods: readonly RunningPod[],
): Map<string, string> {
  const byWorkload = new Map<string, RunningPod[]>();
  for (const pod of pods) {
    if (pod.workload !== undefined) byWorkload.set(pod.workload, [...(byWorkload.get(pod.workload) ?? []), pod]);
  }
  const found = new Map<string, string>();
  for (const workload of workloads) {
    const id = workloadId(workload);
    const answer = answers.get(id);
    if (!answer || !("injected" in answer)) continue;
    // A partition keeps the first pods of a StatefulSet on the old template, and is meant to.
    const own = (byWorkload.get(id) ?? []).filter(
      ({ ordinal }) => ordinal === undefined || ordinal >= workload.strategy.partition,
    );
    const lacking = own.flatMap((pod) => lacks(injectedInto(mode, pod, workload.template.spec), answer.injected) ?? []);
    const [what] = [...new Set(lacking)].sort();
    if (what !== undefined) found.set(id, `${lacking.length} of ${own.length} pods: ${what}`);
  }
  return found;
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
  { answers }: InjectionFacts,
): AskAbout[] {
  const found = new Map<string, AskAbout>();
  for (const { kind, namespace, name } of targets) {
    const answer = answers.get(workloadId({ kind, namespace, name }));
    if (answer === undefined || ("problem" in answer && answer.problem !== "down")) continue;
    const injects = "injected" in answer ? answer.injected.containers.map((container) => container.name) : [];
    const key = `${namespace} ${injects.join(" ")}`;
    if (!found.has(key)) found.set(key, { kind, namespace, name, injects });
  }
  return [...found.values()];
}

/** What a reviewer should know where the injector or the pods could not be looked at, in words. */
export function injectionWarnings(mode: InjectionMode, { answers, unlisted, webhooks }: InjectionFacts): string[] {
  if (webhooks?.length === 0 && mode === "istio") {
    const install = "install or repair Istio's control plane (kubectl get mutatingwebhookconfigurations)";
    return [`the cluster has no webhook that injects proxies, so no MAS pod gets one: ${install}`];
  }
  const byProblem = new Map<string, string[]>();
  for (const [id, answer] of answers) {
    if ("injected" in answer) continue;
    const namespace = id.split("/")[1] ?? "";
    const key = `${answer.problem} ${answer.message}`;
    byProblem.set(key, [...new Set([...(byProblem.get(key) ?? []), namespace])]);
  }
  const texts = [...byProblem].map(([key, namespaces]) => {
    const [problem = "", ...reason] = key.split(" ");
    const where = `namespace${namespaces.length === 1 ? "" : "s"} ${namespaces.sort().join(", ")}`;
    const said = reason.join(" ");
    if (problem === "down") {
      return `no pod can be created in ${where} now: ${said}. Repair the webhook: a restart waits for it`;
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
  return [...texts, ...pods];
}
