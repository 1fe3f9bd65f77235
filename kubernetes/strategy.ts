import { dig } from "./objects";

/** How a workload's controller replaces its pods, percentages resolved. */
export interface Strategy {
  /** `RollingUpdate`, `Recreate` or `OnDelete`. */
  type: string;
  /** Pods that may exist above the desired number. */
  surge: number;
  /** Pods that may be missing from the desired number; at most that number, and never 0 together with {@link surge}. */
  unavailable: number;
  /** Pods of a StatefulSet that keep the old template, counted from the first. Default 0. */
  partition: number;
  /** Seconds that a pod must be ready before it counts as available. Default 0. */
  minReadySeconds: number;
  /** `spec.paused` of a Deployment. */
  paused: boolean;
}

/**
 * Resolves the update strategy as the controllers of Kubernetes 1.34 do: a Deployment rounds surge up and
 * unavailability down and takes one pod away when both come to 0 (deployment/util `ResolveFenceposts`), a DaemonSet
 * rounds both up (daemon/util `UnavailableCount`), a StatefulSet rounds down and takes at least one
 * (`getStatefulSetMaxUnavailable`).
 *
 * @param kind Deployment, StatefulSet, DaemonSet, or Rollout: how Argo restarts its pods, without surge.
 * @param spec the workload's spec, from the API server or a chart; the API server's defaults are filled in.
 * @param replicas desired pods.
 */
export function strategyOf(kind: string, spec: unknown, replicas: number): Strategy {
  const chosen = dig(spec, kind === "Deployment" ? "strategy" : "updateStrategy");
  const type = dig(chosen, "type");
  const rolling = kind === "Rollout" ? dig(spec, "strategy", "canary") : dig(chosen, "rollingUpdate");
  return {
    type: typeof type === "string" ? type : "RollingUpdate",
    ...limits(kind, type, rolling, replicas),
    partition: kind === "StatefulSet" ? numberOf(dig(rolling, "partition")) : 0,
    minReadySeconds: numberOf(dig(spec, "minReadySeconds")),
    paused: kind === "Deployment" && dig(spec, "paused") === true,
  };
}

function limits(kind: string, type: unknown, rolling: unknown, replicas: number) {
  if (type === "Recreate") return { surge: 0, unavailable: replicas };
  const maxSurge = dig(rolling, "maxSurge");
  const maxUnavailable = dig(rolling, "maxUnavailable");
  switch (kind) {
    case "Deployment": {
      const surge = scaled(maxSurge ?? "25%", replicas, Math.ceil);
      return atLeastOne(surge, scaled(maxUnavailable ?? "25%", replicas, Math.floor), replicas);
    }
    case "DaemonSet": {
      const surge = scaled(maxSurge ?? 0, replicas, Math.ceil);
      return atLeastOne(surge, scaled(maxUnavailable ?? 1, replicas, Math.ceil), replicas);
    }
    case "Rollout":
      return atLeastOne(0, scaled(maxUnavailable ?? "25%", replicas, Math.floor), replicas);
    default:
      return atLeastOne(0, scaled(maxUnavailable ?? 1, replicas, Math.floor), replicas);
  }
}

function atLeastOne(surge: number, unavailable: number, replicas: number) {
  return { surge, unavailable: Math.min(surge + unavailable === 0 ? 1 : unavailable, replicas) };
}

/** An absolute number, or a percentage of the replicas as text. */
function scaled(value: unknown, replicas: number, round: (part: number) => number): number {
  const percent = typeof value === "string" ? /^(\d+)%$/.exec(value)?.[1] : undefined;
  return percent === undefined ? numberOf(value) : round((Number(percent) * replicas) / 100);
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
