import { KubeConfig, Watch } from "@kubernetes/client-node";
import { z } from "zod";
import { ApiError } from "../../../kubernetes/api";
import { type ClusterClient, connect } from "../../../kubernetes/connect";
import { contentOf, differences, pathText } from "../../../review/diff/fields";
import { kubeObject, type KubeObject } from "../../../kubernetes/objects";

/** Kinds that controllers write all the time, whoever upgrades what. */
const BY_CONTROLLERS = new Set([
  ...["Event", "Lease", "Endpoints", "EndpointSlice", "Pod", "ReplicaSet", "ControllerRevision", "Node", "CSINode"],
  ...[
    "PersistentVolume",
    "ComponentStatus",
    "PodMetrics",
    "NodeMetrics",
    "FlowSchema",
    "PriorityLevelConfiguration",
    "IPAddress",
    "ServiceCIDR",
    "APIService",
  ],
]);
/** What controllers put into every new namespace. */
const IN_EVERY_NAMESPACE = new Set(["ServiceAccount default", "ConfigMap kube-root-ca.crt"]);

const list = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string() }),
  items: z.array(z.looseObject({})),
});

const fieldManagers = z.array(z.looseObject({ manager: z.string() }));

interface Seen {
  before?: KubeObject;
  after?: KubeObject;
}

/** What became of one object while it was watched. */
export interface ObservedChange {
  action: "create" | "update" | "delete";
  /** Changed fields of an update, as text, sorted. */
  fields: string[];
}

/**
 * Watches every object of every kind the API server serves, status and controllers' own kinds left out, and tells which
 * changed: what the cluster says happened, not what a tool says it did.
 */
export class ChangeWatcher {
  private readonly seen = new Map<string, Seen>();
  private readonly aborts: AbortController[] = [];

  static async start(kubeconfig: string, context: string): Promise<ChangeWatcher> {
    const watcher = new ChangeWatcher();
    const client = await connect({ kubeconfig, context, timeoutSeconds: 20 });
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    config.setCurrentContext(context);
    const watch = new Watch(config);
    const types = new Map<string, { apiVersion: string; kind: string }>();
    for (const [apiVersion, kinds] of await client.api.allKinds()) {
      for (const kind of kinds.keys()) {
        // One version of each kind is enough; an object shows in all of them.
        const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
        const ownGroup =
          group !== "events.k8s.io" && !group.startsWith("authentication") && !group.startsWith("authorization");
        if (!BY_CONTROLLERS.has(kind) && ownGroup)
          types.set(`${group}/${kind}`, types.get(`${group}/${kind}`) ?? { apiVersion, kind });
      }
    }
    await Promise.all([...types.values()].map((type) => watcher.follow(client, watch, type)));
    return watcher;
  }

  private async follow(client: ClusterClient, watch: Watch, type: { apiVersion: string; kind: string }): Promise<void> {
    const path = await client.api.path(type, "");
    const all = path.replace("/namespaces//", "/");
    let start: z.infer<typeof list>;
    try {
      start = list.parse(await client.api.read(all));
    } catch (error) {
      // Some kinds can only be created (reviews), not listed.
      if (error instanceof ApiError && (error.code === 405 || error.code === 404)) return;
      throw error;
    }
    for (const item of start.items) {
      const object = kubeObject.parse({ ...item, ...type });
      this.seen.set(keyOf(object), { before: object, after: object });
    }
    const record = (event: string, value: unknown) => {
      const object = kubeObject.parse({ ...(value as object), ...type });
      const entry: Seen = this.seen.get(keyOf(object)) ?? {};
      const going = event === "DELETED" || object.metadata["deletionTimestamp"] !== undefined;
      this.seen.set(keyOf(object), { ...entry, after: going ? undefined : object });
    };
    const query = { resourceVersion: start.metadata.resourceVersion };
    this.aborts.push(await watch.watch(all, query, record, () => undefined));
  }

  stop(): void {
    for (const abort of this.aborts) abort.abort();
  }

  /** What changed since the start, by `Kind namespace/name`; objects that belong to a controller left out. */
  changes(): Map<string, ObservedChange> {
    const found = new Map<string, ObservedChange>();
    for (const [key, { before, after }] of this.seen) {
      if (isOwned(after ?? before) || IN_EVERY_NAMESPACE.has(key.replace(/ .*\//, " "))) continue;
      if (!before && after) found.set(key, { action: "create", fields: [] });
      else if (before && !after) found.set(key, { action: "delete", fields: [] });
      else if (before && after) {
        const fields = differences(contentOf(before), contentOf(after)).map(({ path }) => pathText(path));
        if (fields.length > 0) found.set(key, { action: "update", fields: fields.sort() });
      }
    }
    return found;
  }
}

/** `Kind namespace/name`, or `Kind name`. */
export function keyOf({ kind, metadata }: { kind: string; metadata: { namespace?: string; name?: string } }): string {
  return `${kind} ${metadata.namespace ? `${metadata.namespace}/` : ""}${metadata.name ?? ""}`;
}

/** Made by a controller: it has an owner, or (claims of a StatefulSet) nobody but controllers ever wrote it. */
function isOwned(object: KubeObject | undefined): boolean {
  const writers = fieldManagers.safeParse(object?.metadata["managedFields"]).data ?? [];
  // Claims of a StatefulSet are its controller's, and stay: a reviewer is told of them.
  if (object?.kind === "PersistentVolumeClaim") return false;
  if (writers.length > 0 && writers.every(({ manager }) => /^kube-(controller-manager|scheduler)$/.test(manager)))
    return true;
  const owners: unknown = object?.metadata["ownerReferences"];
  return Array.isArray(owners) && owners.length > 0;
}
