import { z } from "zod";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { dig, digList } from "../../../kubernetes/objects";
import { podTemplate } from "../../../kubernetes/workload-schema";
import { controllerOf, ownerReference } from "../../../kubernetes/owner-reference";
import type { LiveWorkload } from "../../../kubernetes/workloads";
import type { OtherWorkload } from "../other-kinds";
import type { NamedWorkload } from "../restarts";

const KINDS = [
  { apiVersion: "batch/v1", kind: "CronJob" },
  { apiVersion: "apps/v1", kind: "ReplicaSet" },
  { apiVersion: "batch/v1", kind: "Job" },
  { apiVersion: "v1", kind: "Pod" },
] as const;
/** Names that are looked up; more are only told as not found. */
const MOST_NAMES = 50;

const owned = z.looseObject({
  metadata: z.looseObject({ ownerReferences: z.array(ownerReference).nullish() }),
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
  const known = new Set(workloads.map(({ namespace, name }) => `${namespace}/${name}`));
  const open = new Map<string, { namespace: string; name: string }>();
  for (const { namespace, name } of named) {
    const key = `${namespace}/${name}`;
    if (!known.has(key)) open.set(key, { namespace, name });
  }
  const asked = [...open.values()].slice(0, MOST_NAMES);
  const found = (await Promise.all(asked.map((at) => lookUp(client, at)))).flat();
  const unknown = asked.filter((at) => !found.some((one) => one.namespace === at.namespace && one.name === at.name));
  return [...found, ...(await controllersOfPods(client, unknown))];
}

async function lookUp(client: ClusterClient, { namespace, name }: { namespace: string; name: string }) {
  const kinds = await Promise.all(
    KINDS.map(async (type) => {
      const live = await orNothing(client.api.get(type, namespace, name), undefined);
      if (live === undefined) return [];
      const template = templateOf(type.kind, live);
      return [{ kind: type.kind, namespace, name, ...(template ? { template } : {}) }];
    }),
  );
  return kinds.flat();
}

/** The template of the pods that a CronJob's next run has, or a Job that is not finished. */
function templateOf(kind: (typeof KINDS)[number]["kind"], live: unknown): OtherWorkload["template"] {
  const spec = kind === "CronJob" ? dig(live, "spec", "jobTemplate", "spec") : dig(live, "spec");
  const isFinished = digList(live, "status", "conditions").some(
    (one) => dig(one, "status") === "True" && ["Complete", "Failed"].includes(String(dig(one, "type"))),
  );
  if ((kind !== "CronJob" && kind !== "Job") || isFinished) return undefined;
  return podTemplate.safeParse(dig(spec, "template")).data;
}

/** What of any kind runs pods, or has workloads of its own, under these names: its pods and they say so. */
async function controllersOfPods(
  client: ClusterClient,
  names: readonly { namespace: string; name: string }[],
): Promise<OtherWorkload[]> {
  const namespaces = [...new Set(names.map(({ namespace }) => namespace))];
  const lists = await Promise.all(
    namespaces.flatMap((namespace) =>
      OWNED.map(async (type) => {
        const objects = await orNothing(client.list(type, namespace, owned), []);
        return objects.flatMap(({ metadata }) => {
          const owner = controllerOf(metadata.ownerReferences);
          return owner ? [{ ...owner, namespace }] : [];
        });
      }),
    ),
  );
  const controllers = lists.flat();
  return names.flatMap(({ namespace, name }) => {
    const found = controllers.find((one) => one.namespace === namespace && one.name === name);
    return found ?? [];
  });
}

/** What such a controller has: pods, or workloads that have them. */
const OWNED = [
  { apiVersion: "v1", kind: "Pod" },
  { apiVersion: "apps/v1", kind: "Deployment" },
  { apiVersion: "apps/v1", kind: "StatefulSet" },
] as const;

async function orNothing<T>(reading: Promise<T>, nothing: T): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return nothing;
    throw error;
  }
}
