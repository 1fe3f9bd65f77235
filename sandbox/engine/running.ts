/** A command of the pulumi CLI that has not ended yet. */
export interface RunningCommand {
  readonly command: string;
  /** As `Date.now()` has it. */
  readonly started: number;
  /** What it has printed so far, stdout and stderr. */
  output: string;
}

/** Of all engines of this process: what a test that takes too long waits for. */
export const running = new Set<RunningCommand>();
