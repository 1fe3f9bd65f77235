import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { ClusterClient } from "../kubernetes/connect";
import { dig, type KubeObject } from "../kubernetes/objects";
import { type LiveContainer, type LivePod, newestFirst, podSchema } from "../kubernetes/pods";
import { rolloutOf } from "../kubernetes/rollout";
import { eachLine, followObjects } from "../kubernetes/watch";
import {
  containerState,
  containersToShow,
  eventSchema,
  eventsToShow,
  formatExplanation,
  LIMITS,
  podState,
  safeLines,
} from "./explanation";

/** Pods that run a hook. */
interface HookName {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

interface SeenPod {
  pod: LivePod;
  gone: boolean;
  /** The log of each start of a container, by container and number of restarts. */
  readonly logs: Map<string, string[]>;
}

/** Lines of a log that are kept. */
const KEPT_LINES = 2000;
/** Pause before a log that said nothing is opened again, in milliseconds. */
const READ_AGAIN_MS = 200;
/** How often that is done once its container has ended. */
const READS_AFTER_END = 3;
/** Longest wait for what is still to be read once helm has given up, in milliseconds. */
const LAST_WORDS_MS = 3000;

const hookPod = podSchema.and(
  z.looseObject({
    metadata: z.looseObject({
      uid: z.string(),
      ownerReferences: z.array(z.looseObject({ kind: z.string(), name: z.string() })).nullish(),
    }),
  }),
);
const podList = z.looseObject({ items: z.array(z.looseObject({ metadata: z.looseObject({ uid: z.string() }) })) });

/**
 * Looks at the pods of helm's hooks while helm runs them, and keeps what they say: a hook's deletion policy may have
 * taken them away by the time helm says that it failed.
 */
export class HookWatch {
  private readonly end = new AbortController();
  private readonly pods = new Map<string, SeenPod & { readonly hook: HookName }>();
  private readonly reading = new Set<Promise<unknown>>();

  private constructor(
    private readonly client: ClusterClient,
    private readonly hooks: readonly HookName[],
    private readonly before: ReadonlySet<string>,
  ) {}

  /**
   * Begins to watch. Pods that are there already are of an earlier run.
   *
   * @param hooks objects of helm's hooks, as rendered; others than Jobs and Pods run nothing.
   */
  static async start(client: ClusterClient, hooks: readonly KubeObject[], namespace: string): Promise<HookWatch> {
    const names = hooks
      .filter(({ kind }) => kind === "Job" || kind === "Pod")
      .map(({ kind, metadata }) => ({ kind, namespace: metadata.namespace ?? namespace, name: metadata.name ?? "" }));
    const namespaces = [...new Set(names.map((hook) => hook.namespace))];
    const lists = namespaces.map(async (at) => {
      const answer = await client.api.read(podsOf(at)).catch(() => undefined);
      return podList.safeParse(answer).data?.items.map(({ metadata: { uid } }) => uid) ?? [];
    });
    const watch = new HookWatch(client, names, new Set((await Promise.all(lists)).flat()));
    for (const at of namespaces) {
      void followObjects(client, { path: podsOf(at), signal: watch.end.signal }, (type, object) => {
        watch.see(at, type, object);
      });
    }
    return watch;
  }

  /** Ends it; what was seen stays. */
  stop(): void {
    this.end.abort();
  }

  /**
   * The hooks that did not end well, each with its pods and what they said; empty when all did. Ends the watch. Never
   * throws.
   *
   * @param linesOf what to show of a log.
   */
  async explain(linesOf: (log: string) => string[]): Promise<string> {
    const time = new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS).unref());
    await Promise.race([Promise.allSettled([...this.reading]), time]);
    this.stop();
    const parts = await Promise.all(this.hooks.map((hook) => this.explainHook(hook, linesOf)));
    return parts.filter((part) => part !== "").join("\n");
  }

  private async explainHook(hook: HookName, linesOf: (log: string) => string[]): Promise<string> {
    const { kind, namespace, name } = hook;
    const seen = [...this.pods.values()].filter((one) => one.hook === hook);
    if (seen.some(({ pod }) => pod.status.phase === "Succeeded")) return "";
    const apiVersion = kind === "Job" ? "batch/v1" : "v1";
    const live = await this.client.api.get({ apiVersion, kind }, namespace, name).catch(() => undefined);
    // helm did not come so far.
    if (seen.length === 0 && live === undefined) return "";
    const rollout = kind === "Job" && live !== undefined ? rolloutOf("Job", live) : undefined;
    if (rollout?.complete) return "";
    const events = await this.client
      .list({ apiVersion: "v1", kind: "Event" }, namespace, eventSchema, { fieldSelector: "type=Warning" })
      .catch(() => []);
    const state = rollout?.progress ?? (live === undefined ? "deleted since, as its hook-delete-policy says" : "");
    const pods = newestFirst(seen.map(({ pod }) => pod)).slice(0, LIMITS.pods);
    return formatExplanation({
      rollout: {
        ...{ kind: `helm hook ${kind}`, namespace, name, complete: false, podSelector: "" },
        progress: state || "not complete",
        failures: rollout?.failures ?? [],
      },
      pods: pods.map((pod) => {
        const one = seen.find((other) => other.pod === pod);
        return {
          name: pod.metadata.name,
          state: one?.gone ? `${podState(pod)}, deleted since` : podState(pod),
          containers: containersToShow(pod, true)
            .filter(hasNotEndedWell)
            .map((container) => ({
              state: containerState(container),
              log: safeLines(linesOf(lastWords(one, container.name))),
            })),
        };
      }),
      events: eventsToShow(events, { kind, name }, pods),
    });
  }

  private see(namespace: string, type: string, object: unknown): void {
    const pod = hookPod.safeParse(object).data;
    if (!pod || this.before.has(pod.metadata.uid)) return;
    const { uid, name, ownerReferences } = pod.metadata;
    const hook = this.hooks.find((one) => {
      if (one.namespace !== namespace) return false;
      if (one.kind === "Pod") return one.name === name;
      return (ownerReferences ?? []).some((owner) => owner.kind === "Job" && owner.name === one.name);
    });
    if (!hook) return;
    const known = this.pods.get(uid) ?? { hook, pod, gone: false, logs: new Map<string, string[]>() };
    this.pods.set(uid, known);
    known.gone ||= type === "DELETED";
    // What a pod is while it is being deleted says nothing of why.
    if (type !== "DELETED") known.pod = pod;
    for (const container of [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])]) {
      const { state, restartCount } = container;
      if (dig(state, "running") ?? state?.terminated) this.read(known, namespace, container.name, restartCount);
    }
  }

  /** Follows one start of a container to its end. */
  private read(seen: SeenPod, namespace: string, container: string, restarts: number): void {
    const key = `${container}/${restarts}`;
    if (seen.logs.has(key)) return;
    const lines: string[] = [];
    seen.logs.set(key, lines);
    const path = `${podsOf(namespace)}/${seen.pod.metadata.name}/log`;
    const reading = this.follow(path, container, lines, () => isOver(seen, container, restarts));
    this.reading.add(reading);
    void reading.then(() => this.reading.delete(reading));
  }

  /** A log that is opened as its container starts may not be there yet: one that said nothing is opened again. */
  private async follow(path: string, container: string, lines: string[], isOver: () => boolean): Promise<void> {
    const { signal } = this.end;
    const query = { container, follow: "true", tailLines: `${KEPT_LINES}` };
    for (let left = READS_AFTER_END; left > 0 && lines.length === 0 && !signal.aborted;) {
      if (isOver()) left--;
      await eachLine(this.client, { path, query, signal }, (line) => {
        lines.push(line);
        if (lines.length > KEPT_LINES) lines.shift();
      }).catch(() => undefined);
      if (lines.length === 0) await sleep(READ_AGAIN_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}

/** Whether this start of a container has ended, or its pod is gone. */
function isOver({ pod, gone }: SeenPod, container: string, restarts: number): boolean {
  const all = [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])];
  const now = all.find(({ name }) => name === container);
  return gone || now === undefined || now.restartCount > restarts || Boolean(now.state?.terminated);
}

/** Also one that just runs: a hook that takes too long is one that helm gave up. */
function hasNotEndedWell({ state }: LiveContainer): boolean {
  return state?.terminated?.exitCode !== 0;
}

/** The log of the last start of a container that said anything. */
function lastWords(seen: SeenPod | undefined, container: string): string {
  const starts = [...(seen?.logs ?? [])].filter(([key, lines]) => key.startsWith(`${container}/`) && lines.length > 0);
  return starts.at(-1)?.[1].join("\n") ?? "";
}

function podsOf(namespace: string): string {
  return `/api/v1/namespaces/${namespace}/pods`;
}
