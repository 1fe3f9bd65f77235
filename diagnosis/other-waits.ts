import { dig, digList, groupKind, isMap, type KubeObject } from "../kubernetes/objects";

/**
 * What each kind that is no workload lacks before helm counts it as ready, in words; undefined: nothing. The kinds are
 * those that helm waits for (helm 3.22, pkg/kube/ready.go).
 */
const LACKS: Readonly<Record<string, (live: unknown) => string | undefined>> = {
  "/Service": (live) => {
    const addresses = [...digList(live, "status", "loadBalancer", "ingress"), ...digList(live, "spec", "externalIPs")];
    const isMissing = dig(live, "spec", "type") === "LoadBalancer" && addresses.length === 0;
    return isMissing ? "no load balancer has given it an address" : undefined;
  },
  "/PersistentVolumeClaim": (live) => {
    const phase = dig(live, "status", "phase");
    return phase === "Bound" ? undefined : `it is not bound (${typeof phase === "string" ? phase : "no phase"})`;
  },
  "/Pod": (live) => (isTrue(live, "Ready") ? undefined : "it is not ready"),
  "apps/ReplicaSet": (live) => {
    const [ready, wanted] = [
      Number(dig(live, "status", "readyReplicas") ?? 0),
      Number(dig(live, "spec", "replicas") ?? 1),
    ];
    return ready < wanted ? `${ready} of ${wanted} pods are ready` : undefined;
  },
  "apiextensions.k8s.io/CustomResourceDefinition": (live) =>
    isTrue(live, "Established") ? undefined : "it is not Established",
};

function isTrue(live: unknown, type: string): boolean {
  const conditions = digList(live, "status", "conditions").filter(isMap);
  return conditions.some((condition) => condition["type"] === type && condition["status"] === "True");
}

/** Whether helm waits for something of an object that is no workload. */
export function isWaitedFor(object: Pick<KubeObject, "apiVersion" | "kind">): boolean {
  return LACKS[groupKind(object)] !== undefined;
}

/** What helm still waits for, in words; undefined where it does not. */
export function waitsFor(object: KubeObject, live: unknown): string | undefined {
  return LACKS[groupKind(object)]?.(live);
}
