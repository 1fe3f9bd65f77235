import { z } from "zod";
import { dig } from "../../../kubernetes/objects";
import { median } from "../restart-estimate";
import { ownerOf } from "../../../kubernetes/running-pods";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";

/** Namespaces that are asked one by one; with more, one list of all pods costs the API server less. */
const NAMESPACES_ONE_BY_ONE = 20;
/** A pod that got ready later than this after its start lost its readiness in between; seconds. */
const LONGEST_START_SECONDS = 900;

const time = z.iso
  .datetime({ offset: true })
  .transform((text) => Date.parse(text) / 1000)
  .nullish();
const containers = z
  .array(
    z.looseObject({
      restartCount: z.number(),
      state: z.looseObject({ running: z.looseObject({ startedAt: time }).nullish() }).nullish(),
    }),
  )
  .nullish()
  .transform((list) => list ?? []);
const podSchema = z.looseObject({
  metadata: z.looseObject({
    namespace: z.string(),
    name: z.string(),
    labels: z.record(z.string(), z.string()).nullish(),
    ownerReferences: z
      .array(z.looseObject({ kind: z.string(), name: z.string(), controller: z.boolean().nullish() }))
      .nullish(),
  }),
  status: z.looseObject({
    startTime: time,
    containerStatuses: containers,
    initContainerStatuses: containers,
    conditions: z.array(z.looseObject({ type: z.string(), status: z.string(), lastTransitionTime: time })).nullish(),
  }),
});
type Pod = z.infer<typeof podSchema>;

/**
 * How long the pods of each workload took from their start until they were ready, by
 * `Kind/namespace/name`: the median of those that tell. Pods that are not ready, were restarted in place or got ready
 * long after they started tell nothing.
 *
 * An estimate is no reason to refuse an upgrade: pods that may not be listed are passed over, so the answer may be
 * empty.
 */
export async function readStartupTimes(client: ClusterClient, namespaces: string[]): Promise<Map<string, number>> {
  const times = new Map<string, number[]>();
  for (const item of await listPods(client, [...new Set(namespaces)])) {
    const pod = podSchema.safeParse(item).data;
    const workload = pod && podOwner(pod);
    const seconds = pod && startupSeconds(pod);
    if (workload === undefined || seconds === undefined) continue;
    times.set(workload, [...(times.get(workload) ?? []), seconds]);
  }
  return new Map([...times].flatMap(([workload, of]) => [[workload, median(of) ?? 0] as const]));
}

/**
 * One list for each namespace, or one list of all; at most 21 requests for as many namespaces as there are, pages
 * apart.
 */
async function listPods(client: ClusterClient, namespaces: string[]): Promise<object[]> {
  const list = async (namespace?: string) => {
    try {
      return await client.api.list({ apiVersion: "v1", kind: "Pod" }, namespace, {
        fieldSelector: "status.phase=Running",
      });
    } catch (error) {
      if (error instanceof ApiError || error instanceof UnreachableError) return undefined;
      throw error;
    }
  };
  if (namespaces.length > NAMESPACES_ONE_BY_ONE) {
    const all = await list();
    const asked = new Set(namespaces);
    if (all) return all.filter((item) => asked.has(String(dig(item, "metadata", "namespace"))));
  }
  const lists = await Promise.all(namespaces.slice(0, NAMESPACES_ONE_BY_ONE).map(list));
  return lists.flatMap((items) => items ?? []);
}

function podOwner({ metadata }: Pod): string | undefined {
  return ownerOf(metadata, metadata.labels ?? {}, metadata.ownerReferences ?? []).workload;
}

function startupSeconds({ status }: Pod): number | undefined {
  const { containerStatuses, initContainerStatuses, conditions, startTime } = status;
  const ready = (conditions ?? []).find(({ type }) => type === "Ready");
  if (ready?.status !== "True" || ready.lastTransitionTime === undefined || ready.lastTransitionTime === null) {
    return undefined;
  }
  if ([...containerStatuses, ...initContainerStatuses].some(({ restartCount }) => restartCount > 0)) return undefined;
  const containersStarted = containerStatuses.flatMap(({ state }) => state?.running?.startedAt ?? []);
  const start = startTime ?? (containersStarted.length > 0 ? Math.min(...containersStarted) : undefined);
  if (start === undefined) return undefined;
  const seconds = ready.lastTransitionTime - start;
  return seconds >= 0 && seconds <= LONGEST_START_SECONDS ? seconds : undefined;
}
