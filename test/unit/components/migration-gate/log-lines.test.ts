import { expect } from "chai";
import { migrationFailure, migrationLines } from "../../../../components/migration-gate/log-lines";

const OTHER = Array.from({ length: 50 }, (_, i) => `INFO request ${i} answered`).join("\n");
const START = `INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.
INFO  [alembic.runtime.migration] Running upgrade 4f1c -> 8e5b, add error codes after failed logins`;
const CRASH = `Traceback (most recent call last):
  File "/usr/lib/sqlalchemy/engine/base.py", line 1967, in _exec_single_context
    self.dialect.do_execute(
psycopg2.errors.NotNullViolation: column "audience" contains null values

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/migrate.py", line 41, in <module>
    command.upgrade(config, "head")
  File "/app/migrations/versions/8e5b.py", line 23, in upgrade
    op.add_column("tokens", audience)
sqlalchemy.exc.IntegrityError: (psycopg2.errors.NotNullViolation) column "audience" contains null values
DETAIL:  Failing row contains (1, null).

[SQL: ALTER TABLE tokens ADD COLUMN audience VARCHAR NOT NULL]
[parameters: {'password': 'of a user'}]
(Background on this error at: https://sqlalche.me/e/20/gkpj)`;

describe("log lines about a migration", () => {
  it("what names a migration, and the end of the last traceback, marked where lines are left out", () => {
    expect(migrationLines(`${OTHER}\n${START}\n${CRASH}\n${OTHER}\nERROR: migration failed, exiting`)).to.deep.equal([
      "INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.",
      "INFO  [alembic.runtime.migration] Running upgrade 4f1c -> 8e5b, add error codes after failed logins",
      "…",
      "Traceback (most recent call last):",
      "…",
      '  File "/app/migrations/versions/8e5b.py", line 23, in upgrade',
      '    op.add_column("tokens", audience)',
      'sqlalchemy.exc.IntegrityError: (psycopg2.errors.NotNullViolation) column "audience" contains null values',
      "DETAIL:  Failing row contains (1, null).",
      "[SQL: ALTER TABLE tokens ADD COLUMN audience VARCHAR NOT NULL]",
      "…",
      "ERROR: migration failed, exiting",
    ]);
  });

  it("a log that says nothing of a migration: its end", () => {
    expect(migrationLines(`${OTHER}\n`))
      .to.have.length(10)
      .and.include("INFO request 49 answered");
    expect(migrationLines("")).to.deep.equal([]);
  });

  it("never more than a screen, also of a log that speaks of migrations all the time", () => {
    const lines = migrationLines(Array.from({ length: 500 }, (_, i) => `INFO migrated tenant ${i}`).join("\n"));
    expect(lines).to.have.length(10).and.include("INFO migrated tenant 499");
  });

  it("a traceback that is cut off at the end of the log, and Windows line ends", () => {
    const cut = `${START}\r\nTraceback (most recent call last):\r\n  File "/app/migrate.py", line 1, in <module>`;
    expect(migrationLines(cut).at(-1)).to.equal('  File "/app/migrate.py", line 1, in <module>');
  });
});

describe("a log that says the migration failed", () => {
  const failed = (text: string) => expect(migrationFailure(text));

  it("a traceback through migration code, or an error line that names a migration", () => {
    failed(`${START}\n${CRASH}\n${OTHER}`).to.match(/^sqlalchemy.exc.IntegrityError/);
    failed(`${OTHER}\nFATAL: database migration failed`).to.equal("FATAL: database migration failed");
    failed("2026-01-01 12:00:00 ERROR [alembic.util.messaging] Can't locate revision identified by '8e5b'").to.match(
      /8e5b/,
    );
  });

  it("what the command alembic says last, however its loggers are set up", () => {
    const gone = "FAILED: Can't locate revision identified by 'a1'";
    failed(gone).to.equal(gone);
    failed(`${START}\n${gone}\n${OTHER}`).to.equal(gone);
    const heads = "FAILED: Multiple head revisions are present for given argument 'head'; please specify a specific";
    failed(heads).to.equal(heads);
    failed(`${gone}\nretrying\n${START}`).to.equal(undefined);
    expect(migrationLines(`${OTHER}\n${gone}\n${OTHER}`)).to.deep.equal([gone]);
  });

  it("in colours, and in JSON: level, message and error count, empty errors and other fields do not", () => {
    failed("\u001b[31mERROR\u001b[0m \u001b[1m[alembic]\u001b[0m cannot go on").to.equal(
      "ERROR [alembic] cannot go on",
    );
    const json = (fields: object) => JSON.stringify(fields);
    for (const fields of [
      { level: "error", logger: "alembic.util.messaging", msg: "Can't locate revision identified by 'a1'" },
      { severity: "INFO", message: "running migrations", error: "relation tokens does not exist" },
      { level: "info", event: "migration failed", attempt: 3 },
    ]) {
      failed(json(fields)).to.equal(json(fields));
    }
    for (const fields of [
      { level: "info", message: "migrations done", error: null },
      { level: "info", message: "migrations done", error: "", failed: 0 },
      { level: "info", message: "migrations: 3 applied, 0 failed" },
      { level: "info", message: "alembic started", table: "failed_logins", previous: "error" },
    ]) {
      failed(json(fields)).to.equal(undefined);
    }
    // An error that was taken back.
    failed(
      `${json({ level: "error", msg: "migration failed" })}\n${json({ level: "info", msg: "migrations applied" })}`,
    ).to.equal(undefined);
  });

  it("not: counts and fields that say that nothing went wrong, unless something else does", () => {
    for (const line of [
      "INFO migrations: 3 applied, 0 failed",
      "INFO alembic result failed=0 errors: []",
      'INFO migration result {"error":null,"applied":2}',
      "INFO migration result error=None",
    ]) {
      failed(line).to.equal(undefined);
    }
    failed("ERROR migration aborted: 0 errors before, then a deadlock").to.match(/deadlock/);
  });

  it("not: words of the author of a step, counts of zero, tracebacks of requests, a healthy log", () => {
    failed(START).to.equal(undefined);
    failed("INFO migration finished, 0 failures").to.equal(undefined);
    failed("INFO migrations done without errors").to.equal(undefined);
    failed(OTHER).to.equal(undefined);
    failed(
      `${START}\nTraceback (most recent call last):\n  File "/app/api.py", line 3, in get\n    x()\nKeyError: 'tenant'\n`,
    ).to.equal(undefined);
  });

  it("not when a later attempt went on or ended well; again when that one failed too", () => {
    const first = `${START}\n${CRASH}`;
    failed(`${first}\nretrying\n${START}`).to.equal(undefined);
    failed(`${first}\nINFO migrations applied`).to.equal(undefined);
    failed(`${first}\n${START}\nERROR: migration failed`).to.equal("ERROR: migration failed");
  });
});
