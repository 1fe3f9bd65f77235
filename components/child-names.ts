/** Names of the resources that are called after objects of the cluster: CRDs, workloads, records. */
export type ChildNames = (object: string) => string;

/** The name that this project's own program gives its upgrade. */
const OWN = "casa";

/**
 * How an upgrade calls those of its resources that are named after objects of the cluster. Names must be unique in a
 * stack, and two upgrades may well have the same CRD or a workload of the same name on two clusters. The upgrade called
 * `casa` adds nothing, because that is how they are recorded in the stacks that exist.
 */
export function childNames(upgrade: string): ChildNames {
  return upgrade === OWN ? (object) => object : (object) => `${upgrade}-${object}`;
}
