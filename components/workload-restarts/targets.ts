import type { NamedWorkload } from "./restarts";
import type { WorkloadRef } from "../../kubernetes/workload";

/** What is read of a MultiAgentSystem. */
export interface MultiAgentSystemFacts {
  namespace: string;
  name: string;
  /** `spec.apps[].kubernetesWorkloadName`, in the order written. */
  workloads: string[];
}

/** What is read of a CASAPolicy. */
export interface CasaPolicyFacts {
  namespace: string;
  name: string;
  targetRef?: { kind: string; name: string };
}

/**
 * All workloads that somebody names, in restart order: system by system (by namespace and name, so that two runs
 * agree), then targets of policies that no system covers, then the ones of `restarts.workloads`.
 */
export function nameWorkloads(
  systems: readonly MultiAgentSystemFacts[],
  policies: readonly CasaPolicyFacts[],
  explicit: readonly WorkloadRef[],
): NamedWorkload[] {
  const fromSystems = [...systems]
    .sort(byName)
    .flatMap(({ namespace, name, workloads }) =>
      workloads.map((workload) => ({ namespace, name: workload, group: `MultiAgentSystem ${namespace}/${name}` })),
    );
  const fromPolicies = [...policies]
    .sort(byName)
    .flatMap(({ namespace, name, targetRef }) =>
      targetRef
        ? [{ kind: targetRef.kind, namespace, name: targetRef.name, group: `CASAPolicy ${namespace}/${name}` }]
        : [],
    );
  return [...fromSystems, ...fromPolicies, ...explicit.map((ref) => ({ ...ref, group: "restarts.workloads" }))];
}

function byName(a: { namespace: string; name: string }, b: { namespace: string; name: string }): number {
  return `${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1;
}
