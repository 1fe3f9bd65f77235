/** Where progress goes: `process.stderr`, or anything with the two members used here. */
export interface ProgressStream {
  isTTY?: boolean;
  write(text: string): unknown;
}

/** How often a running step says that it still runs, in milliseconds: on a terminal the line is redrawn in place. */
const TICK_MS = { terminal: 1_000, log: 10_000 };

/** `4.2 s` below a minute, `3 min 05 s` above. */
export function formatElapsed(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/** Says what a long set-up is doing: start, elapsed time while it runs, and how long it took. */
export class Progress {
  /** The step whose line is being redrawn on a terminal; other lines first wipe it. */
  private drawing = false;

  /** @param stream default `process.stderr`, so that what a command prints on stdout stays clean. */
  constructor(private readonly stream: ProgressStream | undefined = process.stderr) {}

  /** A progress that prints nothing. */
  static silent(): Progress {
    return new Progress({ write: () => true });
  }

  /** Prints one line of its own. */
  line(text: string): void {
    this.wipe();
    this.stream?.write(`${text}\n`);
  }

  /**
   * Runs `work` as one step. Steps may run side by side. `detail` given to the callback replaces the text shown beside
   * the elapsed time. An error is passed on after a line that says how long the step ran.
   */
  async step<T>(title: string, work: (detail: (text: string) => void) => Promise<T>): Promise<T> {
    const terminal = this.stream?.isTTY === true;
    const started = Date.now();
    let note = "";
    const status = () => `${title}: ${note ? `${note}, ` : ""}${formatElapsed(Date.now() - started)}`;
    if (terminal) this.draw(title);
    else this.line(`${title} ...`);
    const timer = setInterval(
      () => (terminal ? this.draw(status()) : this.line(`${status()} so far`)),
      terminal ? TICK_MS.terminal : TICK_MS.log,
    );
    timer.unref();
    try {
      const result = await work((text) => (note = text));
      this.line(`${title}: done in ${formatElapsed(Date.now() - started)}`);
      return result;
    } catch (error) {
      this.line(`${title}: failed after ${formatElapsed(Date.now() - started)}`);
      throw error;
    } finally {
      clearInterval(timer);
    }
  }

  private draw(text: string): void {
    this.wipe();
    this.stream?.write(text);
    this.drawing = true;
  }

  private wipe(): void {
    if (!this.drawing) return;
    this.stream?.write("\r\u001b[2K");
    this.drawing = false;
  }
}
