import { ApiError, UnreachableError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { ONLY_READS } from "../../../kubernetes/object-check";
import { dig, digList, isMap } from "../../../kubernetes/objects";
import { workloadId } from "../../../kubernetes/workload";
import type { LiveWorkload } from "../../../kubernetes/workloads";
import { type InjectionMode, injectedIntoAnswer, type InjectorAnswer } from "../injected";

/** Labels and annotations by which injectors are told what to do. */
const INJECTION_KEY = /istio|inject|casa\.io|ambient/i;

type Templated = Pick<LiveWorkload, "kind" | "namespace" | "name" | "template" | "claimTemplates">;

/** Asks the webhooks of this moment what they would put into a pod of a workload; nothing is kept. */
export async function askInjector(
  client: ClusterClient,
  mode: InjectionMode,
  workload: Templated,
): Promise<InjectorAnswer> {
  if (client.readOnly) return { problem: "not-asked", message: ONLY_READS };
  const path = `/api/v1/namespaces/${workload.namespace}/pods`;
  try {
    const answer = await client.api.dryRun("POST", path, { body: podOf(workload) });
    return { injected: injectedIntoAnswer(mode, answer, workload.template.spec) };
  } catch (error) {
    if (error instanceof ApiError) return { problem: problemOf(error), message: oneLine(error.message) };
    if (error instanceof UnreachableError) return { problem: "not-asked", message: error.message };
    throw error;
  }
}

/** A pod as the workload's controller would create it. */
function podOf({ name, namespace, template, claimTemplates }: Templated): object {
  const metadata = isMap(template.metadata) ? template.metadata : {};
  const volumes = digList(template.spec, "volumes");
  const own = new Set(volumes.map((volume) => dig(volume, "name")));
  // The controller of a StatefulSet adds a volume for each claim template; without it the mounts would be refused.
  const claims = claimTemplates
    .filter((claim) => !own.has(claim))
    .map((claim) => ({ name: claim, persistentVolumeClaim: { claimName: `${claim}-${name}-0` } }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata, namespace, generateName: `${name.slice(0, 200)}-` },
    spec: { ...template.spec, ...(claims.length > 0 ? { volumes: [...volumes, ...claims] } : {}) },
  };
}

function problemOf({ code, message }: ApiError): "down" | "refused" | "not-asked" {
  if (/failed calling webhook/.test(message)) return "down";
  if (code === 400 && /does not support dry run|dryRun/i.test(message)) return "not-asked";
  // RBAC words it so; quota and admission name the pod.
  if (code === 403 && /cannot create resource "pods"/.test(message)) return "not-asked";
  return code >= 500 || code === 429 ? "not-asked" : "refused";
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
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
