import * as fs from "node:fs";
import * as path from "node:path";

/** What one process has used, as /proc counts it. */
export interface ProcessUsage {
  pid: number;
  /** What runs, in one short text: `node run/index.js` is the program, `pulumi preview` the engine. */
  name: string;
  /** Processor time so far, user and system, in seconds. */
  cpuSeconds: number;
  /** Largest resident size so far, in MiB. */
  peakMiB: number;
}

/** What all processes of an action have used. */
export interface Usage<T> {
  result: T;
  /** The busiest first. */
  processes: ProcessUsage[];
  /** Largest sum of their sizes at one moment, in MiB; pages that several share are divided among them (PSS). */
  peakMiB: number;
}

/** At every how many looks their memory is summed up; it takes the kernel some milliseconds for each. */
const LOOKS_PER_SUM = 5;
/** How often the processes are looked at, in milliseconds; what one uses after the last look at it is missed. */
const INTERVAL_MS = 50;
/** Ticks of the processor times in /proc; USER_HZ is 100 on every Linux that node runs on. */
const TICKS_PER_SECOND = 100;

/** Runs an action and watches all processes that come from this one meanwhile. Linux only. */
export async function watchUsage<T>(run: () => Promise<T>): Promise<Usage<T>> {
  const before = new Set(descendants(process.pid));
  const seen = new Map<number, ProcessUsage>();
  let peakMiB = 0;
  let looks = 0;
  const look = () => {
    const alive: number[] = [];
    for (const pid of descendants(process.pid)) {
      const usage = before.has(pid) ? undefined : usageOf(pid);
      if (!usage) continue;
      seen.set(pid, usage);
      alive.push(pid);
    }
    if (looks++ % LOOKS_PER_SUM === 0) peakMiB = Math.max(peakMiB, sumOf(alive));
  };
  const timer = setInterval(look, INTERVAL_MS);
  try {
    const result = await run();
    return { result, processes: [...seen.values()].sort((a, b) => b.cpuSeconds - a.cpuSeconds), peakMiB };
  } finally {
    clearInterval(timer);
  }
}

function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of fs.readdirSync("/proc").map(Number).filter(Number.isInteger)) {
    const parent = Number(statOf(pid)?.[1] ?? NaN);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const below = (pid: number): number[] => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(root);
}

function usageOf(pid: number): ProcessUsage | undefined {
  const stat = statOf(pid);
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(read(pid, "status") ?? "")?.[1];
  if (!stat || peak === undefined) return undefined;
  const ticks = Number(stat[11]) + Number(stat[12]);
  return { pid, name: nameOf(pid), cpuSeconds: ticks / TICKS_PER_SECOND, peakMiB: Number(peak) / 1024 };
}

/** Their memory in MiB, as far as it can be read. */
function sumOf(pids: readonly number[]): number {
  const sizes = pids.map((pid) => /^Pss:\s+(\d+) kB$/m.exec(read(pid, "smaps_rollup") ?? "")?.[1] ?? 0);
  return sizes.reduce((sum: number, size) => sum + Number(size) / 1024, 0);
}

/** Program and first argument that is no option; of a path, the file and its folder. */
function nameOf(pid: number): string {
  const [program = "?", ...args] = (read(pid, "cmdline") ?? "").split("\0");
  const script = args.find((arg, i) => arg !== "" && !arg.startsWith("-") && !args[i - 1]?.startsWith("--")) ?? "";
  return `${path.basename(program)} ${script.split(path.sep).slice(-2).join(path.sep)}`.trim();
}

/** The fields of /proc/PID/stat after the command, which may hold anything: state, parent, … */
function statOf(pid: number): string[] | undefined {
  return read(pid, "stat")
    ?.replace(/^.*\) /s, "")
    .split(" ");
}

/** Undefined once the process is gone. */
function read(pid: number, file: "stat" | "status" | "smaps_rollup" | "cmdline"): string | undefined {
  try {
    return fs.readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}
