import { createHash, createHmac } from "node:crypto";
import type { RestartPlan } from "../components/workload-restarts/restarts";
import type { ClusterClient } from "../kubernetes/connect";
import type { ReleaseState } from "../helm/release";
import { canonicalJson } from "../shared/digest";
import { maskUnstable } from "../helm/unstable";
import { contentOf } from "./diff/fields";
import type { Redactor } from "../kubernetes/redact";
import { dig, isMap, type KubeObject } from "../kubernetes/objects";
import { workloadId } from "../kubernetes/workload";
import type { CrdReview, CrMigrationReview } from "./report/schema";
import type { ReviewInput } from "./input";
import type { ReleaseObject } from "./release-objects";

/** What a review rests on, by a name that a reader understands; the values may be secret. */
export type ReviewedFacts = Record<string, unknown>;

/** Config keys that say where things are, not what is done; another machine may have them elsewhere. */
const WHEREABOUTS = new Set(["kubeconfig", "customResourceMigrations", "valueFiles", "values", "secretValues"]);

/**
 * The facts of a review: config, chart, the live objects that the upgrade touches, CRDs, what happens to custom
 * resources, restarts. Not how many custom resources or pods there are: those come and go while nobody upgrades.
 */
export function factsOf(
  input: ReviewInput,
  objects: readonly ReleaseObject[],
  crds: readonly CrdReview[],
  redactor: Redactor,
): ReviewedFacts {
  const { chart, client, crds: crdInput, installed, loaded, restarts, stamp } = input;
  const settings = Object.entries(loaded.config).filter(([key]) => !WHEREABOUTS.has(key));
  const live = objects.flatMap((object) => (object.live ? [[nameOf(object.live), liveFacts(object)] as const] : []));
  const affected = crds.filter(({ action }) => action === "update");
  return {
    "the cluster": client.uid,
    "the chart's rendering": chart.digest,
    // The digest knows nothing of what the chart looks up on the cluster.
    "what helm renders": input.newRevision
      ? maskUnstable([...chart.rendered, ...chart.hooks], chart.unstable, loaded.config.namespace)
      : null,
    // Without a record of helm there is no secret key to hash secret values with.
    "the values": installed ? loaded.values : redactor.tree(loaded.values),
    "the release": installed && [installed.latest.revision, installed.latest.status],
    "the restarts": [reviewedRestarts(restarts), stamp],
    ...Object.fromEntries(settings.map(([key, value]) => [`config ${key}`, value ?? null])),
    ...Object.fromEntries(live),
    ...Object.fromEntries([...crdInput.live].map(([name, crd]) => [`CRD ${name}`, contentOf(crd.object)])),
    ...Object.fromEntries(
      affected.map(({ name, migration, customResources: { rejected, prunedFields } }) => [
        `what happens to ${name} objects`,
        [rejected, prunedFields, ...(migration ? [rulesOf(migration)] : [])],
      ]),
    ),
  };
}

/**
 * What is restarted and why, without what comes and goes by itself: which are available at the moment, or scaled to 0,
 * and how many pods lack something.
 */
function reviewedRestarts({ groups, skipped, reason }: RestartPlan): unknown {
  const targets = groups.flatMap((group) => group.targets);
  const scaled = skipped.filter(({ why }) => why.code === "no-replicas");
  return [
    [...targets.map(workloadId), ...scaled.map(({ workload }) => workload)].sort(),
    targets.flatMap((target) => (target.why ? [[workloadId(target), target.why.code]] : [])).sort(),
    skipped.flatMap(({ workload, why }) => (why.code === "no-replicas" ? [] : [[workload, why.code]])).sort(),
    reason ?? null,
  ];
}

function rulesOf({ from, to, rules, storage }: CrMigrationReview): unknown {
  return [from, to, storage, rules.map(({ rule }) => rule)];
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace ? `${metadata.namespace}/` : ""}${metadata.name ?? ""}`;
}

/** A live object without the number of replicas, where the chart leaves that to an autoscaler. */
function liveFacts({ live, target }: ReleaseObject): unknown {
  const content = contentOf(live ?? {});
  if (!target || dig(target, "spec", "replicas") !== undefined || !isMap(content["spec"])) return content;
  const { replicas: _replicas, ...spec } = content["spec"];
  return { ...content, spec };
}

/** The key of the hashes: made of helm's newest record, which only those can read who may read its Secrets. */
export function reviewKey(client: ClusterClient, installed: ReleaseState | undefined): Buffer {
  return (
    installed?.latest.recordKey ??
    createHash("sha256")
      .update(client.uid ?? "")
      .digest()
  );
}

/**
 * Hashes of what a review rests on. Keyed, because some of it is secret and short (a password): without the key, which
 * is made of helm's own record, nobody can find a value by trying.
 */
export function reviewedHashes(facts: ReviewedFacts, key: Buffer): Record<string, string> {
  const hash = (value: unknown) =>
    createHmac("sha256", key)
      .update(canonicalJson(value) ?? "null")
      .digest("hex")
      .slice(0, 16);
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, hash(value)]));
}

/**
 * What differs between a review and the present, in words; empty when nothing does.
 *
 * The key of the hashes is the helm record, so with another revision everything differs: then only that is said.
 */
export function reviewedDifferences(reviewed: Record<string, string>, present: Record<string, string>): string[] {
  const names = [...new Set([...Object.keys(reviewed), ...Object.keys(present)])].sort();
  return names.flatMap((name) => {
    if (reviewed[name] === present[name]) return [];
    if (reviewed[name] === undefined) return [`${name}: was not there`];
    if (present[name] === undefined) return [`${name}: is gone`];
    return [`${name}: is different`];
  });
}
