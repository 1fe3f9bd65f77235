import { dig, digList, isMap } from "./objects";

/** What a pod is made from. */
export interface PodSource {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The pod template. */
  readonly template: { readonly metadata?: unknown; readonly spec?: unknown };
  /** Names of a StatefulSet's claim templates. */
  readonly claimTemplates: readonly string[];
}

/** Stands for the hash and the UID that only the controller's own ReplicaSet has; nothing of it is kept. */
const HASH = "casaupgrade";
const UID = "00000000-0000-4000-8000-000000000000";
/** Kinds whose pods belong to a ReplicaSet, with the label in which that has the template's hash. */
const BY_REPLICA_SET: Readonly<Record<string, string>> = {
  Deployment: "pod-template-hash",
  Rollout: "rollouts-pod-template-hash",
};
/** Longest name that leaves room for what the API server adds. */
const LONGEST = 200;

/**
 * A pod as the workload's controller would create it, for a dry-run: with an owner, since policies refuse pods that
 * have none.
 */
export function podOf({ kind, name, namespace, template, claimTemplates }: PodSource): object {
  const given = isMap(template.metadata) ? template.metadata : {};
  const hashLabel = BY_REPLICA_SET[kind];
  const owner =
    hashLabel === undefined ? { kind, name } : { kind: "ReplicaSet", name: `${name.slice(0, LONGEST)}-${HASH}` };
  const apiVersion = kind === "Job" ? "batch/v1" : "apps/v1";
  const metadata = {
    ...given,
    labels: { ...(isMap(given["labels"]) ? given["labels"] : {}), ...(hashLabel ? { [hashLabel]: HASH } : {}) },
    ownerReferences: [{ apiVersion, ...owner, uid: UID, controller: true }],
  };
  const spec = isMap(template.spec) ? template.spec : {};
  const volumes = digList(spec, "volumes");
  const own = new Set(volumes.map((volume) => dig(volume, "name")));
  // The controller of a StatefulSet adds a volume for each claim template; without it the mounts would be refused.
  const claims = claimTemplates
    .filter((claim) => !own.has(claim))
    .map((claim) => ({ name: claim, persistentVolumeClaim: { claimName: `${claim}-${name}-0` } }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata, namespace, generateName: `${owner.name.slice(0, LONGEST)}-` },
    spec: { ...spec, ...(claims.length > 0 ? { volumes: [...volumes, ...claims] } : {}) },
  };
}
