import type { UnlistedWorkloads } from "../../kubernetes/workloads";

const RESOURCES: Readonly<Partial<Record<UnlistedWorkloads["kind"], string>>> = {
  DaemonSet: "daemonsets.apps",
  Rollout: "rollouts.argoproj.io",
};
/** Namespaces that are named before the others are only counted. */
const MOST = 5;

/** What a user may not list may be there all the same, and then keeps its pods. */
export function unlistedWarnings(unlisted: readonly UnlistedWorkloads[]): string[] {
  const kinds = [...new Set(unlisted.map(({ kind }) => kind))];
  return kinds.map((kind) => {
    const all = unlisted.filter((one) => one.kind === kind).map(({ namespace }) => namespace);
    const more = all.length > MOST ? ` and ${all.length - MOST} more` : "";
    return (
      `${kind}s may not be listed in ${all.slice(0, MOST).join(", ")}${more}: those that run MAS pods there are not known, ` +
      `and are not restarted. Let the user get, list, watch and patch ${RESOURCES[kind] ?? kind} there`
    );
  });
}
