import { waitsFor } from "../diagnosis/other-waits";
import type { ClusterClient } from "../kubernetes/connect";
import { dig, groupKind, type KubeObject } from "../kubernetes/objects";
import { POD_SPECS, podWorkload } from "../kubernetes/pod-templates";
import { rolloutOf } from "../kubernetes/rollout";
import { claimNames } from "../kubernetes/references";
import { missingReferences } from "./missing-references";
import { withoutNode } from "./no-node";
import { noneIfForbidden } from "./pods";
import { podsThatDoNotCome } from "./pods-to-come";
import type { ReleaseObject } from "./release-objects";
import { slowRolls } from "./slow-rolls";
import type { Upgraded } from "./upgraded";

const CLASS = { apiVersion: "storage.k8s.io/v1", kind: "StorageClass" };

/**
 * What helm would wait for until its time limit, as far as it can be seen before: the upgrade then counts as failed
 * although every object was taken.
 *
 * @param limit longest wait of helm, in seconds.
 */
export async function vainWaits(client: ClusterClient, upgraded: Upgraded, limit: number): Promise<string[]> {
  const { objects, replaced, namespace } = upgraded;
  const after = objects.flatMap((object) => object.after ?? []);
  const [claims, nodes, refused, missing, slow] = await Promise.all([
    unboundClaims(client, objects, after, namespace),
    withoutNode(client, upgraded),
    podsThatDoNotCome(client, upgraded),
    missingReferences(client, upgraded),
    slowRolls(client, upgraded, limit),
  ]);
  const known = [...withoutAddress(objects), ...notRolledOut(objects, replaced, namespace)];
  return [...claims, ...nodes, ...known, ...refused, ...missing, ...slow];
}

/** Claims that are bound with their first pod, and that no pod of the release mounts. */
async function unboundClaims(
  client: ClusterClient,
  objects: readonly ReleaseObject[],
  after: readonly KubeObject[],
  namespace: string,
): Promise<string[]> {
  const mounted = new Set(
    after.flatMap((object) => {
      const path = POD_SPECS[groupKind(object)];
      const at = object.metadata.namespace ?? namespace;
      return path ? claimNames(dig(object, ...path)).map((name) => `${at}/${name}`) : [];
    }),
  );
  const open = objects.flatMap(({ live, after: claim }) => {
    if (!claim || groupKind(claim) !== "/PersistentVolumeClaim") return [];
    const isBound = waitsFor(claim, live) === undefined;
    const isMounted = mounted.has(`${claim.metadata.namespace ?? namespace}/${claim.metadata.name ?? ""}`);
    return isBound || isMounted ? [] : [claim];
  });
  const waits = await Promise.all(open.map(async (claim) => ((await isBoundLate(client, claim)) ? [claim] : [])));
  return waits
    .flat()
    .map(
      ({ metadata: { name = "" } }) =>
        `helm waits until PersistentVolumeClaim ${name} is bound, which happens with its first pod, and no pod of the release ` +
        "mounts it: the upgrade would end at timeouts.release. Leave it out in the values, or have something mount it",
    );
}

async function isBoundLate(client: ClusterClient, claim: KubeObject): Promise<boolean> {
  const name = dig(claim, "spec", "storageClassName");
  if (typeof name !== "string" || name === "") return false;
  const found = await client.api.get(CLASS, "", name).catch(noneIfForbidden);
  return dig(found, "volumeBindingMode") === "WaitForFirstConsumer";
}

/** Load balancers that have no address now: nothing in this cluster seems to give them one. */
function withoutAddress(objects: readonly ReleaseObject[]): string[] {
  return objects.flatMap(({ live, after }) => {
    if (!live || !after || groupKind(after) !== "/Service" || dig(live, "spec", "type") !== "LoadBalancer") return [];
    if (waitsFor(after, { ...after, status: dig(live, "status") }) === undefined) return [];
    return [
      `helm waits until Service ${after.metadata.name ?? ""} has a load balancer's address, and it has none now: the upgrade would ` +
        "end at timeouts.release. See why (kubectl describe service), or choose type ClusterIP or NodePort in the values",
    ];
  });
}

/** Workloads that are not available now: helm waits for all of the release, and the upgrade may not mend them. */
function notRolledOut(objects: readonly ReleaseObject[], replaced: ReadonlySet<string>, namespace: string): string[] {
  return objects.flatMap(({ live, after }) => {
    const workload = podWorkload(after, namespace);
    if (!live || !workload || workload.replicas === 0 || workload.strategy.paused) return [];
    if (workload.strategy.type === "OnDelete") return [];
    const { complete, progress, failures } = rolloutOf(workload.kind, live);
    if (complete || podWorkload(live, namespace)?.replicas === 0) return [];
    const state = [`${workload.id} is not available now (${progress})`, ...failures].join("; ");
    return replaced.has(workload.id)
      ? [`${state}: unless its new pods are, helm waits for them until timeouts.release`]
      : [
          `${state}, and this upgrade does not replace its pods: unless they become so by themselves, helm waits until timeouts.release`,
        ];
  });
}
