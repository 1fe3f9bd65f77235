import { join } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { askServers, refuseCertainFailures } from "../../../../components/database-backup/cluster/ask-servers";
import type { ProofKind } from "../../../../components/database-backup/proof";
import { backedUp, certainRefusal, enter, NO_CLUSTER, restored } from "../../world/outside-backups";
import { ServerOfOnesOwn } from "../../world/postgres-server";

/** What people set for a user or a database, so that it holds for their programs. */
const SETTINGS: Record<string, string[]> = {
  "that takes no writes": ["default_transaction_read_only = on"],
  "with limits of time": [
    "statement_timeout = '1ms'",
    "lock_timeout = '1ms'",
    "idle_in_transaction_session_timeout = '5ms'",
  ],
  "that writes in other ways": [
    "search_path = nowhere",
    "datestyle = 'German'",
    "intervalstyle = 'sql_standard'",
    "bytea_output = 'escape'",
    "quote_all_identifiers = on",
    "extra_float_digits = -15",
    "client_min_messages = 'debug1'",
  ],
  "of another encoding": ["client_encoding = 'LATIN1'"],
};
const CONTENT = `CREATE TABLE "tä" AS SELECT i AS id, 'ü€ ' || i AS word, interval '1 day -2 hours' AS span, 0.1::float8 + 0.2 AS sum,
  '\\x00ff'::bytea AS bytes, timestamptz '2026-01-02 03:04Z' AS at FROM generate_series(1, 20000) i;`;
const DIGEST = `SELECT count(*) || md5(string_agg(md5(t::text), '' ORDER BY id)) FROM "tä" t;`;

describe("backups by users, and of databases, with settings of their own", function () {
  this.timeout(120_000);
  let server: ServerOfOnesOwn;
  let leave: () => void;

  before(async () => {
    server = await ServerOfOnesOwn.start();
    leave = enter(server);
  });
  after(async () => {
    leave?.();
    await server?.stop();
  });

  const made = (database: string, user: string, proof: ProofKind) =>
    backedUp(server.target(database, user), join(server.dir, "backups"), {
      choice: proof,
      kinds: { [database]: proof },
    });

  for (const [i, [what, settings]] of Object.entries(SETTINGS).entries()) {
    for (const whose of ["ROLE", "DATABASE"] as const) {
      it(`a ${whose.toLowerCase()} ${what}`, async () => {
        const name = `${whose.toLowerCase()}_${i}`;
        await server.sql("postgres", `CREATE ROLE ${name} LOGIN SUPERUSER;\nCREATE DATABASE ${name};`);
        await server.sql(name, CONTENT);
        const before = await server.sql(name, DIGEST);
        await server.sql("postgres", settings.map((one) => `ALTER ${whose} ${name} SET ${one};`).join("\n"));
        const [asked] = await askServers(NO_CLUSTER, [server.target(name, name)]);
        expect(asked?.checks.createdb).to.equal(true);
        await made(name, name, "server");
        await restored(await made(name, name, "database"));
        // As it was, its settings included.
        await server.sql(
          "postgres",
          settings.map((one) => `ALTER ${whose} ${name} RESET ${one.split(" ")[0]};`).join("\n"),
        );
        expect(await server.sql(name, DIGEST)).to.equal(before);
      });
    }
  }

  it("fewer sessions than a dump takes are refused by the preview, with what lifts the limit", async () => {
    await server.sql("postgres", "CREATE ROLE few LOGIN;\nCREATE DATABASE limited;\nGRANT pg_read_all_data TO few;");
    const refusal = () => certainRefusal(server.target("limited", "few"));
    for (const [limit, lift] of [
      ["ROLE few", "ALTER ROLE few CONNECTION LIMIT -1;"],
      ["DATABASE limited", "ALTER DATABASE limited CONNECTION LIMIT -1;"],
    ] as const) {
      await server.sql("postgres", `ALTER ${limit} CONNECTION LIMIT 1;`);
      expect(await refusal())
        .to.contain("user few may open 1 more")
        .and.contain(lift);
      await server.sql("postgres", lift);
      expect(await refusal()).to.equal("");
    }
  });

  it("a server that takes no writes as a whole is left as it is: only a throw-away server will do", async () => {
    const reload = "SELECT pg_reload_conf();";
    await server.sql("postgres", `ALTER SYSTEM SET default_transaction_read_only = on;\n${reload}`);
    try {
      const asked = await askServers(NO_CLUSTER, [server.target("postgres")]);
      expect(() => refuseCertainFailures(asked, () => "database")).to.throw("takes no writes");
      expect(refuseCertainFailures(asked, () => "server")).to.deep.equal([]);
      await made("postgres", "postgres", "server");
    } finally {
      const env = { ...server.env, PGOPTIONS: "-c default_transaction_read_only=off" };
      const reset = ["-X", "-U", "postgres", "-c", "ALTER SYSTEM RESET default_transaction_read_only;", "-c", reload];
      await execa("psql", [...reset, "postgres"], { env });
    }
  });
});
