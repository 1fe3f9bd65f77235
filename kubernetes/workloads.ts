import { z } from "zod";
import type { WorkloadFacts, WorkloadKind } from "../components/workload-restarts/restarts";
import { type Strategy, strategyOf } from "./strategy";
import { STAMP_ANNOTATION } from "../components/workload-restarts/stamp";
import type { CasaPolicyFacts, MultiAgentSystemFacts } from "../components/workload-restarts/targets";
import { ApiError } from "./api";
import { type ClusterClient, parseObject } from "./connect";
import { PreflightError } from "./problem";

/** A Deployment or StatefulSet as it is on the cluster. */
export interface LiveWorkload extends WorkloadFacts {
  /** Replicas that run the current template. */
  updated: number;
  ready: number;
  available: number;
  /** Replicas that still run an older template. */
  old: number;
  generation: number;
  observedGeneration: number;
  /** Labels that its pods carry. */
  podLabels: Record<string, string>;
  /** Its own annotations, not those of its pods. */
  annotations: Record<string, string>;
  /** How its controller replaces pods. */
  strategy: Strategy;
}

const metadata = z.object({ namespace: z.string().default("default"), name: z.string() });
const system = z.object({
  metadata,
  spec: z.object({ apps: z.array(z.object({ kubernetesWorkloadName: z.string().nullish() })).nullish() }).nullish(),
});
const policy = z.object({
  metadata,
  spec: z.object({ targetRef: z.object({ kind: z.string(), name: z.string() }).nullish() }).nullish(),
});
const served = z.looseObject({
  versions: z.array(z.looseObject({ groupVersion: z.string() })),
  preferredVersion: z.looseObject({ groupVersion: z.string() }).optional(),
});

/** All MultiAgentSystems; none when the cluster does not know the kind. @throws PreflightError when they may not be listed. */
export function listMultiAgentSystems(client: ClusterClient): Promise<MultiAgentSystemFacts[]> {
  return listCasa(client, "MultiAgentSystem", system, ({ metadata: at, spec }) => {
    const workloads = (spec?.apps ?? []).flatMap(({ kubernetesWorkloadName }) => kubernetesWorkloadName || []);
    return { namespace: at.namespace, name: at.name, workloads };
  });
}

/** All CASAPolicies; none when the cluster does not know the kind. @throws PreflightError when they may not be listed. */
export function listCasaPolicies(client: ClusterClient): Promise<CasaPolicyFacts[]> {
  return listCasa(client, "CASAPolicy", policy, ({ metadata: at, spec }) => ({
    namespace: at.namespace,
    name: at.name,
    targetRef: spec?.targetRef ?? undefined,
  }));
}

/** Reads a kind of group casa.io in the version that the cluster prefers, or else in one that serves it; keeps facts only. */
async function listCasa<T, F>(
  client: ClusterClient,
  kind: string,
  schema: z.ZodType<T>,
  factsOf: (object: T) => F,
): Promise<F[]> {
  try {
    const group = served.parse(await client.api.request("GET", "/apis/casa.io"));
    const versions = group.versions.map(({ groupVersion }) => groupVersion);
    for (const apiVersion of new Set([group.preferredVersion?.groupVersion ?? [], ...versions].flat())) {
      if (!(await client.api.resource(apiVersion, kind))) continue;
      return await collect(client, { apiVersion, kind }, (item) => factsOf(parseObject(kind, item, schema)));
    }
    return [];
  } catch (error) {
    if (error instanceof ApiError && error.code === 404) return [];
    throw orNotAllowed(
      error,
      `${kind} objects may not be listed in all namespaces, so the workloads to restart are not known`,
      [
        "let the user list multiagentsystems.casa.io and casapolicies.casa.io in all namespaces, or name the workloads:",
        "pulumi config set --path restarts.discovery false",
        "pulumi config set --path 'restarts.workloads[0]' <namespace/name>",
      ],
    );
  }
}

/** What is made of each object of a kind in all namespaces; the objects, which may be very many, are not kept. */
async function collect<F>(
  client: ClusterClient,
  type: { apiVersion: string; kind: string },
  factsOf: (item: object) => F,
) {
  const found: F[] = [];
  try {
    await client.api.eachPage(type, undefined, {}, (items) => {
      for (const item of items) found.push(factsOf(item));
    });
    return found;
  } catch (error) {
    // Pages that came too slowly expire; the whole list does not.
    if (!(error instanceof ApiError) || error.code !== 410) throw error;
    return (await client.api.list(type)).map(factsOf);
  }
}

function orNotAllowed(error: unknown, problem: string, fix: string[]): unknown {
  if (!(error instanceof ApiError) || error.code !== 403) return error;
  return new PreflightError(`missing permission: ${problem}: ${error.message}`, fix.join("\n    "));
}

const count = z
  .number()
  .nullish()
  .transform((value) => value ?? 0);
const strategy = z.looseObject({
  type: z.string().default("RollingUpdate"),
  rollingUpdate: z.looseObject({ partition: z.number().optional() }).nullish(),
});
const texts = z.record(z.string(), z.string()).nullish();
const workload = z.looseObject({
  metadata: z.looseObject({
    namespace: z.string(),
    name: z.string(),
    generation: z.number().default(0),
    annotations: texts,
  }),
  spec: z.looseObject({
    replicas: z.number().nullish(),
    paused: z.boolean().default(false),
    strategy: strategy.nullish(),
    updateStrategy: strategy.nullish(),
    template: z.looseObject({ metadata: z.looseObject({ annotations: texts, labels: texts }).nullish() }),
  }),
  status: z
    .looseObject({
      observedGeneration: count,
      replicas: count,
      updatedReplicas: count,
      availableReplicas: count,
      readyReplicas: count,
      currentRevision: z.string().optional(),
      updateRevision: z.string().optional(),
    })
    .prefault({}),
});

/**
 * Deployments and StatefulSets of these namespaces: two lists a namespace, whatever their number.
 *
 * @throws PreflightError when they may not be listed.
 */
export async function readWorkloads(client: ClusterClient, namespaces: string[]): Promise<LiveWorkload[]> {
  const kinds: WorkloadKind[] = ["Deployment", "StatefulSet"];
  const lists = namespaces.flatMap((namespace) =>
    kinds.map(async (kind) => {
      const items = await client.api.list({ apiVersion: "apps/v1", kind }, namespace).catch((error: unknown) => {
        throw orNotAllowed(error, `the workloads of namespace ${namespace} may not be read`, [
          `let the user get, list, watch and patch deployments.apps and statefulsets.apps in namespace ${namespace}`,
        ]);
      });
      return items.map((item) => workloadFacts(kind, item));
    }),
  );
  return (await Promise.all(lists)).flat();
}

/** Reads one Deployment or StatefulSet. @throws PreflightError when the object is not as its kind says. */
export function workloadFacts(kind: WorkloadKind, item: unknown): LiveWorkload {
  const { metadata: at, spec, status } = parseObject(kind, item, workload);
  const template = spec.template.metadata;
  const rolling = spec.strategy ?? spec.updateStrategy;
  const facts = {
    kind,
    namespace: at.namespace,
    name: at.name,
    replicas: spec.replicas ?? 1,
    paused: spec.paused,
    updateStrategy: rolling?.type ?? "RollingUpdate",
    stamp: template?.annotations?.[STAMP_ANNOTATION],
    updated: status.updatedReplicas,
    ready: status.readyReplicas,
    available: status.availableReplicas,
    old: Math.max(0, status.replicas - status.updatedReplicas),
    generation: at.generation,
    observedGeneration: status.observedGeneration,
    podLabels: template?.labels ?? {},
    annotations: at.annotations ?? {},
    strategy: strategyOf(kind, spec, spec.replicas ?? 1),
  };
  // A StatefulSet with a partition keeps the pods below it on the old template, and counts as rolled out all the same.
  const { partition } = facts.strategy;
  const toUpdate = Math.max(0, facts.replicas - partition);
  const oneRevision = kind === "Deployment" || partition > 0 || status.currentRevision === status.updateRevision;
  const rolledOut =
    facts.observedGeneration >= facts.generation &&
    facts.updated >= toUpdate &&
    facts.available >= facts.replicas &&
    status.replicas <= facts.replicas &&
    oneRevision;
  return { ...facts, rolledOut };
}

/** How far a rollout is: `1 of 2 replicas updated, 0 available, 1 old one left`. */
export function progressOf({ replicas, updated, available, old, paused }: LiveWorkload): string {
  const left = old === 0 ? "" : `, ${old} old one${old === 1 ? "" : "s"} left`;
  return `${updated} of ${replicas} replicas updated, ${available} available${left}${paused ? ", paused" : ""}`;
}
