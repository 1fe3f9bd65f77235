/** The chart cannot be read or rendered; `fix` says what to do. */
export class ChartError extends Error {
  constructor(
    readonly problem: string,
    readonly fix: string,
  ) {
    super(`${problem}\n  Fix: ${fix}`);
  }
}
