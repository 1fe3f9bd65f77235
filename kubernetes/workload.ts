/** Kinds whose controller replaces all pods when it is told to: by a new template, or by `spec.restartAt`. */
export const WORKLOAD_KINDS = ["Deployment", "StatefulSet", "DaemonSet", "Rollout"] as const;
export type WorkloadKind = (typeof WORKLOAD_KINDS)[number];

/** The API version of a kind; a Rollout is Argo's. */
export function apiVersionOf(kind: WorkloadKind): string {
  return kind === "Rollout" ? "argoproj.io/v1alpha1" : "apps/v1";
}

/** A workload by name; without a kind it may be either. */
export interface WorkloadRef {
  kind?: WorkloadKind;
  namespace: string;
  name: string;
}

/** True when a written name means this workload. */
export function matches(ref: WorkloadRef, facts: { kind: string; namespace: string; name: string }): boolean {
  return (
    ref.namespace === facts.namespace && ref.name === facts.name && (ref.kind === undefined || ref.kind === facts.kind)
  );
}

/** `Kind/namespace/name`. */
export function workloadId(workload: { kind: string; namespace: string; name: string }): string {
  return `${workload.kind}/${workload.namespace}/${workload.name}`;
}
