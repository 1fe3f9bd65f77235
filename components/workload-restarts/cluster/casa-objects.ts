import { z } from "zod";
import { ApiError, isExpired } from "../../../kubernetes/api";
import { type ClusterClient, parseObject } from "../../../kubernetes/connect";
import { orNotAllowed } from "../../../kubernetes/workloads";
import type { CasaPolicyFacts, MultiAgentSystemFacts } from "../targets";

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

/**
 * All MultiAgentSystems; none when the cluster does not know the kind. @throws UserError when they may not be listed.
 */
export function listMultiAgentSystems(client: ClusterClient): Promise<MultiAgentSystemFacts[]> {
  return listCasa(client, "MultiAgentSystem", system, ({ metadata: at, spec }) => {
    const workloads = (spec?.apps ?? []).flatMap(({ kubernetesWorkloadName }) => kubernetesWorkloadName || []);
    return { namespace: at.namespace, name: at.name, workloads };
  });
}

/** All CASAPolicies; none when the cluster does not know the kind. @throws UserError when they may not be listed. */
export function listCasaPolicies(client: ClusterClient): Promise<CasaPolicyFacts[]> {
  return listCasa(client, "CASAPolicy", policy, ({ metadata: at, spec }) => ({
    namespace: at.namespace,
    name: at.name,
    targetRef: spec?.targetRef ?? undefined,
  }));
}

/**
 * Reads a kind of group casa.io in the version that the cluster prefers, or else in one that serves it; keeps facts
 * only.
 */
async function listCasa<T, F>(
  client: ClusterClient,
  kind: string,
  schema: z.ZodType<T>,
  factsOf: (object: T) => F,
): Promise<F[]> {
  try {
    const group = served.parse(await client.api.read("/apis/casa.io"));
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
    if (!isExpired(error)) throw error;
    return (await client.api.list(type)).map(factsOf);
  }
}
