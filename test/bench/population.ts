import type { KubeApi } from "../../kubernetes/api";
import { casaPolicy, masObjects } from "../fixtures/mas";

/** A cluster of one company: how many workloads, and what names them. */
export interface Population {
  /** Deployments, one replica each. */
  workloads: number;
  /** MultiAgentSystems that name them, each in a namespace of its own. */
  systems: number;
  /** CASAPolicies that target each workload. */
  policiesPerWorkload: number;
}

/** Creations under way at once: as many as the client keeps connections. */
const AT_ONCE = 16;

/** Creates namespaces, workloads, systems and policies; `progress` hears the number of objects created so far. */
export async function populate(api: KubeApi, size: Population, progress: (created: number) => void): Promise<void> {
  const namespaces = Array.from({ length: size.systems }, (_, i) => `mas-${String(i + 1).padStart(2, "0")}`);
  const { workloads, systems } = size;
  const objects = masObjects({ workloads, systems, namespaces, replicas: 1, readyAfter: "0s" });
  let created = 0;
  const create = async (object: Creatable) => {
    await api.request("POST", await api.path(object, object.metadata.namespace ?? ""), { body: object });
    if (++created % 5000 === 0) progress(created);
  };
  await atOnce(
    objects.filter(({ kind }) => kind === "Namespace"),
    create,
  );
  await atOnce(
    objects.filter(({ kind }) => kind !== "Namespace"),
    create,
  );
  await atOnce(policies(objects, size.policiesPerWorkload), create);
}

interface Creatable {
  apiVersion: string;
  kind: string;
  metadata: { namespace?: string; name: string };
}

function* policies(objects: readonly Creatable[], each: number): Iterable<Creatable> {
  for (const { kind, metadata } of objects) {
    if (kind !== "Deployment") continue;
    const { namespace = "default", name } = metadata;
    for (let i = 0; i < each; i++) yield casaPolicy(namespace, `${name}-${i}`, { kind: "Deployment", name });
  }
}

/** Runs an action for every item, some at once, and waits for all. */
async function atOnce<T>(items: Iterable<T>, run: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]();
  const worker = async () => {
    for (let next = queue.next(); !next.done; next = queue.next()) await run(next.value);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
