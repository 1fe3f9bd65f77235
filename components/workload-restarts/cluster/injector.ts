import { containerImages } from "../../../kubernetes/container-images";
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
  if ("problem" in answer) return answer;
  const injected = injectedIntoAnswer(mode, answer.pod, workload.template.spec);
  return { injected, containers: containerImages(dig(answer.pod, "spec")) };
}

/** So many workloads are asked about by themselves; of more than that many, alike ones share an answer at first. */
const MOST_ALONE = 100;

/** The answers by `Kind/namespace/name`, and whose are of a question of their own. */
export interface Answers {
  answers: Map<string, InjectorAnswer>;
  askedAlone: Set<string>;
}

/**
 * Asks for each workload, since only the injector knows what it goes by. Of very many, those that look alike to it
 * share an answer: of one namespace, with the same labels and annotations that injectors are known to go by. Where it
 * is that nothing is injected, or that there would be no pod, they are asked about by themselves after all.
 *
 * @param selected label keys that webhooks select pods by.
 */
export async function askForEach(
  client: ClusterClient,
  mode: InjectionMode,
  workloads: readonly LiveWorkload[],
  selected: ReadonlySet<string>,
): Promise<Answers> {
  const asked = new Map<string, { of: string; answer: Promise<InjectorAnswer> }>();
  const askedAlone = new Set<string>();
  const answers = workloads.map(async (workload) => {
    const id = workloadId(workload);
    const key = workloads.length > MOST_ALONE ? injectionKey(workload, selected) : id;
    const shared = asked.get(key) ?? { of: id, answer: askInjector(client, mode, workload) };
    asked.set(key, shared);
    let answer = await shared.answer;
    if (shared.of !== id && !gives(answer) && askedAlone.size < MOST_ALONE) {
      askedAlone.add(id);
      answer = await askInjector(client, mode, workload);
    }
    if (shared.of === id) askedAlone.add(id);
    return [id, answer] as const;
  });
  return { answers: new Map(await Promise.all(answers)), askedAlone };
}

const gives = (answer: InjectorAnswer) => "injected" in answer && answer.injected.containers.length > 0;

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
