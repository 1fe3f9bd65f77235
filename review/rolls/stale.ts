import { isDeepStrictEqual } from "node:util";
import { normalizeSecret } from "../../kubernetes/redact";
import { isMap, type KubeObject } from "../../kubernetes/objects";
import { type ConfigReference, configReferences } from "../../kubernetes/references";
import type { ObjectPair, PodWorkload } from "../../kubernetes/pod-templates";

/** A ConfigMap or Secret that changes under running pods. */
export interface StaleRead extends Pick<ConfigReference, "kind" | "name" | "as" | "optional"> {
  /** The keys that are read and change; names only. */
  keys: string[];
  /** The upgrade deletes the object: a pod that starts later does not find it. */
  deleted: boolean;
}

/** A workload whose pods are not replaced although what they read changes. */
export interface StaleWorkload {
  /** `Kind/namespace/name`. */
  workload: string;
  reads: StaleRead[];
}

interface ConfigChange {
  keys: Set<string>;
  deleted: boolean;
}

/**
 * Finds the workloads that keep the old configuration until somebody restarts them.
 *
 * @param kept workloads of the release whose pods the upgrade does not replace.
 */
export function staleWorkloads(
  kept: readonly PodWorkload[],
  pairs: readonly ObjectPair[],
  namespace: string,
): StaleWorkload[] {
  const changes = configChanges(pairs, namespace);
  if (changes.size === 0) return [];
  return kept
    .filter(({ replicas }) => replicas > 0)
    .map((workload) => ({ workload: workload.id, reads: staleReads(workload, changes) }))
    .filter(({ reads }) => reads.length > 0);
}

function staleReads(workload: PodWorkload, changes: Map<string, ConfigChange>): StaleRead[] {
  const reads = new Map<string, StaleRead>();
  for (const { kind, name, keys: read, as, optional } of configReferences(workload.template["spec"])) {
    const change = changes.get(`${kind} ${workload.namespace}/${name}`);
    if (!change) continue;
    const keys = [...change.keys].filter((key) => read === undefined || read.includes(key));
    if (keys.length === 0 && !change.deleted) continue;
    const id = `${kind} ${name} ${as}`;
    const known = reads.get(id);
    const all = new Set([...(known?.keys ?? []), ...keys]);
    reads.set(id, {
      kind,
      name,
      as,
      // A pod needs the object when any of its references does.
      optional: optional && (known?.optional ?? true),
      keys: [...all].sort(),
      deleted: change.deleted,
    });
  }
  return [...reads.values()];
}

function configChanges(pairs: readonly ObjectPair[], namespace: string): Map<string, ConfigChange> {
  const changes = new Map<string, ConfigChange>();
  for (const { before, after } of pairs) {
    if (!before || before.apiVersion !== "v1" || (before.kind !== "ConfigMap" && before.kind !== "Secret")) continue;
    const old = content(before);
    const now = after ? content(after) : new Map<string, unknown>();
    const keys = [...new Set([...old.keys(), ...now.keys()])].filter(
      (key) => !isDeepStrictEqual(old.get(key), now.get(key)),
    );
    if (keys.length === 0 && after) continue;
    const at = `${before.metadata.namespace ?? namespace}/${before.metadata.name ?? ""}`;
    changes.set(`${before.kind} ${at}`, { keys: new Set(keys), deleted: after === undefined });
  }
  return changes;
}

function content(object: KubeObject): Map<string, unknown> {
  const { data, binaryData } = normalizeSecret(object);
  return new Map([data, binaryData].filter(isMap).flatMap((part) => Object.entries(part)));
}

/** What a stale workload means, a sentence for each object that it reads. */
export function staleText({ workload, reads }: StaleWorkload): string[] {
  const [kind = "", namespace = "", name = ""] = workload.split("/");
  const restart = `kubectl rollout restart ${kind.toLowerCase()}/${name} --namespace ${namespace}`;
  return reads.map((read) => {
    const object = `${read.kind} ${read.name}`;
    if (read.deleted) {
      return read.optional
        ? `${workload} reads ${object}, which is deleted; its running pods keep the old content (${restart})`
        : `${workload} reads ${object}, which is deleted: its running pods stay, a pod that starts later does not come up`;
    }
    const keys = read.keys.join(", ");
    return read.as === "file"
      ? `${workload} is not restarted although ${object} changes (${keys}): the files in its pods follow within minutes, ` +
          `whether the program reads them again is its own matter (${restart})`
      : `${workload} is not restarted although ${object} changes (${keys}): its pods keep the old ${read.as} (${restart})`;
  });
}
