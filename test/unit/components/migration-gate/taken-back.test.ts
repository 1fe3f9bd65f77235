import { expect } from "chai";
import { migrationFailure } from "../../../../components/migration-gate/log-lines";

describe("a failed migration is taken back", () => {
  const after = (line: string) => expect(migrationFailure(`FATAL: database migration failed\n${line}\nINFO serving`));

  for (const line of [
    "INFO migrations were not applied",
    "Following migrations have not yet been applied:",
    "INFO migration rollback completed",
    "INFO migration was rolled back successfully",
    "INFO 2 migrations couldn't be applied",
    "Prisma connected successfully",
    "INFO liquibase: connection closed successfully",
  ]) {
    it(`not by "${line}"`, () => after(line).to.equal("FATAL: database migration failed"));
  }

  for (const line of [
    "INFO migrations applied",
    "INFO migration completed",
    "Successfully applied 2 migrations to schema public",
    "All migrations have been successfully applied.",
    "No migrations were executed, database schema was already up to date.",
    "Migration AddCode1644509217174 has been executed successfully.",
    "2026/01/26 17:22:14 goose: successfully migrated database to version: 1001",
  ]) {
    it(`by "${line}"`, () => after(line).to.equal(undefined));
  }
});
