import type { ClusterClient } from "../kubernetes/connect";
import { dig, digList, groupKind, isMap, type KubeObject, objectKey } from "../kubernetes/objects";
import type { PodSource } from "../kubernetes/pod-of";
import { POD_SPECS, podWorkload, textOf } from "../kubernetes/pod-templates";
import { configReferences } from "../kubernetes/references";
import { notSampled, sample } from "../kubernetes/sample";
import { type PodProblem, tryPod } from "../kubernetes/try-pod";
import { endlessContainers } from "./endless-jobs";
import type { HookChange } from "./hooks";
import type { ReleaseObject } from "./release-objects";
import type { Upgraded } from "./upgraded";

/** Pods that are tried; more would only load the API server. */
const MOST = 30;
/** What a pod may name that the chart brings itself, by the API server's words for its absence. */
const NOT_THERE_YET: readonly [RegExp, kind: string][] = [
  [/serviceaccount "([^"]*)" not found/, "ServiceAccount"],
  [/no PriorityClass with name (\S+) was found/, "PriorityClass"],
  [/RuntimeClass "([^"]*)" not found/i, "RuntimeClass"],
  [/namespaces "([^"]*)" not found/, "Namespace"],
];

/**
 * Pods of the release that would not come, as far as it can be seen before: the API server takes a Deployment and
 * refuses its pods, and helm waits for them until its time limit.
 */
export async function podsThatDoNotCome(client: ClusterClient, upgraded: Upgraded): Promise<string[]> {
  const { objects, hooks, replaced, namespace } = upgraded;
  return [
    ...(await refusedPods(client, upgraded)),
    ...earlyHooks(objects, hooks, namespace),
    ...blockedStatefulSets(objects, replaced, namespace),
  ];
}

/** What makes a pod that helm waits for. */
interface ComingPod extends PodSource {
  /** What needs it, in words. */
  readonly what: string;
  /** The controller may take an old pod away first, which makes room in a quota. */
  readonly makesRoom: boolean;
}

/** Pods that the API server would refuse: Pod Security, limits, quotas, admission policies and webhooks. */
async function refusedPods(
  client: ClusterClient,
  { objects, hooks, replaced, namespace }: Upgraded,
): Promise<string[]> {
  if (client.readOnly) return [];
  const coming = [
    ...objects.flatMap((object) => ofWorkload(object, replaced, namespace)),
    ...hooks.flatMap(({ hook }) => ofJob(hook, "hook ", namespace)),
    ...objects.flatMap(({ live, after }) => (live === undefined && after ? ofJob(after, "", namespace) : [])),
  ];
  const brought = [
    ...objects.flatMap(({ live, after }) => (live === undefined && after ? [after] : [])),
    ...hooks.map(({ hook }) => hook),
  ];
  const tried = sample(coming, MOST);
  const answers = await Promise.all(
    tried.map(async (pod): Promise<string[]> => {
      const answer = await tryPod(client, pod);
      if (!("problem" in answer)) return pod.kind === "Job" ? endlessContainers(pod, answer.pod) : [];
      return isToCome(answer.message, pod, brought, namespace) ? [] : told(answer, pod);
    }),
  );
  // One that may not be tried says the same for all.
  return [...new Set(answers.flat()), ...notSampled(coming.length, tried.length)];
}

/** Whether the pod is refused for something that this upgrade brings. */
function isToCome(message: string, pod: ComingPod, brought: readonly KubeObject[], namespace: string): boolean {
  return NOT_THERE_YET.some(([pattern, kind]) => {
    const name = pattern.exec(message)?.[1];
    // The release's own is made with the release.
    if (kind === "Namespace" && name === namespace) return true;
    return brought.some(
      ({ kind: of, metadata }) =>
        of === kind &&
        metadata.name === name &&
        (kind !== "ServiceAccount" || (metadata.namespace ?? namespace) === pod.namespace),
    );
  });
}

function told({ problem, message }: PodProblem, { namespace, what, makesRoom }: ComingPod): string[] {
  if (message.includes("exceeded quota") && makesRoom) return [];
  if (problem === "not-asked") return [`new pods in namespace ${namespace} were not tried: ${message}`];
  return [`the API server refuses new pods of ${what}, so helm would wait for them until timeouts.release: ${message}`];
}

function ofWorkload(
  { live, after }: ReleaseObject,
  replaced: ReadonlySet<string>,
  namespace: string,
): readonly ComingPod[] {
  const workload = podWorkload(after, namespace);
  const isNew = live === undefined;
  if (!workload || workload.replicas === 0 || !(isNew || replaced.has(workload.id))) return [];
  const claimTemplates = digList(after, "spec", "volumeClaimTemplates").flatMap(
    (claim) => textOf(dig(claim, "metadata", "name")) ?? [],
  );
  const { type, unavailable } = workload.strategy;
  const makesRoom = !isNew && (type !== "RollingUpdate" || unavailable > 0);
  return [{ ...workload, claimTemplates, what: workload.id, makesRoom }];
}

/** A hook that is a bare pod is tried with the other hooks. */
function ofJob(job: KubeObject, role: "hook " | "", namespace: string): readonly ComingPod[] {
  if (groupKind(job) !== "batch/Job") return [];
  const { kind, metadata } = job;
  const template = dig(job, "spec", "template");
  const name = metadata.name ?? textOf(metadata["generateName"]) ?? "";
  const at = { kind, name, namespace: metadata.namespace ?? namespace };
  const source = { ...at, template: isMap(template) ? template : {}, claimTemplates: [] };
  return [{ ...source, what: `${role}Job ${name}`, makesRoom: false }];
}

/** Hooks that run before the objects of the release, and whose pods need one of these. */
function earlyHooks(objects: readonly ReleaseObject[], hooks: readonly HookChange[], namespace: string): string[] {
  const toCome = new Set(
    objects.flatMap(({ live, after }) => (live === undefined && after ? [objectKey(after, namespace)] : [])),
  );
  const byHooks = new Set(hooks.map(({ hook }) => objectKey(hook, namespace)));
  return hooks.flatMap(({ hook, isBefore }) => {
    const path = POD_SPECS[groupKind(hook)];
    if (!path || !isBefore) return [];
    const at = hook.metadata.namespace ?? namespace;
    const spec = dig(hook, ...path);
    const account = textOf(dig(spec, "serviceAccountName"));
    const needed = [
      ...(account === undefined ? [] : [{ kind: "ServiceAccount", name: account }]),
      ...configReferences(spec).filter(({ optional }) => !optional),
    ];
    const missing = needed
      .map(({ kind, name }) => `/${kind} ${at}/${name}`)
      .filter((id) => toCome.has(id) && !byHooks.has(id));
    return [...new Set(missing)].map((id) => {
      const what = id.slice(1);
      return (
        `hook ${hook.kind} ${hook.metadata.name ?? ""} runs before the chart's objects and needs ${what}, which comes with them and ` +
        "does not exist yet: its pod would not start, and helm would wait for it until timeouts.release. Create it beforehand, or " +
        "choose a chart version that makes it a hook of a lower weight"
      );
    });
  });
}

/** StatefulSets with a pod that is not ready: their controller waits for it instead of replacing it. */
function blockedStatefulSets(
  objects: readonly ReleaseObject[],
  replaced: ReadonlySet<string>,
  namespace: string,
): string[] {
  return objects.flatMap(({ live, after }) => {
    const workload = podWorkload(after, namespace);
    if (!live || workload?.kind !== "StatefulSet" || !replaced.has(workload.id)) return [];
    const inOrder = (dig(live, "spec", "podManagementPolicy") ?? "OrderedReady") === "OrderedReady";
    const count = (field: string) => Number(dig(live, "status", field) ?? 0);
    const notReady = count("replicas") - count("readyReplicas");
    if (!inOrder || notReady <= 0 || workload.strategy.type !== "RollingUpdate") return [];
    return [
      `${notReady} of ${count("replicas")} pods of ${workload.id} not ready, and its controller replaces none before all are: unless ` +
        `they become ready by themselves, delete them once helm has changed it (kubectl delete pod), or helm waits until timeouts.release`,
    ];
  });
}
