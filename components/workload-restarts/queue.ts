/**
 * "At most k at once, in this order, one group after the other": says which items begin, each time that one ends. Any
 * free place takes the next item, so a slow one holds up nobody but those of the next group.
 *
 * Items are numbered through all groups.
 */
export class RestartQueue {
  /** Group of each item. */
  private readonly groups: readonly number[];
  private readonly underWay = new Set<number>();
  private next = 0;
  private stopped = false;

  /**
   * @param sizes how many items each group has, in order.
   * @param k     how many items may be under way at any moment; at least 1.
   */
  constructor(
    sizes: readonly number[],
    private readonly k: number,
  ) {
    if (!Number.isInteger(k) || k < 1) throw new RangeError(`maxConcurrent must be a whole number from 1, not ${k}`);
    this.groups = sizes.flatMap((size, group) => Array.from({ length: size }, () => group));
  }

  /** The items that begin now, in order; they count as under way from now on. */
  begin(): number[] {
    const items: number[] = [];
    while (this.hasPlace()) {
      this.underWay.add(this.next);
      items.push(this.next++);
    }
    return items;
  }

  /** An item is done; its place is free. */
  end(item: number): void {
    this.underWay.delete(item);
  }

  /**
   * No further item begins.
   *
   * @returns the items that never will.
   */
  stop(): number[] {
    this.stopped = true;
    return this.groups.flatMap((_, item) => (item < this.next ? [] : [item]));
  }

  private hasPlace(): boolean {
    if (this.stopped || this.next >= this.groups.length || this.underWay.size >= this.k) return false;
    // What is under way is of one group: none begins before the one before it is done.
    const [other] = this.underWay;
    return other === undefined || this.groups[other] === this.groups[this.next];
  }
}

/** When each item begins and when the last one ends, if each takes the time that is given for it. */
export function timesOf(
  sizes: readonly number[],
  k: number,
  durations: readonly number[],
): { starts: number[]; end: number } {
  const queue = new RestartQueue(sizes, k);
  const starts: number[] = [];
  const ends = new Map<number, number>();
  let now = 0;
  for (;;) {
    for (const item of queue.begin()) {
      starts[item] = now;
      ends.set(item, now + (durations[item] ?? 0));
    }
    const [first] = [...ends].sort(([, a], [, b]) => a - b);
    if (first === undefined) return { starts, end: now };
    now = first[1];
    ends.delete(first[0]);
    queue.end(first[0]);
  }
}

/** Places that a number or a share of the workloads gives: a share is rounded up. */
export function placesOf(maxConcurrent: number | string, workloads: number): number {
  if (typeof maxConcurrent === "number") return maxConcurrent;
  return Math.max(1, Math.ceil((workloads * Number.parseInt(maxConcurrent, 10)) / 100));
}
