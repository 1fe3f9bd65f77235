import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** How often a waiting process looks again, in milliseconds. */
const POLL_MS = 300;

/**
 * When a process started, in a unit of the system; tells apart two processes that had the same number. Empty without
 * /proc.
 */
function startTime(pid: number): string {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command in parentheses may hold spaces; the start time is the 20th field after it.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

/** Whether the process that wrote this into a lock still runs. */
function holds(content: string): boolean {
  const [pid = "0", started = ""] = content.split(" ");
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    // EPERM: it runs, under another user.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return startTime(Number(pid)) === started;
}

/**
 * Runs `work` while no other caller, in this process or another, holds the lock `file`. The lock names its holder, so
 * one left by a killed process is taken over. `onWait` is called once when somebody else holds it.
 */
export async function withLock<T>(file: string, onWait: (holder: number) => void, work: () => Promise<T>): Promise<T> {
  await fs.promises.mkdir(path.dirname(file), { recursive: true });
  const own = `${file}.${process.pid}-${randomBytes(4).toString("hex")}`;
  await fs.promises.writeFile(own, `${process.pid} ${startTime(process.pid)}`);
  try {
    await acquire(file, own, onWait);
    try {
      return await work();
    } finally {
      await fs.promises.rm(file, { force: true });
    }
  } finally {
    await fs.promises.rm(own, { force: true });
  }
}

async function acquire(file: string, own: string, onWait: (holder: number) => void): Promise<void> {
  let told = false;
  for (;;) {
    try {
      // A hard link appears with its content in one step: nobody sees a lock without a holder.
      return await fs.promises.link(own, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const content = await fs.promises.readFile(file, "utf8").catch(() => undefined);
    if (content === undefined) continue;
    if (!holds(content)) {
      await removeStale(file, `${own}.stale`, content);
      continue;
    }
    if (!told) onWait(parseInt(content, 10));
    told = true;
    await sleep(POLL_MS);
  }
}

/**
 * Takes away the lock of a dead holder; gives it back when another waiter was faster and it is a living holder's by
 * now.
 */
async function removeStale(file: string, aside: string, expected: string): Promise<void> {
  try {
    await fs.promises.rename(file, aside);
  } catch {
    return;
  }
  if ((await fs.promises.readFile(aside, "utf8")) !== expected)
    await fs.promises.link(aside, file).catch(() => undefined);
  await fs.promises.rm(aside, { force: true });
}
