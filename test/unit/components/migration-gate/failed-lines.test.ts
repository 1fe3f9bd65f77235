import { expect } from "chai";
import { migrationFailure } from "../../../../components/migration-gate/log-lines";

describe("what further tools and loggers print of a failed migration", () => {
  const failures: Record<string, [log: string, line: string]> = {
    "sequelize-cli": [
      '== 20230327-add-code: migrating =======\n\nERROR: column "code" of relation "tokens" already exists',
      'ERROR: column "code" of relation "tokens" already exists',
    ],
    dbmate: [
      'Applying: 20200101_users.sql\nError: pq: relation "users" already exists',
      'Error: pq: relation "users" already exists',
    ],
    "dbmate, the record": [
      "Applied: 20200101_users.sql in 3ms\nError: pq: duplicate key value",
      "Error: pq: duplicate key value",
    ],
    diesel: [
      'Running migration 2024-01-01-000000_users\nFailed to run 2024-01-01-000000_users with: relation "users" already exists',
      'Failed to run 2024-01-01-000000_users with: relation "users" already exists',
    ],
    "node-pg-migrate": [
      '> Rolling back attempted migration ...\nerror: relation "users" already exists',
      "> Rolling back attempted migration ...",
    ],
    rails: [
      "ActiveRecord::PendingMigrationError (\n\nMigrations are pending.",
      "ActiveRecord::PendingMigrationError (",
    ],
    "django: two branches": [
      "CommandError: Conflicting migrations detected; multiple leaf nodes in the migration graph: (0002_a, 0002_b in auth).",
      "CommandError: Conflicting migrations detected; multiple leaf nodes in the migration graph: (0002_a, 0002_b in auth).",
    ],
    "EF Core": [
      `info: Microsoft.EntityFrameworkCore.Migrations[20402]
      Applying migration '20240101000000_AddCode'.
fail: Microsoft.EntityFrameworkCore.Database.Command[20102]
      Failed executing DbCommand (13ms) [Parameters=[], CommandType='Text', CommandTimeout='30']
      ALTER TABLE "Tokens" ADD "Code" text NOT NULL;
Npgsql.PostgresException (0x80004005): 42701: column "Code" of relation "Tokens" already exists
   at Npgsql.Internal.NpgsqlConnector.ReadMessageLong(Boolean async)
   at Microsoft.EntityFrameworkCore.Migrations.Internal.Migrator.MigrateAsync(String targetMigration)`,
      'Npgsql.PostgresException (0x80004005): 42701: column "Code" of relation "Tokens" already exists',
    ],
    ecto: [
      `** (Postgrex.Error) ERROR 42P07 (duplicate_table) relation "users" already exists
    (ecto_sql 3.10.1) lib/ecto/adapters/sql.ex:1047: Ecto.Adapters.SQL.raise_sql_call_error/1
    (ecto_sql 3.10.1) lib/ecto/migration/runner.ex:327: Ecto.Migration.Runner.log_and_execute_ddl/3`,
      '** (Postgrex.Error) ERROR 42P07 (duplicate_table) relation "users" already exists',
    ],
    drizzle: [
      `DrizzleQueryError: Failed query: ALTER TABLE x
    at PostgresJsPreparedQuery.execute (/app/node_modules/drizzle-orm/session.js:1:1)
    at async migrate (/app/node_modules/drizzle-orm/postgres-js/migrator.js:7:3)`,
      "DrizzleQueryError: Failed query: ALTER TABLE x",
    ],
    hibernate: [
      `WARN 42973 --- [main] ExceptionHandlerLoggedImpl : GenerationTarget encountered exception accepting command : Error executing DDL "alter table a add column b bigint not null" via JDBC Statement`,
      `WARN 42973 --- [main] ExceptionHandlerLoggedImpl : GenerationTarget encountered exception accepting command : Error executing DDL "alter table a add column b bigint not null" via JDBC Statement`,
    ],
    keycloak: [
      "FATAL [org.keycloak.services] (ServerService Thread Pool -- 63) Error during startup: java.lang.RuntimeException: Failed to update database",
      "FATAL [org.keycloak.services] (ServerService Thread Pool -- 63) Error during startup: java.lang.RuntimeException: Failed to update database",
    ],
    "spring and liquibase": [
      `2026-01-01 ERROR 1 --- [main] o.s.boot.SpringApplication : Application run failed

org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'entityManager'
	at org.springframework.beans.factory.support.X.y(X.java:1) ~[spring-beans.jar!/:5]
	at liquibase.integration.spring.SpringLiquibase.performUpdate(SpringLiquibase.java:431) ~[x.jar!/:na]`,
      "org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'entityManager'",
    ],
    laravel: [
      "  2024_01_01_000000_create_users_table .......... 3.5ms FAIL",
      "2024_01_01_000000_create_users_table .......... 3.5ms FAIL",
    ],
    "alembic with times in front": [
      "2026-01-01 10:00:00 FAILED: Can't locate revision identified by 'a1'",
      "FAILED: Can't locate revision identified by 'a1'",
    ],
    "a traceback with times in front": [
      `2026-01-01T10:00:00.123Z Traceback (most recent call last):
2026-01-01T10:00:00.123Z   File "/app/migrations/versions/b2.py", line 11, in upgrade
2026-01-01T10:00:00.123Z     op.add_column("tokens", audience)
2026-01-01T10:00:00.123Z sqlalchemy.exc.IntegrityError: null values`,
      "sqlalchemy.exc.IntegrityError: null values",
    ],
  };
  for (const [name, [log, line]] of Object.entries(failures)) {
    it(name, () => expect(migrationFailure(`INFO start\n${log}\nINFO serving`)).to.equal(line));
  }

  const json = (fields: object) => JSON.stringify(fields);
  for (const line of [
    "2026/01/01 10:00:00 could not run migrations: pq: relation exists",
    "2026/01/01 10:00:00 unable to apply database migrations: dial tcp: lookup db: no such host",
    "Migration exception: relation exists",
    'E0101 10:00:00.000000       1 migrate.go:55] migration 12: relation "x" already exists',
    '10:00AM ERR running migrations error="pq: relation exists"',
    "t=2026-01-01 lvl=eror msg=migrations reason=boom",
    json({ level: 30, msg: "running migrations", err: { type: "Error", message: "relation exists" } }),
    json({ "log.level": "ERROR", message: "running migrations: boom" }),
    json({ log: { level: "error" }, message: "running migrations: boom" }),
    json({ "@t": "2026", "@mt": "migrating the database", "@l": "Error", "@x": "Npgsql.PostgresException: 42701" }),
    json({ LogLevel: "Error", Category: "Program", Message: "running migrations: boom" }),
    json({ message: "running migrations: boom", level: 400, level_name: "ERROR" }),
  ]) {
    it(`by a logger: ${line}`, () => expect(migrationFailure(`${line}\nINFO serving`)).to.equal(line));
  }

  for (const [name, log] of Object.entries({
    "a stack of a request": `Error: tenant not found\n    at get (/app/api.js:3:1)\n    at next (/app/node_modules/express/lib/router.js:1:1)`,
    "a stack of Prisma's client": `PrismaClientKnownRequestError: Error\n    at x (/app/node_modules/@prisma/client/runtime/library.js:1:1)`,
    "a warning with a stack": `(node:1) DeprecationWarning: old\n    at up (/app/node_modules/umzug/lib/umzug.js:1:1)`,
    "a constraint that Hibernate makes anew": `WARN GenerationTarget encountered exception accepting command : Error executing DDL "alter table a drop constraint b" via JDBC Statement`,
    "levels of PHP's loggers": json({ message: "looking for migrations", level: 200, level_name: "INFO" }),
    "steps that went well": `== 1-add-error: migrating =======\n== 1-add-error: migrated (0.012s)\n\nERROR: invalid password`,
    "klog's information": "I0101 10:00:00.000000       1 migrate.go:55] migration 12: applied",
    "a step of dbmate": "Applying: 1_add_error.sql\nApplied: 1_add_error.sql in 3ms\nWriting: ./db/schema.sql",
    "JSON: an empty error": json({ level: "info", msg: "migrations", err: {} }),
  })) {
    it(`not: ${name}`, () => expect(migrationFailure(`${log}\nINFO serving`)).to.equal(undefined));
  }
});
