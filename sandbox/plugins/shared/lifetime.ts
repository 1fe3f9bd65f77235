import * as fs from "node:fs";

const PARENT_POLL_MS = 500;

/**
 * Ties this process to the engine that started it: it ends when the engine asks (SIGINT or SIGTERM), and is killed,
 * with everything in its process group, as soon as the engine is gone, even when that was killed itself and could tell
 * nobody.
 *
 * The engine starts a plugin in a process group of its own and holds the other end of its stdin, so end-of-file there
 * means the engine is dead; watching for a new parent covers starters that give no pipe. `cleanUp` runs first in either
 * case; it must not wait: an engine that has asked waits up to 5 s for every plugin that lingers.
 */
export function dieWithParent(cleanUp: () => void): void {
  const parent = process.ppid;
  const die = () => {
    cleanUp();
    killGroup();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      cleanUp();
      process.exit(0);
    });
  }
  setInterval(() => {
    if (process.ppid !== parent) die();
  }, PARENT_POLL_MS).unref();
  if (isPipe(0)) {
    process.stdin.on("end", die).on("error", die).resume();
  }
}

function isPipe(fd: number): boolean {
  try {
    const stat = fs.fstatSync(fd);
    return stat.isFIFO() || stat.isSocket();
  } catch {
    return false;
  }
}

function killGroup(): void {
  try {
    process.kill(-process.pid, "SIGKILL");
  } catch {
    // Not the leader of a group: started by hand from a shell script, say.
    process.kill(process.pid, "SIGKILL");
  }
}
