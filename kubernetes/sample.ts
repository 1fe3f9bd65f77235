/**
 * Up to `most` of the workloads, one of each kind in each namespace first: quotas, policies and permissions are a
 * namespace's.
 */
export function sample<T extends { readonly kind: string; readonly namespace: string }>(
  workloads: readonly T[],
  most: number,
): T[] {
  const alike = new Map<string, number>();
  const numbered = workloads.map((workload) => {
    const key = `${workload.kind} ${workload.namespace}`;
    const place = alike.get(key) ?? 0;
    alike.set(key, place + 1);
    return { workload, place };
  });
  return numbered
    .sort((a, b) => a.place - b.place)
    .slice(0, most)
    .map(({ workload }) => workload);
}

/** Said where there were more workloads than were asked about. */
export function notSampled(all: number, tried: number): string[] {
  if (all <= tried) return [];
  return [
    `whether the API server takes new pods was asked for ${tried} of ${all} workloads, each namespace and kind first; ` +
      `the other ${all - tried} were not tried`,
  ];
}
