import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { type RunningPod, runningPods, withAdopted } from "../../../kubernetes/running-pods";
import { dig } from "../../../kubernetes/objects";
import type { PodSource } from "../../../kubernetes/pod-of";
import { sample } from "../../../kubernetes/sample";
import { podTemplate, texts as labelMap } from "../../../kubernetes/workload-schema";
import { isAsked, podWebhooks, selectedKeys } from "../../../kubernetes/webhooks";
import { workloadId } from "../../../kubernetes/workload";
import type { LiveWorkload } from "../../../kubernetes/workloads";
import { type InjectionMode, ownWebhooks } from "../injected";
import { type InjectionFacts, lackingPods, losingPods, NO_INJECTION_FACTS } from "../injection-facts";
import type { LaterPods } from "../later-pods";
import type { OtherWorkload } from "../other-kinds";
import type { UninjectedPods } from "../why-not-injected";
import { askForEach, askInjector } from "./injector";

/**
 * Asks the injector about each workload, and compares the running pods with what it says. Changes nothing.
 *
 * @param webhook MutatingWebhookConfiguration of mode `cilium`.
 */
export async function readInjection(
  client: ClusterClient,
  { mode, webhook }: { mode: InjectionMode; webhook: string },
  workloads: readonly LiveWorkload[],
  later: readonly LaterSource[] = [],
): Promise<InjectionFacts> {
  if (workloads.length === 0 && later.length === 0) return NO_INJECTION_FACTS;
  const webhooks = await podWebhooks(client);
  // Nobody injects: nothing need be asked.
  if (webhooks?.length === 0) return { ...NO_INJECTION_FACTS, webhooks };
  const { answers, askedAlone } = await askForEach(client, mode, workloads, selectedKeys(webhooks ?? []));
  const answered = workloads.filter((one) => "injected" in (answers.get(workloadId(one)) ?? {}));
  const namespaces = [...new Set(answered.map(({ namespace }) => namespace))].sort();
  const pods = await Promise.all(
    namespaces.map(async (namespace) => {
      const own = answered.filter((one) => one.namespace === namespace);
      return { namespace, of: await list(client, namespace, own) };
    }),
  );
  const unlisted = pods.flatMap(({ namespace, of }) => (of === undefined ? [namespace] : []));
  const listed = pods.flatMap(({ of }) => of ?? []);
  const meant = ownWebhooks(mode, webhook, webhooks ?? []);
  const labels = new Map(
    await Promise.all(namespaces.map(async (name) => [name, await labelsOf(client, name)] as const)),
  );
  return {
    answers,
    askedAlone,
    lacking: lackingPods(mode, answered, answers, listed),
    losing: losingPods(mode, answered, answers, listed, ({ namespace, podLabels }) =>
      meant.some((one) => isAsked(one, labels.get(namespace) ?? {}, podLabels)),
    ),
    unlisted,
    later: await askLater(client, mode, later),
    ...(webhooks ? { webhooks } : {}),
  };
}

/** What has no pods now. */
export type LaterSource = PodSource & UninjectedPods;

/** Those that are asked about; more would only load the API server. */
const MOST_LATER = 50;

function askLater(client: ClusterClient, mode: InjectionMode, later: readonly LaterSource[]): Promise<LaterPods[]> {
  return Promise.all(
    sample(later, MOST_LATER).map(async (one) => {
      // The pods of a CronJob are those of its Jobs.
      const source = one.kind === "CronJob" ? { ...one, kind: "Job" } : one;
      const [answer, labels] = [await askInjector(client, mode, source), await labelsOf(client, one.namespace)];
      return { ...one, answer, namespaceLabels: labels };
    }),
  );
}

/** What makes pods later: workloads without replicas, CronJobs, Jobs. */
export function laterSources(workloads: readonly LiveWorkload[], others: readonly OtherWorkload[]): LaterSource[] {
  const jobs = others.flatMap(({ kind, namespace, name, template }): LaterSource[] => {
    const metadata = texts.safeParse(template?.metadata).data;
    const [podLabels, podAnnotations] = [metadata?.labels ?? {}, metadata?.annotations ?? {}];
    return template ? [{ kind, namespace, name, template, claimTemplates: [], podLabels, podAnnotations }] : [];
  });
  return [...workloads.filter(({ replicas }) => replicas === 0), ...jobs];
}

const texts = podTemplate.shape.metadata;

/** None where the namespace may not be read. */
async function labelsOf(client: ClusterClient, name: string): Promise<Record<string, string>> {
  try {
    const labels = dig(await client.api.get({ apiVersion: "v1", kind: "Namespace" }, "", name), "metadata", "labels");
    return labelMap.safeParse(labels).data ?? {};
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return {};
    throw error;
  }
}

async function list(
  client: ClusterClient,
  namespace: string,
  workloads: readonly LiveWorkload[],
): Promise<RunningPod[] | undefined> {
  try {
    const pods = await runningPods(client, namespace);
    const misses = (one: LiveWorkload) =>
      pods.filter(({ workload }) => workload === workloadId(one)).length < one.replicas;
    const byReplicaSet = workloads.filter(({ kind }) => kind === "Deployment" || kind === "Rollout");
    return byReplicaSet.some(misses) ? await withAdopted(client, namespace, pods) : pods;
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return undefined;
    throw error;
  }
}
