/** Kinds whose pods a new template replaces. */
export const WORKLOAD_KINDS = ["Deployment", "StatefulSet", "DaemonSet"] as const;
export type WorkloadKind = (typeof WORKLOAD_KINDS)[number];

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
