import { expect } from "chai";
import { migrationFailure } from "../../../../components/migration-gate/log-lines";

describe("lines with words like error beside a migration", () => {
  const harmless: Record<string, string> = {
    "a request": '2026-01-01 10:00:00 INFO 10.0.0.1 "GET /api/migrations/failed HTTP/1.1" 500 Internal Server Error',
    "a request of uvicorn": 'INFO:     10.0.0.7:3333 - "GET /migrations?status=failed HTTP/1.1" 200 OK',
    "a route": "INFO registered route GET /migrations/failed",
    "a file": "DEBUG import /app/migrations/failed/handler.py",
    "a module": "INFO loading module ./migrations/error.js",
    "nothing failed": "INFO migrations: none failed",
    "a check": "migrations verified: no critical issues",
    "a count behind the word": "migration summary: error count 0",
    "what happens on an error": "migration settings: on error: stop",
    "what would happen": "INFO Will abort on failed migrations (MIGRATE_STRICT=1)",
    "a policy": "migration failure policy: rollback",
    "another replica took over": "database migration lock: leader failed over to replica-2",
    "a feature flag": 'INFO flags: {"new-migration":true,"error-page":false}',
    "another word": "ERROR request /tenants failed: 503 from immigration-service",
    data: 'INFO migrated tenant "Failed Logins GmbH"',
    "another subject": "INFO migration worker idle; aborted requests are retried",
    "prisma's client": "ERROR PrismaClientKnownRequestError: Unique constraint failed on the fields: (email)",
    "a query of prisma's client": "prisma:error Invalid `prisma.user.create()` invocation: connection failed",
    "a stack with prisma's client": `{"level":"error","msg":"login failed","stack":"at /app/node_modules/@prisma/client/runtime/library.js"}`,
    "typeorm: a query": `query: INSERT INTO "migrations"("name") VALUES ($1) -- PARAMETERS: ["add-error 1644"]`,
    "sqlx: a step": "Applied 20230331020835/migrate add error codes (7.641042ms)",
    "golang-migrate: nothing to do": 'level=error msg="database migration" error="no change"',
    "liquibase: a column":
      "2026-01-01 INFO 1 --- [main] liquibase.changelog : Column failed(boolean), error(text) added",
    "liquibase: a changeset with a time":
      "2026-01-01 INFO liquibase.changelog ChangeSet db/x.xml::add-error::me ran successfully in 7ms",
    "keycloak: looks first":
      "2026-01-01 DEBUG [org.keycloak.liquibase.QuarkusJpaUpdaterProvider] (main) Validation failed. Database is not up-to-date",
    "flyway's advertisement": "INFO Flyway Teams features: error overrides",
    "JSON: information": '{"level":"info","logger":"liquibase.changelog","message":"Column failed(boolean) added"}',
    "EF Core asks a new database": `[10:00:00 ERR] Failed executing DbCommand (10ms) SELECT "MigrationId" FROM "__EFMigrationsHistory";
[10:00:00 INF] Applying migration '20240101_Init'.`,
    "a later attempt without the word": "WARN migration failed, retrying in 2s\nINFO database is up to date",
  };
  for (const [name, text] of Object.entries(harmless)) {
    it(`${name}: no failure`, () => expect(migrationFailure(`${text}\nINFO serving`)).to.equal(undefined));
  }

  const failures = [
    "INFO migration failed",
    "2026-01-01 10:00:00,123 - auth.db - INFO - database migration 0002 failed: relation exists",
    "INFO failed to run migrations: relation exists",
    "info: Error during migration run",
    'level=info msg="migrations" error="relation exists"',
    '{"level":"info","message":"running migrations","error":"relation exists"}',
    "[info] migration: error: relation exists",
    "ERROR db/migrations/0002.sql: relation exists",
    "migrations: no change of tokens, failed",
    "WARN migration failed, retrying in 2s\nINFO database is not up to date",
  ];
  for (const text of failures) {
    it(`"${text}": failed`, () => expect(migrationFailure(`${text}\nINFO serving`)).to.be.a("string"));
  }
});
