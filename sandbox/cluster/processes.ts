import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Environment variable that marks every process of a cluster with the cluster's folder. Children inherit it, so
 * commands that `kubectl exec` started are found too.
 */
export const MARKER = "CASA_UPGRADE_CLUSTER_DIR";

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  // A zombie still has its number, but runs nothing any more.
  const stat = readProc(pid, "stat");
  return stat === undefined || !/^\d+ \(.*\) Z/s.test(stat);
}

function readProc(pid: number, file: "stat" | "environ" | "cmdline"): string | undefined {
  try {
    return fs.readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}

/** Command line of a running process as a list; undefined when it is gone or the system has no /proc. */
export function commandLine(pid: number): string[] | undefined {
  return readProc(pid, "cmdline")?.split("\0").slice(0, -1);
}

/** The number in a pid file; undefined when the file is missing or holds none. */
export function readPid(file: string): number | undefined {
  try {
    const pid = parseInt(fs.readFileSync(file, "utf8"), 10);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Processes that belong to the cluster in `dir`: those started from its own copies of the binaries, and those that
 * carry its mark. Where there is no /proc (macOS) the pid files of the components are all there is.
 */
export function clusterProcesses(dir: string): number[] {
  const pidsDir = path.join(dir, "pids");
  const own = new Set<number>();
  if (fs.existsSync("/proc/self/environ")) {
    for (const entry of fs.readdirSync("/proc")) {
      const pid = Number(entry);
      if (!Number.isInteger(pid) || pid === process.pid || !isAlive(pid)) continue;
      const fromBin = commandLine(pid)?.[0]?.startsWith(`${dir}/bin/`);
      if (fromBin || readProc(pid, "environ")?.split("\0").includes(`${MARKER}=${dir}`)) own.add(pid);
    }
  } else if (fs.existsSync(pidsDir)) {
    for (const file of fs.readdirSync(pidsDir)) {
      const pid = readPid(path.join(pidsDir, file));
      if (pid && isAlive(pid)) own.add(pid);
    }
  }
  return [...own];
}

/** Processes with an argument that is a path inside `dir`, such as plugins that outlived their engine. Needs /proc. */
export function processesWithArgumentIn(dir: string): number[] {
  if (!fs.existsSync("/proc/self/cmdline")) return [];
  return fs
    .readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .filter((pid) => commandLine(pid)?.some((argument) => argument.startsWith(`${dir}/`)));
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended in the meantime.
  }
}

/** Sends a signal and waits until the process is gone. @returns false when it still runs after `timeoutMs`. */
export async function endProcess(pid: number, name: NodeJS.Signals, timeoutMs = 5_000): Promise<boolean> {
  signal(pid, name);
  const deadline = Date.now() + timeoutMs;
  while (isAlive(pid)) {
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

/**
 * Kills all processes of the cluster, again and again until none is found: one that was being started may appear late.
 * @throws naming the processes that cannot be killed.
 */
export async function killClusterProcesses(dir: string): Promise<void> {
  for (let round = 0; round < 50; round++) {
    const pids = clusterProcesses(dir);
    if (pids.length === 0) return;
    for (const pid of pids) signal(pid, "SIGKILL");
    await sleep(40);
  }
  throw new Error(`processes of the cluster in ${dir} do not end: ${clusterProcesses(dir).join(", ")}`);
}
