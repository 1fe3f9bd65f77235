/**
 * Turns "at most k at once, in this order, one group after the other" into plain dependencies, which the engine keeps
 * by itself: item i waits for every item up to i-k of its group to be finished, so that of any k+1 neighbours one is
 * always done. The first items of a group wait for the whole group before.
 *
 * @param groups sizes of the groups, in order.
 * @param k      how many items may be under way at any moment; at least 1.
 * @returns for each item (numbered through all groups) the items that must be finished before it starts. Only the
 *          nearest k are listed; they stand for all earlier ones, which they wait for themselves.
 */
export function windowDependencies(groups: number[], k: number): number[][] {
  if (!Number.isInteger(k) || k < 1) throw new RangeError(`maxConcurrent must be a whole number from 1, not ${k}`);
  const waits: number[][] = [];
  let start = 0;
  let previous: number[] = [];
  for (const size of groups.filter((count) => count > 0)) {
    for (let i = 0; i < size; i++) {
      const upTo = i - k;
      const own = range(Math.max(0, upTo - k + 1), upTo).map((j) => start + j);
      waits.push(upTo < 0 ? previous : own);
    }
    previous = range(Math.max(0, size - k), size - 1).map((j) => start + j);
    start += size;
  }
  return waits;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}
