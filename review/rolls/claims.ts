import { dig, digList, groupOf, type KubeObject } from "../../kubernetes/objects";
import type { DeletedClaim } from "../report/schema";
import { claimNames } from "../../kubernetes/references";
import { type ObjectPair, type PodWorkload, podWorkload, textOf } from "../../kubernetes/pod-templates";

/** What is known of the storage of the release. */
export interface ClaimFacts {
  /** Namespace of objects that name none. */
  namespace: string;
  /** All objects of the release as they will be. */
  predicted: readonly KubeObject[];
  /** Live PersistentVolumeClaims. */
  claims: readonly KubeObject[];
  /** Live PersistentVolumes behind them, as far as they may be read. */
  volumes: readonly KubeObject[];
  /** Claims that go with their owners. */
  owned?: readonly ClaimLoss[];
}

/** A claim that goes, and why. */
export interface ClaimLoss {
  claim: KubeObject;
  because: string;
  /** What keeps it, where helm's annotation on the claim does not. */
  fix?: string;
}

/**
 * The claims that go with the upgrade, and what becomes of the data: those that helm deletes because the chart does not
 * have them any more, those that a StatefulSet lets go when it is deleted or scaled down and its
 * `persistentVolumeClaimRetentionPolicy` says so, and those whose owner goes. A claim that helm is told
 * to keep (`helm.sh/resource-policy: keep`) stays.
 */
export function deletedClaims(pairs: readonly ObjectPair[], facts: ClaimFacts): DeletedClaim[] {
  const losses = [...byHelm(pairs), ...byStatefulSets(pairs, facts), ...(facts.owned ?? [])];
  const seen = new Set<string>();
  return losses.flatMap(({ claim, because, fix }) => {
    const namespace = claim.metadata.namespace ?? facts.namespace;
    const name = claim.metadata.name ?? "";
    if (seen.has(`${namespace}/${name}`)) return [];
    seen.add(`${namespace}/${name}`);
    const volume = textOf(dig(claim, "spec", "volumeName"));
    const reclaimPolicy = volume === undefined ? undefined : reclaimPolicyOf(volume, facts.volumes);
    const size =
      textOf(dig(claim, "status", "capacity", "storage")) ??
      textOf(dig(claim, "spec", "resources", "requests", "storage"));
    return [
      {
        namespace,
        name,
        ...(size === undefined ? {} : { size }),
        ...(reclaimPolicy === undefined ? {} : { reclaimPolicy }),
        why: [
          because,
          ...deletedAlready(claim),
          fateOf(volume, reclaimPolicy),
          ...users(namespace, name, pairs, facts),
        ].join("; "),
        ...(volume === undefined ? { empty: true as const } : {}),
        ...(fix === undefined ? {} : { fix }),
      },
    ];
  });
}

function isClaim(object: KubeObject): boolean {
  return object.apiVersion === "v1" && object.kind === "PersistentVolumeClaim";
}

function byHelm(pairs: readonly ObjectPair[]): ClaimLoss[] {
  return pairs.flatMap(({ before, after }) => {
    if (!before || after || !isClaim(before)) return [];
    // helm looks at the live object's annotation, too, and leaves it.
    if (before.metadata.annotations?.["helm.sh/resource-policy"] === "keep") return [];
    return [
      {
        claim: before,
        because: "helm deletes it: the chart has it no more, or makes it anew as a hook (which no annotation prevents)",
      },
    ];
  });
}

/**
 * Claims of volumeClaimTemplates are named `<template>-<set>-<ordinal>`; no chart lists them, and helm never deletes
 * them.
 */
function byStatefulSets(pairs: readonly ObjectPair[], { namespace, claims }: ClaimFacts): ClaimLoss[] {
  return pairs.flatMap(({ before, after }) => {
    const old = podWorkload(before, namespace);
    if (!before || old?.kind !== "StatefulSet") return [];
    const now = podWorkload(after, namespace);
    const policy = dig(
      after ?? before,
      "spec",
      "persistentVolumeClaimRetentionPolicy",
      now ? "whenScaled" : "whenDeleted",
    );
    const replicas = now?.replicas ?? 0;
    if (policy !== "Delete" || replicas >= old.replicas) return [];
    const first = Number(dig(before, "spec", "ordinals", "start") ?? 0);
    const gone = Array.from({ length: old.replicas - replicas }, (_, i) => first + replicas + i);
    const because = now
      ? `StatefulSet ${old.name} is scaled to ${replicas} and its whenScaled policy is Delete`
      : `StatefulSet ${old.name} is deleted and its whenDeleted policy is Delete`;
    const names = new Set(
      digList(before, "spec", "volumeClaimTemplates").flatMap((template) =>
        gone.map((ordinal) => `${String(dig(template, "metadata", "name"))}-${old.name}-${ordinal}`),
      ),
    );
    return claims
      .filter(({ metadata: { name, namespace: at } }) => (at ?? namespace) === old.namespace && names.has(name ?? ""))
      .map((claim) => ({ claim, because, fix: now ? SCALED : keepLine(before, namespace) }));
  });
}

const SCALED =
  "leave the number of replicas as it is in the values, or set the StatefulSet's persistentVolumeClaimRetentionPolicy.whenScaled to Retain";

/** What has helm leave an object that the chart has no more; its kind with the group, which no short name hides. */
export function keepLine({ apiVersion, kind, metadata }: KubeObject, namespace: string): string {
  const type = [kind.toLowerCase(), ...(apiVersion.includes("/") ? [groupOf(apiVersion)] : [])].join(".");
  const at = `--namespace ${metadata.namespace ?? namespace}`;
  return (
    `keep ${kind} ${metadata.name ?? ""} in the chart, under the same name, or have helm leave it: ` +
    `kubectl ${at} annotate ${type} ${metadata.name ?? ""} helm.sh/resource-policy=keep`
  );
}

function reclaimPolicyOf(volume: string, volumes: readonly KubeObject[]): string | undefined {
  const found = volumes.find(({ metadata }) => metadata.name === volume);
  return textOf(dig(found, "spec", "persistentVolumeReclaimPolicy"));
}

function deletedAlready(claim: KubeObject): string[] {
  const at = textOf(claim.metadata["deletionTimestamp"]);
  return at === undefined ? [] : [`somebody deleted it at ${at}, and it waits for its last pod to go`];
}

function fateOf(volume: string | undefined, reclaimPolicy: string | undefined): string {
  if (volume === undefined) return "it has no volume, so no data goes with it";
  switch (reclaimPolicy) {
    case "Delete":
      return `volume ${volume} is deleted with it (reclaim policy Delete): the data is lost`;
    case "Retain":
      return `volume ${volume} stays with its data (reclaim policy Retain), but no new claim gets it by itself`;
    case undefined:
      return `the reclaim policy of volume ${volume} could not be read: count the data as lost`;
    default:
      return `volume ${volume} has reclaim policy ${reclaimPolicy}: the data is lost`;
  }
}

/** Who mounts the claim: Kubernetes keeps it (finalizer pvc-protection) as long as a pod does. */
function users(namespace: string, name: string, pairs: readonly ObjectPair[], facts: ClaimFacts): string[] {
  const mounting = (objects: readonly (KubeObject | undefined)[]) =>
    objects
      .map((object) => podWorkload(object, facts.namespace))
      .filter((workload): workload is PodWorkload => workload !== undefined)
      .filter((workload) => workload.namespace === namespace && claimNames(workload.template["spec"]).includes(name))
      .map(({ id }) => id);
  const after = mounting(facts.predicted);
  const before = mounting(pairs.map((pair) => pair.before)).filter((id) => !after.includes(id));
  return [
    ...(after.length > 0
      ? [`${after.join(", ")} still mounts it: it goes when the last running pod does, and new pods do not start`]
      : []),
    ...(before.length > 0 ? [`it goes as soon as the old pods of ${before.join(", ")} are gone`] : []),
  ];
}
