import { podWorkload, textOf } from "../kubernetes/pod-templates";
import { dig, digList, type KubeObject } from "../kubernetes/objects";
import type { ReleaseObject } from "./release-objects";
import type { ObjectChange } from "./report/schema";

/**
 * The claims that StatefulSets of the release will make: no chart lists them, they are named
 * `<template>-<set>-<ordinal>`, and they stay when the set shrinks again.
 *
 * @param liveClaims of the release's namespace.
 */
export function newClaims(
  objects: readonly ReleaseObject[],
  liveClaims: readonly KubeObject[],
  namespace: string,
): ObjectChange[] {
  const there = new Set(liveClaims.map(({ metadata }) => `${metadata.namespace ?? namespace}/${metadata.name ?? ""}`));
  return objects.flatMap(({ live, after }) => {
    const now = podWorkload(after, namespace);
    if (now?.kind !== "StatefulSet") return [];
    const before = podWorkload(live, namespace)?.replicas ?? 0;
    const first = Number(dig(after, "spec", "ordinals", "start") ?? 0);
    const ordinals = Array.from({ length: Math.max(0, now.replicas - before) }, (_, i) => first + before + i);
    const templates = digList(after, "spec", "volumeClaimTemplates").flatMap(
      (one) => textOf(dig(one, "metadata", "name")) ?? [],
    );
    const names = templates.flatMap((template) => ordinals.map((ordinal) => `${template}-${now.name}-${ordinal}`));
    return names.flatMap((name): ObjectChange[] =>
      there.has(`${now.namespace}/${name}`)
        ? []
        : [
            {
              ...{ apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: now.namespace, name },
              ...{ action: "create", writer: "controller", fields: [], folded: 0 },
              check: { result: "accepted", message: `StatefulSet ${now.name} makes it with its pod` },
            },
          ],
    );
  });
}
