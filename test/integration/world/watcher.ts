import execa from "execa";
import { z } from "zod";

/**
 * Watches the API server while something runs, by `kubectl get --raw …?watch`: what the engine or a plugin says it did
 * is no proof.
 */
export class Watcher {
  readonly events: WatchEvent[] = [];
  private readonly children: execa.ExecaChildProcess[] = [];
  private sequence = 0;

  private constructor(
    private readonly kubectl: string,
    private readonly kubeconfig: string,
  ) {}

  /** Starts watching the given API paths from their present state on. */
  static async start(kubectl: string, kubeconfig: string, paths: string[]): Promise<Watcher> {
    const watcher = new Watcher(kubectl, kubeconfig);
    await Promise.all(paths.map((path) => watcher.watch(path)));
    return watcher;
  }

  private async watch(path: string): Promise<void> {
    const { stdout } = await execa(this.kubectl, ["--kubeconfig", this.kubeconfig, "get", "--raw", path]);
    const version = z
      .looseObject({ metadata: z.looseObject({ resourceVersion: z.string() }) })
      .parse(JSON.parse(stdout));
    const from = `${path}?watch=1&resourceVersion=${version.metadata.resourceVersion}`;
    const child = execa(this.kubectl, ["--kubeconfig", this.kubeconfig, "get", "--raw", from], { reject: false });
    this.children.push(child);
    let rest = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.record(line);
    });
  }

  private record(line: string): void {
    const parsed = watchEvent.safeParse(JSON.parse(line));
    if (parsed.success && parsed.data.type !== "BOOKMARK") {
      this.events.push({ ...parsed.data, at: Date.now(), sequence: this.sequence++ });
    }
  }

  stop(): void {
    for (const child of this.children) child.kill("SIGKILL");
  }
}

const watchEvent = z.looseObject({
  type: z.enum(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]),
  object: z.looseObject({
    kind: z.string().default(""),
    metadata: z.looseObject({
      name: z.string(),
      namespace: z.string().optional(),
      resourceVersion: z.string(),
      generation: z.number().optional(),
      annotations: z.record(z.string(), z.string()).optional(),
    }),
    spec: z.looseObject({ replicas: z.number().optional() }).optional(),
    status: z
      .looseObject({
        observedGeneration: z.number().optional(),
        replicas: z.number().optional(),
        updatedReplicas: z.number().optional(),
        availableReplicas: z.number().optional(),
        readyReplicas: z.number().optional(),
        currentRevision: z.string().optional(),
        updateRevision: z.string().optional(),
      })
      .optional(),
  }),
});

export type WatchEvent = z.infer<typeof watchEvent> & {
  /** Milliseconds since the epoch at which it arrived. */
  at: number;
  /** Order of arrival. */
  sequence: number;
};

/** Deployments and StatefulSets of all namespaces, CRDs, and helm's release Secrets. */
export const WORKLOAD_PATHS = ["/apis/apps/v1/deployments", "/apis/apps/v1/statefulsets"];
export const CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/** True while a workload is between a new template and every replica running it and being available. */
export function restarting(event: WatchEvent): boolean {
  const wanted = event.object.spec?.replicas ?? 1;
  const status = event.object.status ?? {};
  const available = status.availableReplicas ?? 0;
  return (
    (status.observedGeneration ?? 0) < (event.object.metadata.generation ?? 0) ||
    (status.updateRevision !== undefined && status.updateRevision !== status.currentRevision) ||
    (status.updatedReplicas ?? 0) < wanted ||
    (status.replicas ?? 0) > wanted ||
    available < wanted
  );
}

export interface RestartRecord {
  /** The most workloads that were restarting at any event. */
  most: number;
  /** Workload to how often its template changed. */
  templates: Map<string, number>;
  /** Workloads in the order in which they began. */
  order: string[];
  /** Milliseconds from the first patch to the last workload available. */
  duration: number;
}

/** Follows the workloads of some namespaces through the events, one sample for every change. */
export function followRestarts(events: WatchEvent[], namespaces: string[]): RestartRecord {
  const under = new Set<string>();
  const generations = new Map<string, number>();
  const record: RestartRecord = { most: 0, templates: new Map(), order: [], duration: 0 };
  let first = 0;
  let last = 0;
  for (const event of events) {
    const { metadata } = event.object;
    if (!namespaces.includes(metadata.namespace ?? "") || event.type === "DELETED") continue;
    const name = `${metadata.namespace}/${metadata.name}`;
    const generation = metadata.generation ?? 0;
    if (generation > (generations.get(name) ?? 0) && (event.object.status?.observedGeneration ?? 0) < generation) {
      record.templates.set(name, (record.templates.get(name) ?? 0) + 1);
      record.order.push(name);
      first ||= event.at;
    }
    generations.set(name, generation);
    if (restarting(event)) under.add(name);
    else if (under.delete(name)) last = event.at;
    record.most = Math.max(record.most, under.size);
  }
  record.duration = last - first;
  return record;
}
