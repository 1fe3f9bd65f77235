import { setTimeout as sleep } from "node:timers/promises";
import type { KubeObject } from "../kubernetes/objects";
import type { ClusterClient } from "../kubernetes/connect";
import {
  containerState,
  containersToShow,
  eventSchema,
  eventsToShow,
  formatExplanation,
  hasCrashed,
  LIMITS,
  type LiveEvent,
  logLines,
  podState,
  podsToShow,
  safeLines,
} from "./explanation";
import { type LiveContainer, type LivePod, podSchema } from "../kubernetes/pods";
import { rolloutOf, WORKLOAD_VERSIONS } from "../kubernetes/rollout";

/** A workload to explain: a Deployment, StatefulSet, DaemonSet or Job. */
export interface WorkloadName {
  kind: string;
  namespace: string;
  name: string;
}

export interface ExplainOptions {
  /** Longest time for all explanations, in milliseconds; what is not known by then is left out. Default 10 s. */
  limitMs?: number;
  /**
   * What to show of the logs of a workload's pods, whether they crashed or not. Default: the end of a crashed one's
   * log.
   */
  linesOf?: (workload: WorkloadName) => ((log: string) => string[]) | undefined;
  /** Also explain workloads that are rolled out, with their newest pods. Default false. */
  evenComplete?: boolean;
}

/** Bytes and lines of a log that are asked for at most. */
export const LOG_LIMITS = { short: { bytes: 65_536, lines: LIMITS.logLines }, long: { bytes: 1_048_576, lines: 2000 } };

/** What {@link explainRelease} says where nothing lags. */
export const ALL_WELL = "every workload of the release is rolled out; the cause is in the error above";

/**
 * Why a release is not fully rolled out: each workload that lags, with its pods, their logs and events. Never throws.
 */
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
  return text || ALL_WELL;
}

/**
 * One paragraph for each workload that is not fully rolled out; empty when all are. Never throws: it explains errors.
 */
export async function explainWorkloads(
  client: ClusterClient,
  workloads: WorkloadName[],
  options: ExplainOptions = {},
): Promise<string> {
  const reader = new Reader(client, options);
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
    private readonly options: ExplainOptions,
  ) {
    this.timeUp = sleep(options.limitMs ?? 10_000, undefined, { signal: this.stopper.signal, ref: false }).catch(
      () => undefined,
    );
  }

  stop(): void {
    this.stopper.abort();
  }

  async explain(workload: WorkloadName): Promise<string> {
    const { kind, namespace, name } = workload;
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
    const { linesOf, evenComplete = false } = this.options;
    if (rollout.complete && !evenComplete) return "";
    const pods = rollout.podSelector ? await this.orNothing(this.pods(namespace, rollout.podSelector)) : [];
    const select = linesOf?.(workload);
    const [shown, events] = await Promise.all([
      Promise.all(podsToShow(pods, evenComplete).map((pod) => this.pod(namespace, pod, select))),
      this.orNothing(this.warnings(namespace)),
    ]);
    return formatExplanation({ rollout, pods: shown, events: eventsToShow(events, rollout, pods) });
  }

  private pods(namespace: string, labelSelector: string): Promise<LivePod[]> {
    return this.client.list({ apiVersion: "v1", kind: "Pod" }, namespace, podSchema, { labelSelector });
  }

  private async pod(namespace: string, pod: LivePod, select: ((log: string) => string[]) | undefined) {
    const { name } = pod.metadata;
    const containers = containersToShow(pod, select !== undefined).map(async (container) => ({
      state: containerState(container),
      log: select || hasCrashed(container) ? await this.orNothing(this.log(namespace, name, container, select)) : [],
    }));
    return { name, state: podState(pod), containers: await Promise.all(containers) };
  }

  /** A container that runs again says nothing yet of why it ended before; one that waits still shows its last words. */
  private async log(
    namespace: string,
    pod: string,
    container: LiveContainer,
    select: ((log: string) => string[]) | undefined,
  ): Promise<string[]> {
    const ended = Boolean(container.state?.waiting ?? container.state?.terminated);
    const previousFirst = !ended && !container.ready && container.restartCount > 0;
    for (const previous of [previousFirst, !previousFirst]) {
      const limits = select ? LOG_LIMITS.long : LOG_LIMITS.short;
      const text = await readLog(this.client, { namespace, pod, container: container.name, previous, ...limits }).catch(
        () => "",
      );
      const lines = select ? safeLines(select(text)) : logLines(text);
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

/** The end of one container's log. @throws ApiError when there is none, or it may not be read. */
export async function readLog(
  client: ClusterClient,
  log: { namespace: string; pod: string; container: string; previous?: boolean; bytes: number; lines: number },
): Promise<string> {
  const query = {
    container: log.container,
    tailLines: `${log.lines}`,
    limitBytes: `${log.bytes}`,
    ...(log.previous ? { previous: "true" } : {}),
  };
  const path = `/api/v1/namespaces/${log.namespace}/pods/${log.pod}/log`;
  const text = await client.api.read(path, { query, text: true });
  return typeof text === "string" ? text : "";
}
