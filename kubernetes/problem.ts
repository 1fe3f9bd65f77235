/** Something that makes the upgrade impossible, found before anything changes, and what to do about it. */
export class PreflightError extends Error {
  constructor(
    readonly problem: string,
    readonly fix: string,
  ) {
    super(`${problem}\n  Fix: ${fix}`);
  }
}
