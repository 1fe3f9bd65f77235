import { z } from "zod";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import type { LiveWorkload } from "../../../kubernetes/workloads";
import type { OtherWorkload } from "../other-kinds";
import type { NamedWorkload } from "../restarts";

const KINDS = [
  { apiVersion: "batch/v1", kind: "CronJob" },
  { apiVersion: "apps/v1", kind: "ReplicaSet" },
  { apiVersion: "batch/v1", kind: "Job" },
  { apiVersion: "v1", kind: "Pod" },
] as const;
const ROLLOUT = { apiVersion: "argoproj.io/v1alpha1", kind: "Rollout" } as const;
/** Names that are looked up; more are only told as not found. */
const MOST_NAMES = 50;

const rollout = z.looseObject({
  metadata: z.looseObject({ namespace: z.string(), name: z.string() }),
  spec: z.looseObject({ workloadRef: z.looseObject({ kind: z.string(), name: z.string() }).nullish() }).prefault({}),
});

/**
 * What else the names mean that no workload has: nothing is told as missing that only is of another kind. What may not
 * be read is passed over.
 */
export async function readOtherWorkloads(
  client: ClusterClient,
  named: readonly NamedWorkload[],
  workloads: readonly LiveWorkload[],
): Promise<OtherWorkload[]> {
  const known = new Map(workloads.map((one) => [`${one.namespace}/${one.name}`, one]));
  const open = new Map<string, { namespace: string; name: string }>();
  const scaledDown = new Set<string>();
  for (const { namespace, name } of named) {
    const live = known.get(`${namespace}/${name}`);
    if (live?.replicas === 0) scaledDown.add(namespace);
    if (live === undefined) open.set(`${namespace}/${name}`, { namespace, name });
  }
  const asked = [...open.values()].slice(0, MOST_NAMES);
  const [found, rollouts] = await Promise.all([
    Promise.all(asked.map((at) => lookUp(client, at))),
    readRollouts(client, [...new Set([...asked.map(({ namespace }) => namespace), ...scaledDown])]),
  ]);
  return [...rollouts, ...found.flat()];
}

async function lookUp(client: ClusterClient, { namespace, name }: { namespace: string; name: string }) {
  const kinds = await Promise.all(
    KINDS.map(async (type) => {
      const live = await orNothing(client.api.get(type, namespace, name), undefined);
      return live === undefined ? [] : [{ kind: type.kind, namespace, name }];
    }),
  );
  return kinds.flat();
}

async function readRollouts(client: ClusterClient, namespaces: readonly string[]): Promise<OtherWorkload[]> {
  const lists = await Promise.all(
    namespaces.map((namespace) => orNothing(client.list(ROLLOUT, namespace, rollout), [])),
  );
  return lists.flat().map(({ metadata: { namespace, name }, spec: { workloadRef } }) => ({
    ...{ kind: ROLLOUT.kind, namespace, name },
    ...(workloadRef ? { refersTo: { kind: workloadRef.kind, name: workloadRef.name } } : {}),
  }));
}

async function orNothing<T>(reading: Promise<T>, nothing: T): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return nothing;
    throw error;
  }
}
