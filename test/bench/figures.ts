/** How often one thing was measured, in seconds. */
export interface Figure {
  what: string;
  seconds: readonly number[];
  /** The most that it should take, in seconds, and where that comes from; judged with `CHECK=1`. */
  limit?: { seconds: number; of: string };
  /** Largest sum of memory of all processes at one moment, in MiB. */
  memoryMiB?: number;
  /** As {@link limit}, in MiB. */
  memoryLimitMiB?: number;
}

/** The middle one; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [a, b] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (a === undefined || b === undefined) throw new Error("nothing was measured");
  return (a + b) / 2;
}

/** What a figure misses, in words. */
export function misses({ what, seconds, limit, memoryMiB = 0, memoryLimitMiB = Infinity }: Figure): string[] {
  const time = median(seconds);
  return [
    ...(limit && time > limit.seconds
      ? [`${what}: ${time.toFixed(1)} s, the limit is ${limit.seconds.toFixed(1)} s (${limit.of})`]
      : []),
    ...(memoryMiB > memoryLimitMiB
      ? [`${what}: ${memoryMiB.toFixed(0)} MiB in all processes, the limit is ${memoryLimitMiB} MiB`]
      : []),
  ];
}

/** A table in Markdown: medians, with the least and the most of all rounds. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, seconds, limit, memoryMiB }) => [
    what,
    `${median(seconds).toFixed(1)} s`,
    seconds.length === 1 ? "" : `${Math.min(...seconds).toFixed(1)} to ${Math.max(...seconds).toFixed(1)}`,
    memoryMiB === undefined ? "" : `${memoryMiB.toFixed(0)} MiB`,
    limit ? `${limit.seconds.toFixed(1)} s (${limit.of})` : "",
  ]);
  const head = [
    ["what", "median", "rounds", "memory", "limit"],
    ["---", "---", "---", "---", "---"],
  ];
  return [...head, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The same for programs. */
export function json(figures: readonly Figure[]): string {
  const all = figures.map((figure) => ({ ...figure, median: median(figure.seconds), misses: misses(figure) }));
  return JSON.stringify(all, null, 2);
}
