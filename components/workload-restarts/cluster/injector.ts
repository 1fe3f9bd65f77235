import type { ClusterClient } from "../../../kubernetes/connect";
import { dig, digList } from "../../../kubernetes/objects";
import type { PodSource } from "../../../kubernetes/pod-of";
import { tryPod } from "../../../kubernetes/try-pod";
import { workloadId } from "../../../kubernetes/workload";
import type { LiveWorkload } from "../../../kubernetes/workloads";
import { type InjectionMode, injectedIntoAnswer, type InjectorAnswer } from "../injected";

/** Labels and annotations by which injectors are told what to do. */
const INJECTION_KEY = /istio|inject|casa\.io|ambient/i;

/** Asks the webhooks of this moment what they would put into a pod of a workload; nothing is kept. */
export async function askInjector(
  client: ClusterClient,
  mode: InjectionMode,
  workload: PodSource,
): Promise<InjectorAnswer> {
  const answer = await tryPod(client, workload);
  return "problem" in answer ? answer : { injected: injectedIntoAnswer(mode, answer.pod, workload.template.spec) };
}

/**
 * Asks for many workloads: once for each namespace and set of labels and annotations that injectors go by.
 *
 * @param selected label keys that webhooks select pods by.
 * @returns the answers by `Kind/namespace/name`.
 */
export async function askForEach(
  client: ClusterClient,
  mode: InjectionMode,
  workloads: readonly LiveWorkload[],
  selected: ReadonlySet<string>,
): Promise<Map<string, InjectorAnswer>> {
  const asked = new Map<string, Promise<InjectorAnswer>>();
  const answers = workloads.map(async (workload) => {
    const key = injectionKey(workload, selected);
    const answer = asked.get(key) ?? askInjector(client, mode, workload);
    asked.set(key, answer);
    return [workloadId(workload), await answer] as const;
  });
  return new Map(await Promise.all(answers));
}

/** The same for workloads that an injector treats alike. */
export function injectionKey(
  { namespace, podLabels, podAnnotations, template }: LiveWorkload,
  selected: ReadonlySet<string>,
): string {
  const counts = ([key]: [string, string]) => INJECTION_KEY.test(key) || selected.has(key);
  const sorted = (map: Record<string, string>) =>
    Object.entries(map)
      .filter(counts)
      .sort(([a], [b]) => (a < b ? -1 : 1));
  // A container by the injector's own name in the template is how its settings are changed for one workload.
  const own = [...digList(template.spec, "containers"), ...digList(template.spec, "initContainers")].filter((one) =>
    INJECTION_KEY.test(String(dig(one, "name"))),
  );
  const network = dig(template.spec, "hostNetwork") === true;
  return JSON.stringify([namespace, sorted(podLabels), sorted(podAnnotations), own, network]);
}
