import { expect } from "chai";
import {
  migrationAttempt,
  migrationFailure,
  migrationLines,
  wasDoneBy,
} from "../../../../components/migration-gate/log-lines";

const CONTEXT = `INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.
INFO  [alembic.runtime.migration] Will assume transactional DDL.`;
const LIBRARY = `  File "/app/.venv/lib/python3.12/site-packages/sqlalchemy/engine/default.py", line 1192, in do_execute
    cursor.execute(statement, parameters)
    ~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^`;
const trace = (error: string) => `Traceback (most recent call last):
  File "/app/.venv/bin/alembic", line 8, in <module>
    sys.exit(main())
             ~~~~^^
  File "/app/migrations/versions/b2.py", line 11, in upgrade
    op.add_column("tokens", audience)
    ~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^
${LIBRARY}
${error}`;

describe("what migration tools print", () => {
  const failures: Record<string, string> = {
    "flyway: a migration": `Migrating schema "public" to version "3 - add error codes"
[2026-01-01 13:55:41] [SEVERE ] Migration of schema "public" to version "3 - add error codes" failed! Changes successfully rolled back.`,
    "flyway: no history": `org.flywaydb.core.api.FlywayException: Found non-empty schema(s) "public" but no schema history table. Use baseline()`,
    "flyway: validation": `ERROR: Validate failed: Migrations have failed validation`,
    "liquibase: the lock": `INFO liquibase.lockservice Waiting for changelog lock....
liquibase.exception.LockException: Could not acquire change log lock.  Currently locked by auth-7d4 (10.0.0.7) since 3/11/26, 7:39 AM`,
    "liquibase: a changeset": `Running Changeset: db/changelog.sql::failed logins::me
Unexpected error running Liquibase: Migration failed for changeset db/changelog.sql::failed logins::me:`,
    django: `Operations to perform:
  Apply all migrations: auth
Running migrations:
  Applying auth.0002_add_error_codes...${trace('django.db.utils.ProgrammingError: column "code" already exists')}`,
    "golang-migrate: dirty": "error: Dirty database version 40. Fix and force version.",
    "golang-migrate: a migration":
      'error: migration failed: syntax error at or near "TABEL" (column 8) in line 1: CREATE TABEL x;',
    "prisma: a failed one before": `Error: P3009

migrate found failed migrations in the target database, new migrations will not be applied.
The \`20240126184148_new_models\` migration started at 2026-04-21 16:09:45 UTC failed`,
    "prisma: no server":
      "Prisma schema loaded from prisma/schema.prisma\nError: P1001: Can't reach database server at `db:5432`",
    goose: 'goose run: ERROR 00002_roles.sql: failed to run SQL migration: ERROR: relation "roles" already exists',
    rails: "rails aborted!\nStandardError: An error has occurred, this and all later migrations canceled:",
    "a logger of Node.js": `{"level":50,"msg":"migrations: relation roles already exists"}`,
    uvicorn: `INFO:     Waiting for application startup.\nERROR:    ${trace("sqlalchemy.exc.ProgrammingError: no such column")}\n\nERROR:    Application startup failed. Exiting.`,
  };
  for (const [name, text] of Object.entries(failures)) {
    it(`${name}: failed`, () => expect(migrationFailure(`INFO start\n${text}\nINFO serving`)).to.be.a("string"));
  }

  const fine: Record<string, string> = {
    flyway: `Migrating schema "public" to version "3 - add error codes after failed logins"
Successfully applied 1 migration to schema "public", now at version v3 (execution time 00:00.012s)
ERROR: Unable to create JSON report
org.flywaydb.core.api.FlywayException: Unable to write JSON to file: report.json (Permission denied)`,
    liquibase: `Running Changeset: db/changelog.sql::failed logins::me
INFO liquibase.changelog ChangeSet db/changelog.sql::failed logins::me ran successfully in 7ms
Liquibase: Update has been successful. Rows affected: 3`,
    sequelize: "== 20260101-add-error: migrating =======\n== 20260101-add-error: migrated (0.012s)",
    prisma: "Applying migration `20260101_failed-logins`\n\nAll migrations have been successfully applied.",
    "golang-migrate": `time=2026-01-01T00:00:00Z level=info msg="migrations applied" error=<nil>`,
    "flyway after an attempt": `ERROR: Migration of schema "public" to version "3" failed!
Schema "public" is up to date. No migration necessary.`,
    "django after an attempt": "ERROR migration failed: no connection\nRunning migrations:\n  No migrations to apply.",
  };
  for (const [name, text] of Object.entries(fine)) {
    it(`${name}: went well`, () => expect(migrationFailure(text)).to.equal(undefined));
  }

  it("a group of exceptions and a framed traceback are tracebacks, too", () => {
    const grouped = `  + Exception Group Traceback (most recent call last):
  |   File "/app/main.py", line 3, in lifespan
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/migrations/versions/b2.py", line 11, in upgrade
    |     op.add_column("tokens", audience)
    | sqlalchemy.exc.IntegrityError: null values
    +------------------------------------`;
    expect(migrationFailure(grouped)).to.equal("sqlalchemy.exc.IntegrityError: null values");
    const framed = `╭───────── Traceback (most recent call last) ─────────╮
│ /app/migrations/versions/b2.py:11 in upgrade        │
│ ❱ 11     op.add_column("tokens", audience)          │
╰─────────────────────────────────────────────────────╯
IntegrityError: null values`;
    expect(migrationFailure(framed)).to.equal("IntegrityError: null values");
  });

  it("of a traceback that ends in libraries the service's own frame is shown, without the marks below its code", () => {
    const error = 'sqlalchemy.exc.IntegrityError: column "audience" contains null values';
    expect(migrationLines(`${CONTEXT}\n${trace(error)}`).slice(2)).to.deep.equal([
      "Traceback (most recent call last):",
      "…",
      '  File "/app/migrations/versions/b2.py", line 11, in upgrade',
      '    op.add_column("tokens", audience)',
      "…",
      error,
    ]);
  });
});

describe("replicas of alembic that start together", () => {
  const step = "INFO  [alembic.runtime.migration] Running upgrade a1 -> b2, add the audience";
  const winner = migrationAttempt(`${CONTEXT}\n${step}`);
  const lost = (text: string) => wasDoneBy(migrationAttempt(text), [migrationAttempt(text), winner]);

  it("one that failed at a step that another did has not failed", () => {
    expect(winner).to.deep.equal({ steps: ["a1 -> b2"] });
    expect(
      lost(`${CONTEXT}\n${step}\n${trace("sqlalchemy.exc.ProgrammingError: (psycopg2.errors.DuplicateColumn)")}`),
    ).to.equal(winner);
    expect(
      lost(`${CONTEXT}\n${step}\nFAILED: Online migration expected to match one row when updating 'a1' to 'b2'`),
    ).to.equal(winner);
  });

  it("one that failed at another step, at no step, or where none went well has failed", () => {
    const failed = `FAILED: Can't locate revision identified by 'b2'`;
    expect(lost(`${CONTEXT}\n${failed}`)).to.equal(undefined);
    expect(lost(`${CONTEXT}\n${step}\nINFO Running upgrade b2 -> c3, more\n${failed}`)).to.equal(undefined);
    const both = migrationAttempt(`${CONTEXT}\n${step}\n${failed}`);
    expect(wasDoneBy(both, [both, both])).to.equal(undefined);
  });

  it("both make alembic's table: the one that lost has no step yet", () => {
    const exists =
      'sqlalchemy.exc.IntegrityError: duplicate key value violates unique constraint "pg_type_typname_nsp_index"';
    const text = `${CONTEXT}\n${trace(exists)}`;
    expect(lost(text)).to.equal(undefined);
    const first = migrationAttempt(`${CONTEXT}\nINFO  [alembic.runtime.migration] Running upgrade  -> a1, first`);
    expect(wasDoneBy(migrationAttempt(text), [first])).to.equal(first);
  });

  it("one that gave up at the lock of another has not failed; all of them have", () => {
    const pod = (name: string, text: string) => ({ pod: name, ...migrationAttempt(text) });
    const locked = "Can't take lock to run migrations: Migration table is already locked";
    const all = [pod("a", locked), pod("a", "INFO sidecar"), pod("b", "Batch 1 run: 3 migrations")] as const;
    expect(wasDoneBy(all[0], all)?.pod).to.equal("b");
    const stale = [pod("a", locked), pod("a", "INFO sidecar"), pod("b", locked)] as const;
    expect(wasDoneBy(stale[0], stale)).to.equal(undefined);
  });
});
