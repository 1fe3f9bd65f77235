import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { askServers, refuseCertainFailures } from "../../../../components/database-backup/cluster/ask-servers";
import { LocalStore } from "../../../../components/database-backup/cluster/local-store";
import { replaceDatabase } from "../../../../components/database-backup/cluster/replace";
import { backUp } from "../../../../components/database-backup/cluster/run";
import { DatabaseSession } from "../../../../components/database-backup/cluster/session";
import type { ProofKind } from "../../../../components/database-backup/proof";
import type { ClusterWriter } from "../../../../kubernetes/connect";
import { ServerOfOnesOwn } from "../../world/postgres-server";

/** Databases outside of the cluster, so the cluster is asked for nothing. */
const client = {} as ClusterWriter;
const release = { name: "casa", namespace: "n", chartVersion: "0.1.0", revision: 1, status: "deployed" };
const owner = { stack: "test", cluster: "c", release };

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
  const { PATH: path, TMPDIR: temporary } = process.env;

  before(async () => {
    server = await ServerOfOnesOwn.start();
    process.env["TMPDIR"] = join(server.dir, "tmp");
    mkdirSync(tmpdir());
    process.env["PATH"] = `${server.bin}${delimiter}${path}`;
  });
  after(async () => {
    process.env["PATH"] = path;
    if (temporary === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = temporary;
    await server?.stop();
  });

  async function backedUp(database: string, user: string, proof: ProofKind) {
    const target = server.target(database, user);
    const destination = join(server.dir, "backups");
    await backUp(
      client,
      {
        ...owner,
        destination: { kind: "folder", path: destination },
        keep: 1,
        timeoutSeconds: 60,
        databases: [target],
        proof: { choice: proof, kinds: { [target.name]: proof } },
        occasion: "test",
      },
      () => undefined,
    );
    const store = new LocalStore(destination, "test");
    const [manifest] = (await store.list()).filter(({ name }) => name === target.name);
    if (!manifest) throw new Error("there is no backup");
    return { target, manifest, read: () => store.read(manifest.file) };
  }

  for (const [i, [what, settings]] of Object.entries(SETTINGS).entries()) {
    for (const whose of ["ROLE", "DATABASE"] as const) {
      it(`a ${whose.toLowerCase()} ${what}`, async () => {
        const name = `${whose.toLowerCase()}_${i}`;
        await server.sql("postgres", `CREATE ROLE ${name} LOGIN SUPERUSER;\nCREATE DATABASE ${name};`);
        await server.sql(name, CONTENT);
        const before = await server.sql(name, DIGEST);
        await server.sql("postgres", settings.map((one) => `ALTER ${whose} ${name} SET ${one};`).join("\n"));
        const [asked] = await askServers(client, [server.target(name, name)]);
        expect(asked?.checks.createdb).to.equal(true);
        await backedUp(name, name, "server");
        const backup = await backedUp(name, name, "database");
        const session = await DatabaseSession.open(client, backup.target);
        await replaceDatabase(session, backup.manifest, await backup.read(), owner, 60);
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
    const refusal = async () => {
      const asked = await askServers(client, [server.target("limited", "few")]);
      try {
        refuseCertainFailures(asked, () => "server");
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    };
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
      const asked = await askServers(client, [server.target("postgres")]);
      expect(() => refuseCertainFailures(asked, () => "database")).to.throw("takes no writes");
      expect(refuseCertainFailures(asked, () => "server")).to.deep.equal([]);
      await backedUp("postgres", "postgres", "server");
    } finally {
      const env = { ...server.env, PGOPTIONS: "-c default_transaction_read_only=off" };
      const reset = ["-X", "-U", "postgres", "-c", "ALTER SYSTEM RESET default_transaction_read_only;", "-c", reload];
      await execa("psql", [...reset, "postgres"], { env });
    }
  });
});
