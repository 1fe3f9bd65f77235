import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";

/** How long a process that was asked to stop may take before it is killed, in ms; the official host's value. */
const STOP_GRACE_MS = 5000;

/** A started process and its end. */
export interface Child {
  process: ChildProcess;
  /**
   * Exit code, -1 when a signal ended it. Resolves after all of its output was read; rejects when it could not be
   * started.
   */
  exit: Promise<number>;
  /** Asks it to stop (SIGINT), and kills it 5 s later. */
  interrupt(): void;
  kill(): void;
}

/**
 * The node processes this host started. They stay in the host's own process group, so that the engine's last resort, a
 * SIGKILL to that group, reaches them too.
 */
export class Children {
  readonly #running = new Set<Child>();

  start(args: string[], options: SpawnOptions): Child {
    const started = spawn(process.execPath, args, options);
    const exit = new Promise<number>((resolve, reject) => {
      started.once("error", reject);
      started.once("close", (code) => resolve(code ?? -1));
    });
    const child: Child = {
      process: started,
      exit,
      interrupt: () => {
        started.kill("SIGINT");
        setTimeout(() => started.kill("SIGKILL"), STOP_GRACE_MS).unref();
      },
      kill: () => void started.kill("SIGKILL"),
    };
    this.#running.add(child);
    const forget = () => void this.#running.delete(child);
    exit.then(forget, forget);
    return child;
  }

  interruptAll(): void {
    for (const child of this.#running) child.interrupt();
  }

  killAll(): void {
    for (const child of this.#running) child.kill();
  }
}
