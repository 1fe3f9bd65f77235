import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterClient } from "./connect";
import { followObjects } from "./watch";

/** Where the API server has the kinds that can be watched. */
const PATHS: Readonly<Record<string, readonly [api: string, plural: string]>> = {
  Deployment: ["/apis/apps/v1", "deployments"],
  StatefulSet: ["/apis/apps/v1", "statefulsets"],
  DaemonSet: ["/apis/apps/v1", "daemonsets"],
  Job: ["/apis/batch/v1", "jobs"],
  Rollout: ["/apis/argoproj.io/v1alpha1", "rollouts"],
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
    workloads: readonly { readonly kind: string; readonly namespace: string; readonly name: string }[],
  ): Changes {
    const changes = new Changes(client);
    for (const { kind, namespace, name } of workloads) {
      const one = { fieldSelector: `metadata.name=${name}` };
      const about = { fieldSelector: `involvedObject.kind=${kind},involvedObject.name=${name}` };
      const [api, plural] = PATHS[kind] ?? [];
      if (api === undefined) continue;
      void changes.follow(`${api}/namespaces/${namespace}/${plural}`, one);
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

  private follow(path: string, query: Record<string, string>): Promise<void> {
    // What keeps a watch from being opened is told by the look that follows.
    return followObjects(this.client, { path, query, signal: this.end.signal, ended: () => this.note() }, () =>
      this.note(),
    );
  }

  private note(): void {
    this.changed = true;
    this.wake?.();
  }
}
