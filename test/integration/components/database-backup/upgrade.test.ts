import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import execa from "execa";
import type { BackupJob } from "../../../../components/database-backup/job";
import { runSql } from "../../../../sandbox/postgres";
import { BACKED_UP_RELEASE } from "../../../fixtures/backed-up-release";
import { mustSucceed, RELEASE_NAMESPACE, ROOT, World } from "../../world/world";

const ROWS = 100_000;

describe("database backups", function () {
  this.timeout(300_000);
  let world: World;
  let backups: string;

  before(async () => {
    world = await World.open({ postgres: true });
    backups = join(world.scratch, "backups", world.stack);
    await world.helmInstall("0.1.0");
    await world.useVersion("0.2.0", { restarts: { enabled: false } });
    await execWorks();
    await sql("auth", FILL);
    await sql("keycloak", "CREATE TABLE realm AS SELECT i AS id, md5(i::text) AS name FROM generate_series(1, 500) i;");
  });
  after(async () => world?.close());

  const sql = (database: string, text: string) => runSql(world.cluster.postgresEnv ?? {}, text, database);
  const files = (folder = backups): string[] => {
    try {
      return readdirSync(folder).sort();
    } catch {
      return [];
    }
  };
  const scratchDatabases = async () =>
    (await sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'casa_upgrade_scratch%'")).trim();

  /** kwok connects `kubectl exec` a moment after a pod is ready. */
  async function execWorks(): Promise<void> {
    for (const name of ["auth", "keycloak"]) {
      const exec = ["exec", `deployment/casa-postgres-${name}`, "-n", RELEASE_NAMESPACE, "--", "true"];
      await until(`kubectl exec into ${name}`, () =>
        world.kubectl(exec).then(
          () => true,
          () => false,
        ),
      );
    }
  }

  /** The program that `up` runs for the backups, as it runs it; a whole `up` says no more of what fails in there. */
  async function program(destination = join(world.scratch, "backups")): Promise<{ ok: boolean; text: string }> {
    const secret = (name: string, key: string) => [{ kind: "Secret" as const, name: `casa-postgres-${name}`, key }];
    const databases = ["auth", "keycloak"].map((name) => ({
      ...{ name, database: [{ value: name }], user: secret(name, "username"), password: secret(name, "password") },
      at: {
        ...{ kind: "Deployment" as const, namespace: RELEASE_NAMESPACE },
        ...{ workload: `casa-postgres-${name}`, container: "postgres" },
      },
    }));
    const job: BackupJob = {
      ...{
        stack: world.stack,
        cluster: "c",
        release: BACKED_UP_RELEASE,
        destination: { kind: "folder", path: destination },
      },
      ...{ keep: 2, timeoutSeconds: 60, databases, occasion: "test" },
    };
    const args = ["bundle/program.cjs", "backup", "--context", world.cluster.context];
    const env = { KUBECONFIG: world.cluster.kubeconfig, PATH: `${world.tools.binDir}:${process.env["PATH"] ?? ""}` };
    const run = await execa("node", args, { cwd: ROOT, env, input: JSON.stringify(job), reject: false, all: true });
    return { ok: run.exitCode === 0, text: run.all ?? "" };
  }

  /** Every row of every column, in order. */
  const contents = () =>
    sql("auth", "SELECT md5(string_agg(t::text, '|' ORDER BY id)) || ' ' || count(*) FROM tokens t;");

  describe("a fault stops the upgrade before anything changes", () => {
    let before: Record<string, string>;
    beforeEach(async () => (before = await world.fingerprint()));

    /** One error with its fix; no file, no scratch database, no new revision, no object is left or changed. */
    async function stopped(run: { ok: boolean; text: string }, cause: RegExp, fix: RegExp): Promise<void> {
      expect(run.ok, run.text).to.equal(false);
      expect(run.text, run.text).to.match(/no verified backup, so nothing was upgraded/);
      expect(run.text, run.text).to.match(cause).and.to.match(fix);
      expect(await world.fingerprint()).to.deep.equal(before);
      expect(await world.helmVersions()).to.deep.equal(["casa-runtime-0.1.0 deployed"]);
      expect(await scratchDatabases()).to.equal("");
      expect(files()).to.deep.equal([]);
    }

    it("a password that is not the database's", async () => {
      await sql("postgres", "ALTER ROLE postgres PASSWORD 'changed-by-hand';");
      await stopped(await world.up(), /refuses the password/, /Secret/);
      await sql("postgres", "ALTER ROLE postgres PASSWORD 'postgres';");
    });

    it("a full disk", async function () {
      const small = join(world.scratch, "small");
      mkdirSync(small);
      const mount = await execa("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small], { reject: false });
      if (mount.failed) this.skip(); // needs root
      try {
        await stopped(await program(small), /the disk is full/, /backup\.destination/);
        expect(files(join(small, world.stack))).to.deep.equal([]);
      } finally {
        await execa("umount", [small]);
      }
    });

    it("a dump that is ended half-way", async () => {
      const run = world.up();
      await until("pg_dump copies the tokens", async () => {
        const ended =
          "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'COPY public.tokens%';";
        return (await sql("postgres", ended)).trim() !== "0";
      });
      await stopped(await run, /database auth .*(the dump failed|terminat)/s, /Fix: /);
    });

    it("a stored dump that is damaged before it is verified", async () => {
      // Keycloak's dump waits for this lock, so auth's is stored for a while before anything is verified.
      const lock = execa("psql", ["-X", "-q", "-U", "postgres", "-d", "keycloak"], {
        env: world.cluster.postgresEnv,
        input: undefined,
      });
      lock.catch(() => undefined);
      lock.stdin?.write("BEGIN; LOCK TABLE realm IN ACCESS EXCLUSIVE MODE;\n");
      const run = program();
      const dump = () => files().find((file) => /^auth-.*\.dump\.partial$/.test(file));
      let size = -1;
      await until("auth is stored", async () => {
        const file = dump();
        const now = file === undefined ? -1 : statSync(join(backups, file)).size;
        const same = now > 100_000 && now === size;
        size = now;
        if (!same) await sleep(500);
        return same;
      });
      const file = join(backups, dump() ?? "");
      const damaged = readFileSync(file);
      const middle = Math.trunc(damaged.length / 2);
      damaged.fill(0, middle, middle + 5000);
      writeFileSync(file, damaged);
      lock.stdin?.end("COMMIT;\n");
      await stopped(await run, /database auth .*(restore into a scratch database|checksum)/s, /Fix: /);
    });

    it("a dump that cannot be restored", async () => {
      await sql("auth", NOT_RESTORABLE);
      const why = /names something without its schema.*relation "tokens" does not exist/s;
      await stopped(await program(), why, /Fix: write the schema before the name/);
      await sql("auth", "DROP TABLE bad; DROP FUNCTION counted;");
    });

    it("a destination that cannot be used is refused at preview", async () => {
      const file = join(world.scratch, "a-file");
      writeFileSync(file, "");
      await world.config({ backup: { destination: file } });
      const run = await world.preview();
      expect(run.ok).to.equal(false);
      expect(run.text).to.contain("cannot be used").and.to.contain("pulumi config set --path backup.destination");
      await world.config({ backup: { destination: join(world.scratch, "backups") } });
    });
  });

  describe("in order", () => {
    before(async () => {
      // Databases that no chart knows of; the last one has a name that is no file name, and another one is closed.
      await sql("postgres", 'CREATE DATABASE sessions; CREATE DATABASE "Old data"; CREATE DATABASE closed;');
      await sql("postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS false;");
      await sql("sessions", "CREATE TABLE session AS SELECT generate_series(1, 7) AS id;");
      await sql("Old data", "CREATE TABLE t AS SELECT 1 AS id;");
      await sql("auth", PROPERTIES);
      await sql("keycloak", LIQUIBASE);
    });

    it("is made and verified before the release changes, and only then", async () => {
      const preview = mustSucceed(await world.preview());
      expect(preview.text).to.contain("Backup before anything changes: auth");
      expect(files()).to.deep.equal([]);
      mustSucceed(await world.up());
      const { backups: made } = (await world.outputs()) as { backups: Record<string, unknown>[] };
      expect(made.map(({ name, verified, rows, alembic }) => ({ name, verified, rows, alembic }))).to.deep.equal([
        { name: "auth", verified: true, rows: ROWS + 1, alembic: "4f1c2d7a9b03" },
        { name: "keycloak", verified: true, rows: 501, alembic: null },
        { name: "casa-postgres-auth-Old_data", verified: true, rows: 1, alembic: null },
        { name: "sessions", verified: true, rows: 7, alembic: null },
      ]);
      for (const { location, bytes, sha256 } of made) {
        const content = readFileSync(location as string);
        expect(content.length).to.equal(bytes);
        expect(createHash("sha256").update(content).digest("hex")).to.equal(sha256);
      }
      expect(files()).to.have.length(8);
      expect(await scratchDatabases()).to.equal("");
      mustSucceed(await world.up(["--expect-no-changes"]));
      expect(files()).to.have.length(8);
    });

    it("restore brings back every row after a destructive migration, and keeps the database as it was", async () => {
      const rows = await contents();
      await sql(
        "auth",
        "DELETE FROM tokens WHERE id % 3 = 0; ALTER TABLE tokens DROP COLUMN note; UPDATE alembic_version SET version_num = 'gone';",
      );
      const asked = await world.cli("restore", "--database", "auth");
      expect(asked.code).to.equal(1);
      expect(asked.text).to.contain("casa-upgrade restore --yes");
      const unknown = await world.cli("restore", "--database", "nothing", "--yes");
      expect(unknown.text).to.contain("this release has: auth, keycloak, casa-postgres-auth-Old_data, sessions");
      const described = await sql("auth", DESCRIBE);
      expect(described).to.contain("search_path=app, public").and.to.contain("reports");
      const run = await world.cli("restore", "--database", "auth", "--yes");
      expect(run.code, run.text).to.equal(0);
      expect(run.text).not.to.contain("may not set");
      expect(await sql("auth", DESCRIBE)).to.equal(described);
      expect(await contents()).to.equal(rows);
      expect((await sql("auth", "SELECT version_num FROM alembic_version;")).trim()).to.equal("4f1c2d7a9b03");
      const kept = /kept as (\w+)/.exec(run.text)?.[1] ?? "";
      expect((await sql(kept, "SELECT version_num FROM alembic_version;")).trim()).to.equal("gone");
      expect(await scratchDatabases()).to.equal("");
    });

    it("a damaged backup is not restored", async () => {
      const file = join(backups, files().find((name) => /^auth-.*\.dump$/.test(name)) ?? "");
      const content = readFileSync(file);
      const rows = await contents();
      writeFileSync(file, content.subarray(0, content.length - 1000));
      const run = await world.cli("restore", "--database", "auth", "--from", file, "--yes");
      expect(run.code, run.text).to.equal(1);
      expect(run.text).to.contain("Fix: ");
      expect(await contents()).to.equal(rows);
      expect(await scratchDatabases()).to.equal("");
      writeFileSync(file, content);
    });

    it("a database that is gone: the line that makes it empty; the others can be restored", async () => {
      const end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('auth', 'auth_away');";
      await sql("postgres", `${end} ALTER DATABASE auth RENAME TO auth_away;`);
      const run = await world.cli("restore", "--database", "auth", "--yes");
      const unknown = await world.cli("restore", "--database", "nothing", "--yes");
      await sql("postgres", `${end} ALTER DATABASE auth_away RENAME TO auth;`);
      expect(run.code, run.text).to.equal(1);
      expect(run.text).to.match(
        /if it is lost, make it empty \(kubectl .* exec -it \S+ --container \S+ -- createdb --username \S+ auth\)/,
      );
      expect(unknown.text).to.match(/there is no database nothing; this release has: .*keycloak/);
    });

    it("no rollback to a version that ran with an older schema, unless the backup of then is restored first", async () => {
      const revision = async () => (await sql("auth", "SELECT version_num FROM alembic_version;")).trim();
      const before = await revision();
      await world.useVersion("0.3.0");
      mustSucceed(await world.up());
      await sql("auth", "UPDATE alembic_version SET version_num = 'made-by-0.3.0';");
      await sql("keycloak", "INSERT INTO databasechangelog VALUES ('26.0.0-made', 'keycloak', 'META-INF', now(), 2);");
      const refused = await world.cli("rollback", "--yes");
      expect(refused.code, refused.text).to.equal(1);
      expect(refused.text).to.contain(
        `the auth database has schema revision made-by-0.3.0; that version ran with ${before}`,
      );
      expect(refused.text).to.match(
        /the keycloak database has .* 26.0.0-made in public.databasechangelog \(2 changes\); that version ran with 25.0.0-made/,
      );
      expect(refused.text).to.contain("casa-upgrade restore --database keycloak --from ");
      expect((await world.helmVersions()).at(-1)).to.equal("casa-runtime-0.3.0 deployed");
      await sql("keycloak", "DELETE FROM databasechangelog WHERE orderexecuted = 2;");

      const backup = /casa-upgrade restore --database auth --from (\S+)/.exec(refused.text)?.[1] ?? "";
      const restored = await world.cli("restore", "--database", "auth", "--from", backup, "--yes");
      expect(restored.code, restored.text).to.equal(0);
      const run = await world.cli("rollback", "--yes");
      expect(run.code, run.text).to.equal(0);
      expect(await revision()).to.equal(before);
      expect((await world.helmVersions()).at(-1)).to.equal("casa-runtime-0.2.0 deployed");
    });

    it("a database that comes up empty fails the gate, with the line that brings its data back", async () => {
      const rows = await contents();
      await world.useVersion("0.2.1");
      const out = join(world.scratch, "plan");
      const plan = await world.cli("plan", "--out", out);
      expect(plan.code, plan.text).to.equal(2);
      const markdown = readFileSync(join(out, "plan.md"), "utf8");
      expect(markdown)
        .to.contain("kept by earlier restores")
        .and.to.match(/auth\\?_before\\?_restore/);
      const before = files();
      const run = world.up();
      await until("the backups count", () =>
        Promise.resolve(files().filter((file) => file.endsWith(".json") && !before.includes(file)).length === 4),
      );
      await sql("auth", "DROP SCHEMA public CASCADE; CREATE SCHEMA public;");
      await sql("keycloak", "DELETE FROM realm;");
      const { ok, text } = await run;
      expect(ok, text).to.equal(false);
      expect(text, text).to.contain("database auth has no tables any more (2 before)");
      expect(text).to.contain("no Alembic revision any more (4f1c2d7a9b03 before)");
      expect(text).to.contain("database keycloak has no rows any more (500 before)");
      expect((await world.helmVersions()).at(-1)).to.equal("casa-runtime-0.2.1 deployed");

      const again = await world.up();
      expect(again.ok, again.text).to.equal(false);
      const lines = [...text.matchAll(/npx casa-upgrade (restore --database (\w+) --from \S+ --yes)/g)];
      const commands = new Map(lines.map(([, line = "", name = ""]) => [name, line]));
      expect([...commands.keys()]).to.deep.equal(["auth", "keycloak"]);
      for (const line of commands.values()) {
        const restored = await world.cli(...line.split(" "));
        expect(restored.code, restored.text).to.equal(0);
      }
      expect(await contents()).to.equal(rows);
      const last = mustSucceed(await world.up());
      expect(last.text).to.contain("database auth has its data; database keycloak has its data; database ");
      mustSucceed(await world.up(["--expect-no-changes"]));
    });
  });
});

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`${what}: not within a minute`);
    await sleep(10);
  }
}

const FILL = `
CREATE TABLE tokens (id bigint PRIMARY KEY, owner text NOT NULL, made timestamptz NOT NULL, weight double precision, note text);
INSERT INTO tokens SELECT i, 'owner ' || i % 977, timestamptz '2026-01-01' + i * interval '1 minute', random(), repeat(md5(i::text), 20)
  FROM generate_series(1, ${ROWS}) i;
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('4f1c2d7a9b03');
`;

const LIQUIBASE = `
CREATE TABLE databasechangelog (id varchar(255), author varchar(255), filename varchar(255), dateexecuted timestamp, orderexecuted int);
INSERT INTO databasechangelog VALUES ('25.0.0-made', 'keycloak', 'META-INF', now(), 1);
`;

/** What belongs to the database, and not to anything in it. */
const PROPERTIES = `
CREATE ROLE reports;
ALTER DATABASE auth SET search_path TO app, public;
ALTER DATABASE auth SET "app.motto" TO 'it''s fine';
ALTER ROLE reports IN DATABASE auth SET statement_timeout TO '5s';
REVOKE CONNECT ON DATABASE auth FROM PUBLIC;
GRANT CONNECT ON DATABASE auth TO reports;
COMMENT ON DATABASE auth IS 'tokens''n all';
ALTER DATABASE auth CONNECTION LIMIT 40;
`;
const DESCRIBE = `
SELECT r.rolname, setting FROM pg_db_role_setting CROSS JOIN unnest(setconfig) setting LEFT JOIN pg_roles r ON r.oid = setrole
  WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = 'auth') ORDER BY 1, 2;
SELECT acl::text FROM pg_database, unnest(datacl) acl WHERE datname = 'auth' ORDER BY 1;
SELECT datconnlimit, datallowconn, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'auth';
`;

/** pg_restore runs with an empty search path, so the check finds no table: a dump that nobody could ever restore. */
const NOT_RESTORABLE = `
CREATE FUNCTION counted(i int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) >= 0 FROM tokens); END $$;
CREATE TABLE bad (i int CHECK (counted(i)));
INSERT INTO bad VALUES (1);
`;
