import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterClient } from "../../../kubernetes/connect";
import { apiVersionOf, type WorkloadKind } from "../../../kubernetes/workload";

/** So long one watch lasts, in seconds: a connection that is dead without a word is given up soon after. */
const WATCH_SECONDS = 60;
/** Pause before a watch is opened again, in milliseconds; where none is allowed, the time between two looks. */
const PAUSE_MS = 500;
const PLURALS: Readonly<Record<WorkloadKind, string>> = {
  Deployment: "deployments",
  StatefulSet: "statefulsets",
  DaemonSet: "daemonsets",
  Rollout: "rollouts",
};

/** Tells when something about workloads changes, by watches of the API server: nobody has to look again and again. */
export class Changes {
  private readonly end = new AbortController();
  private changed = false;
  private wake: (() => void) | undefined;
  private readonly selectors = new Set<string>();

  private constructor(private readonly client: ClusterClient) {}

  /** Begins to watch these workloads and the events about them. */
  static of(
    client: ClusterClient,
    workloads: readonly { readonly kind: WorkloadKind; readonly namespace: string; readonly name: string }[],
  ): Changes {
    const changes = new Changes(client);
    for (const { kind, namespace, name } of workloads) {
      const one = { fieldSelector: `metadata.name=${name}` };
      const about = { fieldSelector: `involvedObject.kind=${kind},involvedObject.name=${name}` };
      void changes.follow(`/apis/${apiVersionOf(kind)}/namespaces/${namespace}/${PLURALS[kind]}`, one);
      void changes.follow(`/api/v1/namespaces/${namespace}/events`, about);
    }
    return changes;
  }

  /** Watches these pods, too, if it does not already. */
  watchPods(namespace: string, labelSelector: string): void {
    const key = `${namespace}/${labelSelector}`;
    if (this.selectors.has(key)) return;
    this.selectors.add(key);
    void this.follow(`/api/v1/namespaces/${namespace}/pods`, { labelSelector });
  }

  /** Waits for a change since the last time, at most until then (milliseconds since the epoch). */
  async next(until: number): Promise<void> {
    const timer = new AbortController();
    const change = new Promise<void>((resolve) => (this.wake = resolve));
    if (!this.changed) {
      const wait = Math.max(until - Date.now(), 0);
      await Promise.race([change, sleep(wait, undefined, { signal: timer.signal }).catch(() => undefined)]);
      timer.abort();
    }
    this.wake = undefined;
    this.changed = false;
  }

  /** Ends all watches. */
  stop(): void {
    this.end.abort();
  }

  /** The first events of a watch are what is there already, so nothing between two watches is lost. */
  private async follow(path: string, select: Record<string, string>): Promise<void> {
    while (!this.end.signal.aborted) {
      try {
        const query = { ...select, watch: "1", timeoutSeconds: `${WATCH_SECONDS}` };
        const signal = AbortSignal.any([this.end.signal, AbortSignal.timeout((WATCH_SECONDS + 15) * 1000)]);
        const answer = await this.client.api.open(path, query, signal);
        for await (const _ of answer) this.note();
      } catch {
        // What keeps the watch from being opened is told by the look that follows.
      }
      await sleep(PAUSE_MS, undefined, { signal: this.end.signal }).catch(() => undefined);
      this.note();
    }
  }

  private note(): void {
    this.changed = true;
    this.wake?.();
  }
}
