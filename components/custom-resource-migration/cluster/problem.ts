/** Why objects could not be migrated, and what to do about it. */
export class MigrationError extends Error {
  constructor(problem: string, fix: string) {
    super(`${problem}\n  Fix: ${fix}`);
  }
}
