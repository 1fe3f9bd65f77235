import { setTimeout as sleep } from "node:timers/promises";
import type { KubeObject } from "../plan/objects";
import type { ClusterClient } from "./connect";
import {
  containerState,
  containersToShow,
  eventSchema,
  eventsToShow,
  formatExplanation,
  hasCrashed,
  LIMITS,
  type LiveContainer,
  type LiveEvent,
  type LivePod,
  logLines,
  podSchema,
  podState,
  podsToShow,
} from "./explanation";
import { rolloutOf, WORKLOAD_VERSIONS } from "./rollout";

/** A workload to explain: a Deployment, StatefulSet, DaemonSet or Job. */
export interface WorkloadName {
  kind: string;
  namespace: string;
  name: string;
}

export interface ExplainOptions {
  /** Longest time for all explanations, in milliseconds; what is not known by then is left out. Default 10 s. */
  limitMs?: number;
}

/** Bytes of a log that are asked for at most. */
const LOG_BYTES = "65536";

/** Why a release is not fully rolled out: each workload that lags, with its pods, their logs and events. Never throws. */
export async function explainRelease(
  client: ClusterClient,
  namespace: string,
  objects: KubeObject[],
  options: ExplainOptions = {},
): Promise<string> {
  const workloads = objects
    .filter(({ kind, apiVersion }) => WORKLOAD_VERSIONS[kind] === apiVersion)
    .map(({ kind, metadata }) => ({ kind, namespace: metadata.namespace ?? namespace, name: metadata.name ?? "" }));
  const text = await explainWorkloads(client, workloads, options);
  return text || "every workload of the release is rolled out; the cause is in the error above";
}

/** One paragraph for each workload that is not fully rolled out; empty when all are. Never throws: it explains errors. */
export async function explainWorkloads(
  client: ClusterClient,
  workloads: WorkloadName[],
  options: ExplainOptions = {},
): Promise<string> {
  const reader = new Reader(client, options.limitMs ?? 10_000);
  try {
    const parts = await Promise.all(workloads.map((workload) => reader.explain(workload)));
    return parts.filter((part) => part !== "").join("\n");
  } finally {
    reader.stop();
  }
}

class Reader {
  private readonly stopper = new AbortController();
  private readonly timeUp: Promise<unknown>;
  private readonly events = new Map<string, Promise<LiveEvent[]>>();

  constructor(
    private readonly client: ClusterClient,
    limitMs: number,
  ) {
    this.timeUp = sleep(limitMs, undefined, { signal: this.stopper.signal, ref: false }).catch(() => undefined);
  }

  stop(): void {
    this.stopper.abort();
  }

  async explain({ kind, namespace, name }: WorkloadName): Promise<string> {
    const what = `${kind} ${namespace}/${name}`;
    const apiVersion = WORKLOAD_VERSIONS[kind];
    if (apiVersion === undefined)
      return `${what}: cannot be explained, only ${Object.keys(WORKLOAD_VERSIONS).join(", ")} can`;
    const reading = this.client.api.get({ apiVersion, kind }, namespace, name).then(
      (live) => (live === undefined ? `${what} does not exist` : rolloutOf(kind, live)),
      (error: unknown) =>
        `${what}: its state cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
    const rollout = await this.inTime(reading, `${what}: its state could not be read in time`);
    if (typeof rollout === "string") return rollout;
    if (rollout.complete) return "";
    const pods = rollout.podSelector ? await this.orNothing(this.pods(namespace, rollout.podSelector)) : [];
    const [shown, events] = await Promise.all([
      Promise.all(podsToShow(pods).map((pod) => this.pod(namespace, pod))),
      this.orNothing(this.warnings(namespace)),
    ]);
    return formatExplanation({ rollout, pods: shown, events: eventsToShow(events, rollout, pods) });
  }

  private pods(namespace: string, labelSelector: string): Promise<LivePod[]> {
    return this.client.list({ apiVersion: "v1", kind: "Pod" }, namespace, podSchema, { labelSelector });
  }

  private async pod(namespace: string, pod: LivePod) {
    const { name } = pod.metadata;
    const containers = containersToShow(pod).map(async (container) => ({
      state: containerState(container),
      log: hasCrashed(container) ? await this.orNothing(this.log(namespace, name, container)) : [],
    }));
    return { name, state: podState(pod), containers: await Promise.all(containers) };
  }

  /** A container that runs again says nothing yet of why it ended before; one that waits still shows its last words. */
  private async log(namespace: string, pod: string, { name, state }: LiveContainer): Promise<string[]> {
    const ended = Boolean(state?.waiting ?? state?.terminated);
    for (const previous of [!ended, ended]) {
      const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log`;
      const query = {
        container: name,
        tailLines: `${LIMITS.logLines}`,
        limitBytes: LOG_BYTES,
        ...(previous ? { previous: "true" } : {}),
      };
      const text = await this.client.api.request("GET", path, { query, text: true }).catch(() => "");
      const lines = typeof text === "string" ? logLines(text) : [];
      if (lines.length > 0) return lines;
    }
    return [];
  }

  /** Read once for all workloads of a namespace. */
  private warnings(namespace: string): Promise<LiveEvent[]> {
    const select = { fieldSelector: "type=Warning" };
    const found =
      this.events.get(namespace) ??
      this.client.list({ apiVersion: "v1", kind: "Event" }, namespace, eventSchema, select);
    this.events.set(namespace, found);
    return found;
  }

  /** What cannot be read, or not in time, is left out: the rest is still worth showing. */
  private orNothing<T>(reading: Promise<T[]>): Promise<T[]> {
    return this.inTime(
      reading.catch(() => []),
      [],
    );
  }

  private inTime<T, F>(reading: Promise<T>, otherwise: F): Promise<T | F> {
    return Promise.race([reading, this.timeUp.then(() => otherwise)]);
  }
}
