import { UserError } from "../shared/user-error";
import { z } from "zod";
import { rolloutFacts, withReferredTemplate } from "./argo-rollouts";
import { apiVersionOf, WORKLOAD_KINDS, type WorkloadKind } from "./workload";
import { strategyOf } from "./strategy";
import { ApiError } from "./api";
import type { LiveWorkload } from "./live-workload";
import { controllerOf } from "./owner-reference";
import { count, podTemplate, workloadMetadata } from "./workload-schema";
import { labelSelector, selectorText } from "./selector-text";
import { type ClusterClient, parseObject } from "./connect";

export type { LiveWorkload } from "./live-workload";

/** An error of a request, with what to grant where it was a missing permission. */
export function orNotAllowed(error: unknown, problem: string, fix: string[]): unknown {
  if (!(error instanceof ApiError) || error.code !== 403) return error;
  return new UserError("permission", `missing permission: ${problem}: ${error.message}`, fix.join("\n    "));
}

const strategy = z.looseObject({
  type: z.string().default("RollingUpdate"),
  rollingUpdate: z.looseObject({ partition: z.number().optional() }).nullish(),
});
const workload = z.looseObject({
  metadata: workloadMetadata,
  spec: z.looseObject({
    replicas: z.number().nullish(),
    paused: z.boolean().default(false),
    strategy: strategy.nullish(),
    updateStrategy: strategy.nullish(),
    selector: labelSelector.nullish(),
    podManagementPolicy: z.string().nullish(),
    ordinals: z.looseObject({ start: z.number().nullish() }).nullish(),
    volumeClaimTemplates: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) })).nullish(),
    template: podTemplate,
  }),
  status: z
    .looseObject({
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.string(), reason: z.string().nullish() }))
        .nullish(),
      observedGeneration: count,
      replicas: count,
      updatedReplicas: count,
      availableReplicas: count,
      readyReplicas: count,
      currentRevision: z.string().optional(),
      updateRevision: z.string().optional(),
      desiredNumberScheduled: count,
      currentNumberScheduled: count,
      updatedNumberScheduled: count,
      numberAvailable: count,
      numberReady: count,
    })
    .prefault({}),
});

/** Workloads of a kind that may not be listed in a namespace. */
export interface UnlistedWorkloads {
  readonly kind: WorkloadKind;
  readonly namespace: string;
}

/**
 * Deployments, StatefulSets, DaemonSets and Argo Rollouts of these namespaces: four lists a namespace, whatever their
 * number. Users who may not list DaemonSets or Rollouts get the others.
 *
 * @param onUnlisted told of those that may not be listed.
 * @throws UserError when the others may not be listed.
 */
export async function readWorkloads(
  client: ClusterClient,
  namespaces: string[],
  onUnlisted: (unlisted: UnlistedWorkloads) => void = () => undefined,
): Promise<LiveWorkload[]> {
  // Asked once: a kind that is not served would be looked for again in each namespace.
  const kinds = await Promise.all(
    WORKLOAD_KINDS.map(async (kind) => ((await client.api.resource(apiVersionOf(kind), kind)) ? [kind] : [])),
  );
  const lists = namespaces.flatMap((namespace) =>
    kinds.flat().map(async (kind) => {
      const items = await client.api
        .list({ apiVersion: apiVersionOf(kind), kind }, namespace)
        .catch((error: unknown): object[] => {
          const usual = kind === "Deployment" || kind === "StatefulSet";
          if (!usual && error instanceof ApiError && error.code === 403) {
            onUnlisted({ kind, namespace });
            return [];
          }
          throw orNotAllowed(error, `the workloads of namespace ${namespace} may not be read`, [
            `let the user get, list, watch and patch deployments.apps and statefulsets.apps in namespace ${namespace}`,
          ]);
        });
      if (kind !== "Rollout") return items.map((item) => workloadFacts(kind, item));
      return Promise.all(items.map(async (item) => rolloutFacts(await withReferredTemplate(client, item))));
    }),
  );
  return (await Promise.all(lists)).flat();
}

/**
 * Reads one workload; undefined when it, or its kind, does not exist.
 *
 * @returns the object as it is, too: of a Rollout with the template that it refers to.
 */
export async function readWorkload(
  client: ClusterClient,
  { kind, namespace, name }: { kind: WorkloadKind; namespace: string; name: string },
): Promise<{ object: unknown; live: LiveWorkload } | undefined> {
  const found = await client.api.get({ apiVersion: apiVersionOf(kind), kind }, namespace, name);
  if (found === undefined) return undefined;
  const object = kind === "Rollout" ? await withReferredTemplate(client, found) : found;
  return { object, live: workloadFacts(kind, object) };
}

/** Reads one workload. @throws UserError when the object is not as its kind says. */
export function workloadFacts(kind: WorkloadKind, item: unknown): LiveWorkload {
  if (kind === "Rollout") return rolloutFacts(item);
  const { metadata: at, spec, status: reported } = parseObject(kind, item, workload);
  const status = kind === "DaemonSet" ? countsOfNodes(reported) : reported;
  const desired = kind === "DaemonSet" ? reported.desiredNumberScheduled : (spec.replicas ?? 1);
  const owner = controllerOf(at.ownerReferences);
  const template = spec.template.metadata;
  const rolling = spec.strategy ?? spec.updateStrategy;
  const facts = {
    kind,
    namespace: at.namespace,
    name: at.name,
    replicas: desired,
    paused: spec.paused,
    updateStrategy: rolling?.type ?? "RollingUpdate",
    updated: status.updatedReplicas,
    ready: status.readyReplicas,
    available: status.availableReplicas,
    old: Math.max(0, status.replicas - status.updatedReplicas),
    generation: at.generation,
    observedGeneration: status.observedGeneration,
    podLabels: template?.labels ?? {},
    podAnnotations: template?.annotations ?? {},
    annotations: at.annotations ?? {},
    strategy: strategyOf(kind, spec, desired),
    template: spec.template,
    claimTemplates: (spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name),
    podSelector: selectorText(spec.selector ?? {}),
    managedFields: at.managedFields,
    ...(spec.ordinals?.start ? { firstOrdinal: spec.ordinals.start } : {}),
    ...(kind === "StatefulSet" && spec.podManagementPolicy !== "Parallel" ? { inOrder: true as const } : {}),
    ...(at.deletionTimestamp ? { deleting: true as const } : {}),
    ...(owner ? { owner } : {}),
  };
  // A StatefulSet with a partition keeps the pods below it on the old template, and counts as rolled out all the same.
  const { partition } = facts.strategy;
  const toUpdate = Math.max(0, facts.replicas - partition);
  const oneRevision = kind !== "StatefulSet" || partition > 0 || status.currentRevision === status.updateRevision;
  const rolledOut =
    facts.observedGeneration >= facts.generation &&
    facts.updated >= toUpdate &&
    facts.available >= facts.replicas &&
    status.replicas <= facts.replicas &&
    oneRevision;
  const fails = (status.conditions ?? []).some(
    ({ type, status: is, reason }) =>
      (type === "ReplicaFailure" && is === "True") ||
      (type === "Progressing" && is === "False" && reason === "ProgressDeadlineExceeded"),
  );
  const failing = fails && !rolledOut && facts.observedGeneration >= facts.generation;
  return { ...facts, rolledOut, ...(failing ? { failing: true as const } : {}) };
}

/** A DaemonSet counts under names of its own. */
function countsOfNodes(status: z.infer<typeof workload>["status"]): z.infer<typeof workload>["status"] {
  const { currentNumberScheduled, updatedNumberScheduled, numberAvailable, numberReady } = status;
  return {
    ...status,
    ...{ replicas: currentNumberScheduled, updatedReplicas: updatedNumberScheduled },
    ...{ availableReplicas: numberAvailable, readyReplicas: numberReady },
  };
}

/** How far a rollout is: `1 of 2 replicas updated, 0 available, 1 old one left`. */
export function progressOf({ replicas, updated, available, old, paused }: LiveWorkload): string {
  const left = old === 0 ? "" : `, ${old} old one${old === 1 ? "" : "s"} left`;
  return `${updated} of ${replicas} replicas updated, ${available} available${left}${paused ? ", paused" : ""}`;
}
