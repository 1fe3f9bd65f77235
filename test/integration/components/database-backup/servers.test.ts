import { cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { allDatabases } from "../../../../components/database-backup/all-databases";
import { askServers, refuseCertainFailures } from "../../../../components/database-backup/cluster/ask-servers";
import { decideProof } from "../../../../components/database-backup/cluster/decide-proof";
import { scratchName } from "../../../../components/database-backup/cluster/prove";
import { DatabaseSession } from "../../../../components/database-backup/cluster/session";
import type { ProofChoice } from "../../../../components/database-backup/proof";
import type { DatabaseTarget } from "../../../../components/database-backup/references";
import { runSql } from "../../../../sandbox/postgres";
import { backedUp, enter, NO_CLUSTER, OWNER, refusalBy, restored } from "../../world/outside-backups";
import { ServerOfOnesOwn } from "../../world/postgres-server";

/** What people have in their databases, on a server of the test's own; it needs no cluster. */
describe("backups of databases as people run them", function () {
  this.timeout(120_000);
  let server: ServerOfOnesOwn;
  let leave: () => void;

  before(async () => {
    server = await ServerOfOnesOwn.start({ extensions: EXTENSIONS });
    leave = enter(server);
    await sql("postgres", "CREATE ROLE plain LOGIN; CREATE ROLE other; GRANT pg_read_all_data TO plain;");
  });
  after(async () => {
    leave?.();
    await server?.stop();
  });
  afterEach(async () => {
    expect(await sql("postgres", LEFT)).to.equal("");
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith("casa-upgrade-proof-"))).to.deep.equal([]);
  });

  const sql = (database: string, text: string) => server.sql(database, text);
  const target = (...args: Parameters<ServerOfOnesOwn["target"]>) => server.target(...args);

  const made = (one: DatabaseTarget, choice: ProofChoice = "server") =>
    backedUp(one, join(server.dir, "backups"), { choice, kinds: {} });

  async function found(name: string) {
    const { targets, copies } = allDatabases(await askServers(NO_CLUSTER, [target(name)]));
    return { databases: targets.map((one) => one.name).sort(), copies };
  }

  async function refusal(one: DatabaseTarget, choice: ProofChoice = "auto"): Promise<string> {
    const asked = await askServers(NO_CLUSTER, [one]);
    const { kindOf } = await decideProof(NO_CLUSTER, choice, asked, { stack: "test", release: "casa" });
    return refusalBy(asked, kindOf);
  }

  async function failure(run: Promise<unknown>): Promise<string> {
    return run.then(
      () => "",
      (error: Error) => error.message,
    );
  }

  it("what belongs to others is in the dump, in no one's way in the proof, and comes back with a restore", async () => {
    await sql("postgres", "CREATE DATABASE mixed OWNER plain;");
    await sql("mixed", MIXED);
    // A user who may read everything, and nothing else: no CREATEDB, no superuser.
    await sql("postgres", "ALTER ROLE plain BYPASSRLS;");
    const backup = await made(target("mixed", "plain"));
    expect(backup.said).to.contain("restored into a throw-away server of the same version, holds the same");
    expect(backup.manifest.roles).to.include.members(["other", "postgres"]);
    const described = await sql("mixed", OWNERS);
    expect(described).to.contain("theirs other").and.to.contain("other=r/postgres");

    await sql("mixed", "DROP OWNED BY other; DROP TABLE mine;");
    await sql("postgres", "DROP ROLE other;");
    const kept = await failure(restored(backup, target("mixed")));
    expect(kept).to.contain("roles that this server does not have: other");
    await sql("postgres", "CREATE ROLE other;");
    await restored(backup, target("mixed"));
    expect(await sql("mixed", OWNERS)).to.equal(described);
    expect(await sql("mixed", "SELECT string_agg(subname, ',') FROM pg_subscription;")).to.equal("sub");
  });

  it("extensions that work in one database only, and TimescaleDB's way to announce a restore", async () => {
    await sql("postgres", "CREATE DATABASE special;");
    await sql(
      "special",
      "CREATE EXTENSION one_database; CREATE EXTENSION timescaledb; CREATE TABLE t AS SELECT 1 AS id;",
    );
    const { manifest, said } = await made(target("special"));
    expect(manifest.timescale).to.deep.equal({ schema: "public", version: "9.1" });
    expect(said).to.contain("a throw-away server");
    // In a scratch database the one does not work, which the throw-away server does not mind.
    expect(await failure(made(target("special"), "database"))).to.contain(
      "one_database works in database special only",
    );
  });

  it("logical replication slots that stay with the replaced database are told", async () => {
    await sql("postgres", "CREATE DATABASE captured;");
    await sql("captured", "CREATE TABLE t AS SELECT 1 AS id;");
    const backup = await made(target("captured"));
    expect((await restored(backup, target("captured"))).slots).to.deep.equal([]);
    await sql("captured", "SELECT pg_create_logical_replication_slot('capture', 'pgoutput');");
    const { slots, kept } = await restored(backup, target("captured"));
    expect(slots).to.deep.equal([{ name: "capture", plugin: "pgoutput" }]);
    // What is said is what PostgreSQL does: the slot is the old database's.
    expect(await sql("captured", "SELECT database FROM pg_replication_slots WHERE slot_name = 'capture';")).to.equal(
      kept,
    );
    await sql(
      "captured",
      "SELECT pg_drop_replication_slot('capture'); SELECT pg_create_logical_replication_slot('capture', 'pgoutput');",
    );
    expect(await sql("captured", "SELECT database FROM pg_replication_slots WHERE slot_name = 'capture';")).to.equal(
      "captured",
    );
    await sql("captured", "SELECT pg_drop_replication_slot('capture');");
  });

  it("the replaced database is kept under the name that is told, whatever it is called and however often", async () => {
    // PostgreSQL cuts a name off after 63 bytes, and says so in a notice only.
    for (const name of [
      "данные_сервиса_авторизации_агентов",
      "an_auth_service_with_a_name_of_just_sixty_three_bytes_in_all_xx",
    ]) {
      await sql("postgres", `CREATE DATABASE "${name}";`);
      await sql(name, "CREATE TABLE t AS SELECT 1 AS id;");
      const { databases, copies } = await found(name);
      const backup = await made(target(name));
      const kept: string[] = [];
      for (const id of [2, 3]) {
        await sql(name, `UPDATE t SET id = ${id};`);
        kept.push((await restored(backup, target(name))).kept);
        expect(await sql(name, "SELECT id FROM t;")).to.equal("1");
        expect(await sql(kept.at(-1) ?? "", "SELECT id FROM t;")).to.equal(`${id}`);
      }
      const after = await found(name);
      expect(after.databases).to.deep.equal(databases);
      expect(after.copies.length).to.equal(copies.length + 2);
    }
  });

  it("texts in any encoding, or in none", async () => {
    const latin = (name: string, encoding: string) =>
      `CREATE DATABASE ${name} TEMPLATE template0 ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C';`;
    await sql("postgres", latin("ascii", "SQL_ASCII"));
    await sql("postgres", latin("win", "WIN1252"));
    // No text in UTF-8: bytes that are none, and one that WIN1252 does not define.
    await sql("ascii", "CREATE TABLE t AS SELECT 'caf' || chr(233) AS word UNION ALL SELECT chr(255) || chr(254);");
    await sql("win", "CREATE TABLE t AS SELECT convert_from('\\x8093ff'::bytea, 'WIN1252') AS word;");
    for (const name of ["ascii", "win"]) {
      const before = await sql(name, WORDS);
      const backup = await made(target(name));
      await sql(name, "DELETE FROM t;");
      await restored(backup, target(name));
      expect(await sql(name, WORDS)).to.equal(before);
    }
    // A role whose name was made in a database in UTF-8, and is no text in the other's encoding.
    await sql("postgres", `CREATE ROLE "роль"; COMMENT ON DATABASE win IS 'слова';`);
    await sql(
      "postgres",
      `GRANT TEMPORARY ON DATABASE win TO "роль"; ALTER ROLE "роль" IN DATABASE win SET work_mem = '8MB';`,
    );
    const rights = () =>
      sql(
        "postgres",
        "SELECT string_agg(acl::text, ' ' ORDER BY acl::text) FROM pg_database, unnest(datacl) acl WHERE datname = 'win';",
      );
    const before = [await rights(), await sql("win", WORDS)];
    expect(before[0]).to.contain("роль");
    expect((await found("win")).databases).to.include.members(["ascii", "win"]);
    const backup = await made(target("win"));
    expect((await restored(backup, target("win"))).left).to.deep.equal([]);
    expect([await rights(), await sql("win", WORDS)]).to.deep.equal(before);
  });

  it("what is looked up without its schema: the dump fails as pg_restore says, with what mends it", async () => {
    await sql("postgres", "CREATE DATABASE unqualified;");
    await sql("unqualified", UNQUALIFIED);
    const said = await failure(made(target("unqualified"), "auto"));
    expect(said).to.contain("names something without its schema").and.to.contain(`relation "grades" does not exist`);
    await sql("unqualified", "ALTER FUNCTION grade(int) SET search_path TO public;");
    await made(target("unqualified"), "auto");
  });

  it("what an earlier version restored into a scratch database with a subscription is dropped, its slot is not", async () => {
    const one = target("mixed");
    const { name } = scratchName(await DatabaseSession.open(NO_CLUSTER, one), OWNER);
    await sql("postgres", `CREATE DATABASE ${name};`);
    await sql(
      name,
      "CREATE SUBSCRIPTION held CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false);",
    );
    await made(one);
  });

  it("a throw-away server that cannot be had: the scratch database, or an error, as the config has it", async () => {
    await sql("postgres", "CREATE DATABASE simple; ");
    await sql("simple", "CREATE TABLE t AS SELECT 1 AS id;");
    const bin = join(server.dir, "broken");
    mkdirSync(bin);
    cpSync(server.bin, bin, { recursive: true });
    writeFileSync(
      join(bin, "initdb"),
      "#!/bin/sh\necho 'could not create directory: No space left on device' >&2\nexit 1\n",
    );
    process.env["PATH"] = `${bin}${delimiter}${process.env["PATH"]}`;
    try {
      expect(await failure(made(target("simple")))).to.contain(
        "the restore into a throw-away server failed: the disk is full",
      );
      const { said } = await made(target("simple"), "auto");
      expect(said).to.contain("not tried on a throw-away server: ").and.to.contain("restored into a scratch database");
    } finally {
      process.env["PATH"] = process.env["PATH"]?.slice(bin.length + 1);
    }
  });

  describe("a preview refuses what would fail", () => {
    before(async () => {
      await sql("postgres", "CREATE ROLE weak LOGIN; CREATE DATABASE closed OWNER weak;");
      await sql("closed", "CREATE TABLE theirs AS SELECT 1 AS id;");
    });

    it("tables that the user may not read, rows that are hidden from him", async () => {
      expect(await refusal(target("closed", "weak"))).to.match(
        /user weak may not read public.theirs.*GRANT pg_read_all_data/s,
      );
      await sql("closed", "GRANT SELECT ON theirs TO weak; ALTER TABLE theirs ENABLE ROW LEVEL SECURITY;");
      expect(await refusal(target("closed", "weak"))).to.match(/hides rows of public.theirs.*BYPASSRLS/s);
      await sql("closed", "ALTER TABLE theirs DISABLE ROW LEVEL SECURITY;");
      expect(await refusal(target("closed", "weak"))).to.equal("");
      expect(await refusal(target("closed", "weak"), "database")).to.match(
        /may not create the scratch database.*CREATEDB/s,
      );
    });

    it("a prepared transaction that holds a lock; a session that does is told", async () => {
      await sql("closed", "BEGIN; LOCK TABLE theirs; PREPARE TRANSACTION 'forgotten';");
      expect(await refusal(target("closed"))).to.match(
        /the prepared transaction 'forgotten' .* has locked public.theirs.*ROLLBACK PREPARED 'forgotten';/s,
      );
      await sql("closed", "ROLLBACK PREPARED 'forgotten';");
      const lock = execa("psql", ["-X", "-q", "-A", "-t", "-U", "postgres", "-d", "closed"], { env: server.env });
      lock.stdin?.write("BEGIN; LOCK TABLE theirs; SELECT 'locked';\n");
      await new Promise((resolve) => lock.stdout?.once("data", resolve));
      const [one] = await askServers(NO_CLUSTER, [target("closed")]);
      expect(one && refuseCertainFailures([one], () => "server").join()).to.match(
        /the dump of closed waits for public.theirs as long as pid \d+ \(user postgres/,
      );
      lock.stdin?.end("ROLLBACK;\n");
      await lock;
    });
  });

  describe("a pooler in transaction mode", () => {
    let pooler: { port: number; stop: () => Promise<void> } | undefined;
    before(async function () {
      pooler = await server.pooler();
      if (!pooler) this.skip(); // `make setup` installs pgbouncer where it may
      await sql("postgres", "CREATE DATABASE pooled;");
      await sql("pooled", "CREATE TABLE t AS SELECT 1 AS id;");
    });
    after(() => pooler?.stop());

    const through = async (text: string) => {
      const env = { ...server.env, PGHOST: "127.0.0.1", PGPORT: `${pooler?.port}` };
      return (await runSql(env, text, "pooled")).trim();
    };

    it("is left aside, and nothing of a backup or restore stays in its sessions", async () => {
      const before = await through(SETTINGS);
      const one = target("pooled", "postgres", pooler?.port);
      for (const choice of ["server", "database"] as const) {
        const backup = await made(one, choice);
        expect(backup.said).not.to.contain("through a pooler");
        await restored(backup, one);
      }
      expect(await through(SETTINGS)).to.equal(before);
    });

    it("is told where the server behind it cannot be reached", async () => {
      const hidden = await server.pooler({ socket: true });
      try {
        const one = target("pooled", "postgres", hidden?.port);
        const [asked] = await askServers(NO_CLUSTER, [one]);
        expect(asked && refuseCertainFailures([asked], () => "server").join()).to.contain("is a pooler");
        const { said } = await made(one);
        expect(said).to.contain("through a pooler");
      } finally {
        await hidden?.stop();
      }
    });
  });
});

const LEFT =
  "SELECT datname FROM pg_database WHERE datname LIKE 'casa_upgrade_scratch%' UNION ALL " +
  "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'casa-upgrade%';";
const WORDS = "SELECT md5(string_agg(encode(textsend(word), 'hex'), ',' ORDER BY word)) || count(*) FROM t;";
const SETTINGS =
  "SELECT current_setting('search_path'), current_setting('row_security'), current_setting('statement_timeout'), current_setting('client_encoding');";

/** A restore has no search_path, so the function that the index calls finds no table. */
const UNQUALIFIED = `
CREATE TABLE grades AS SELECT 1 AS id, 2 AS grade;
CREATE FUNCTION grade(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT grade FROM grades WHERE id = $1); END $$;
CREATE TABLE people AS SELECT 1 AS id;
CREATE INDEX by_grade ON people (grade(id));
`;

/** Everything that a user who owns the database only could not restore. */
const MIXED = `
CREATE TABLE mine AS SELECT 1 AS id;
CREATE TABLE theirs AS SELECT generate_series(1, 3) AS id, 'other'::regrole AS who;
ALTER TABLE theirs OWNER TO other;
ALTER TABLE theirs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON theirs TO other USING (true);
ALTER DEFAULT PRIVILEGES FOR ROLE other GRANT SELECT ON TABLES TO other;
GRANT SELECT ON mine TO other;
CREATE PUBLICATION pub FOR ALL TABLES;
CREATE SUBSCRIPTION sub CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false);
CREATE EXTENSION untrusted;
CREATE FUNCTION no_more() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF tg_tag = 'CREATE SCHEMA' THEN RAISE 'no'; END IF; END $$;
CREATE EVENT TRIGGER strict ON ddl_command_start EXECUTE FUNCTION no_more();
`;
const OWNERS =
  `SELECT relname, pg_get_userbyid(relowner), relacl FROM pg_class WHERE relname IN ('mine', 'theirs') ORDER BY 1;`
    .replaceAll(", ", " || ' ' || ")
    .replace("relacl", "coalesce(relacl::text, '')")
    .replace("('mine' || ' ' || 'theirs')", "('mine', 'theirs')");

/** Stand-ins for extensions that are not installed on every machine, as far as a restore sees them. */
const EXTENSIONS = {
  untrusted: {
    version: "1.0",
    trusted: false,
    sql: "CREATE FUNCTION untrusted_one() RETURNS int LANGUAGE sql AS 'SELECT 1';",
  },
  one_database: {
    version: "1.0",
    trusted: false,
    sql: `DO $$ BEGIN IF current_database() <> 'special' THEN RAISE 'one_database works in database special only'; END IF; END $$;`,
  },
  timescaledb: {
    version: "9.1",
    trusted: false,
    sql: `CREATE TABLE restoring (yes boolean);
CREATE FUNCTION timescaledb_pre_restore() RETURNS boolean LANGUAGE sql AS 'INSERT INTO restoring VALUES (true) RETURNING yes';
CREATE FUNCTION timescaledb_post_restore() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN DELETE FROM restoring; IF NOT FOUND THEN RAISE 'timescaledb_pre_restore was not called'; END IF; RETURN true; END $$;`,
  },
};
