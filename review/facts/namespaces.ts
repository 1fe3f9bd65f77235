import type { NamespaceFact } from "./schema";

/** What injects the proxies into MAS pods. */
export type Mode = "istio" | "cilium";

/** Labels of a namespace by which its pods get a proxy, for each mode; any one of them is enough. */
const LABELS: Readonly<Record<Mode, { needed: string; met: (labels: Readonly<Record<string, string>>) => boolean }>> = {
  istio: {
    needed: "istio-injection=enabled",
    // A revision label picks one of several control planes; istio-injection=disabled wins over it.
    met: (labels) =>
      labels["istio-injection"] === "enabled" ||
      (labels["istio-injection"] !== "disabled" && labels["istio.io/rev"] !== undefined),
  },
  cilium: { needed: "casa.io/injection=enabled", met: (labels) => labels["casa.io/injection"] === "enabled" },
};

/**
 * For each namespace with MAS workloads, whether its pods get a proxy at all.
 *
 * @param workloads namespace of each MAS workload.
 * @param labels of the namespaces that could be read.
 */
export function namespaceFacts(
  mode: Mode,
  workloads: readonly { namespace: string }[],
  labels: ReadonlyMap<string, Readonly<Record<string, string>>>,
): NamespaceFact[] {
  const counts = new Map<string, number>();
  for (const { namespace } of workloads) counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
  const { needed, met } = LABELS[mode];
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => {
      const found = labels.get(name);
      return { name, label: needed, labelled: found === undefined ? null : met(found), workloads: count };
    });
}
