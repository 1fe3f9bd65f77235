import { z } from "zod";
import type { WorkloadFacts, WorkloadKind } from "../plan/restarts";
import { STAMP_ANNOTATION } from "../plan/stamp";
import type { CasaPolicyFacts, MultiAgentSystemFacts } from "../plan/targets";
import { ApiError } from "./api";
import type { ClusterClient } from "./connect";
import { PreflightError } from "./problem";

const metadata = z.looseObject({ namespace: z.string().default("default"), name: z.string() });
const system = z.looseObject({
  metadata,
  spec: z
    .looseObject({
      apps: z.array(z.looseObject({ kubernetesWorkloadName: z.string().optional() })).nullish(),
    })
    .nullish(),
});
const policy = z.looseObject({
  metadata,
  spec: z.looseObject({ targetRef: z.looseObject({ kind: z.string(), name: z.string() }).nullish() }).nullish(),
});
const served = z.looseObject({
  versions: z.array(z.looseObject({ groupVersion: z.string() })),
  preferredVersion: z.looseObject({ groupVersion: z.string() }).optional(),
});

/** All MultiAgentSystems; none when the cluster does not know the kind. */
export async function listMultiAgentSystems(client: ClusterClient): Promise<MultiAgentSystemFacts[]> {
  return (await listCasa(client, "MultiAgentSystem")).map((item) => {
    const { metadata: at, spec } = system.parse(item);
    const workloads = (spec?.apps ?? []).flatMap(({ kubernetesWorkloadName }) => kubernetesWorkloadName ?? []);
    return { namespace: at.namespace, name: at.name, workloads };
  });
}

/** All CASAPolicies; none when the cluster does not know the kind. */
export async function listCasaPolicies(client: ClusterClient): Promise<CasaPolicyFacts[]> {
  return (await listCasa(client, "CASAPolicy")).map((item) => {
    const { metadata: at, spec } = policy.parse(item);
    return { namespace: at.namespace, name: at.name, targetRef: spec?.targetRef ?? undefined };
  });
}

/** Lists a kind of group casa.io in whatever version the cluster prefers. */
async function listCasa(client: ClusterClient, kind: string): Promise<object[]> {
  try {
    const group = served.parse(await client.api.request("GET", "/apis/casa.io"));
    const apiVersion = group.preferredVersion?.groupVersion ?? group.versions[0]?.groupVersion ?? "casa.io/v1alpha1";
    for (const candidate of [apiVersion, ...group.versions.map(({ groupVersion }) => groupVersion)]) {
      if (await client.api.resource(candidate, kind)) return await client.api.list({ apiVersion: candidate, kind });
    }
    return [];
  } catch (error) {
    if (error instanceof ApiError && error.code === 404) return [];
    if (error instanceof ApiError && error.code === 403) {
      throw new PreflightError(
        `${kind} objects may not be listed in all namespaces, so the workloads to restart are not known: ${error.message}`,
        "grant list on casa.io multiagentsystems and casapolicies, or name the workloads: " +
          "pulumi config set --path restarts.discovery false, pulumi config set --path 'restarts.workloads[0]' <namespace/name>",
      );
    }
    throw error;
  }
}

const workload = z.looseObject({
  metadata: z.looseObject({ namespace: z.string(), name: z.string(), generation: z.number().default(0) }),
  spec: z.looseObject({
    replicas: z.number().default(1),
    paused: z.boolean().default(false),
    strategy: z.looseObject({ type: z.string() }).optional(),
    updateStrategy: z.looseObject({ type: z.string() }).optional(),
    template: z.looseObject({
      metadata: z.looseObject({ annotations: z.record(z.string(), z.string()).nullish() }).nullish(),
    }),
  }),
  status: z
    .looseObject({
      observedGeneration: z.number().default(0),
      replicas: z.number().default(0),
      updatedReplicas: z.number().default(0),
      availableReplicas: z.number().default(0),
      readyReplicas: z.number().default(0),
      currentRevision: z.string().optional(),
      updateRevision: z.string().optional(),
    })
    .prefault({}),
});

/** Deployments and StatefulSets of these namespaces: two lists a namespace, whatever their number. */
export async function readWorkloads(client: ClusterClient, namespaces: string[]): Promise<WorkloadFacts[]> {
  const kinds: WorkloadKind[] = ["Deployment", "StatefulSet"];
  const lists = namespaces.flatMap((namespace) =>
    kinds.map(async (kind) => {
      const items = await client.api.list({ apiVersion: "apps/v1", kind }, namespace);
      return items.map((item) => workloadFacts(kind, item));
    }),
  );
  return (await Promise.all(lists)).flat();
}

/** Reads one Deployment or StatefulSet as the restart decision needs it. */
export function workloadFacts(kind: WorkloadKind, item: unknown): WorkloadFacts {
  const { metadata: at, spec, status } = workload.parse(item);
  const rolledOut =
    status.observedGeneration >= at.generation &&
    status.updatedReplicas >= spec.replicas &&
    status.availableReplicas >= spec.replicas &&
    status.replicas <= spec.replicas &&
    (kind === "Deployment" || status.currentRevision === status.updateRevision);
  return {
    kind,
    namespace: at.namespace,
    name: at.name,
    replicas: spec.replicas,
    paused: spec.paused,
    updateStrategy: spec.strategy?.type ?? spec.updateStrategy?.type ?? "RollingUpdate",
    stamp: spec.template.metadata?.annotations?.[STAMP_ANNOTATION],
    rolledOut,
  };
}
