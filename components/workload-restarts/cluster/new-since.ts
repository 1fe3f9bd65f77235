import { z } from "zod";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { dig, digList } from "../../../kubernetes/objects";
import { type RunningPod, runningPods } from "../../../kubernetes/running-pods";
import type { WorkloadKind } from "../../../kubernetes/workload";
import { readWorkload, workloadFacts } from "../../../kubernetes/workloads";
import { type InjectionMode, podLacks } from "../injected";
import { askInjector } from "./injector";

/** An object that the injected configuration comes from. */
export interface ConfigurationRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * Since when all pods of a workload are new: younger than everything that the injected configuration comes from, and
 * with what the injector of this moment injects. Undefined when they are not, or when that cannot be said: then it is
 * restarted.
 */
export async function newSince(
  client: ClusterClient,
  mode: InjectionMode,
  workload: { kind: WorkloadKind; namespace: string; name: string },
  configuration: readonly ConfigurationRef[],
): Promise<string | undefined> {
  try {
    const live = (await readWorkload(client, workload))?.live;
    if (!live?.rolledOut) return undefined;
    const pods = await runningPods(client, live.namespace, live.podSelector);
    const changed = await changedAt(client, configuration);
    // Whole seconds on both sides: one of the same second may be older.
    const isNew = ({ created }: RunningPod) => changed !== undefined && Date.parse(created) > changed;
    if (changed === undefined || pods.length < live.replicas || !pods.every(isNew)) return undefined;
    const answer = await askInjector(client, mode, live);
    if (!("injected" in answer)) return undefined;
    const complete = pods.every((pod) => !podLacks(mode, pod, live.template.spec, answer));
    return complete ? new Date(changed + 1000).toISOString().replace(".000Z", "Z") : undefined;
  } catch (error) {
    if (error instanceof ApiError || error instanceof UnreachableError) return undefined;
    throw error;
  }
}

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

/** When the configuration was changed last, or what serves it became ready; undefined when not all of it is there. */
async function changedAt(client: ClusterClient, refs: readonly ConfigurationRef[]): Promise<number | undefined> {
  const times = await Promise.all(
    refs.map(async ({ namespace, name, ...type }) => {
      const live = await client.api.get(type, namespace, name);
      if (live === undefined) return [undefined];
      const written = digList(live, "metadata", "managedFields")
        .filter((entry) => dig(entry, "subresource") === undefined)
        .map((entry) => time.safeParse(dig(entry, "time")).data);
      return type.kind === "Deployment" ? [...written, readySince(live)] : written;
    }),
  );
  const known = times.flat().filter((at) => at !== undefined);
  return known.length === 0 || known.length < times.flat().length ? undefined : Math.max(...known);
}

/** When a Deployment had its last new pods; undefined while it waits for them. */
function readySince(live: unknown): number | undefined {
  if (!workloadFacts("Deployment", live).rolledOut) return undefined;
  const progressing = digList(live, "status", "conditions").find((one) => dig(one, "type") === "Progressing");
  return time.safeParse(dig(progressing, "lastUpdateTime")).data;
}
