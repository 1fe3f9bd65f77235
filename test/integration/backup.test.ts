import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { parseManifest } from "../../plan/backup/manifest";
import { secret } from "../../sandbox/engine";
import { runSql } from "../../sandbox/postgres";
import { mustSucceed, RELEASE_NAMESPACE, World } from "./world";

const ROWS = 100_000;
const PASSWORD = "planted-Pa55 w\\ord'$x";

describe("database backup", function () {
  this.timeout(300_000);
  let world: World;
  let backups: string;
  let untouched: Record<string, string>;

  before(async () => {
    world = await World.open({ postgres: true });
    backups = join(world.scratch, "backups", world.stack);
    const values = { postgresAuth: { password: PASSWORD }, postgresKeycloak: { password: PASSWORD } };
    const file = join(world.scratch, "values.json");
    writeFileSync(file, JSON.stringify(values));
    await world.helmInstall("0.1.0", "--values", file);
    rmSync(file);
    await world.useVersion("0.2.0", { secretValues: secret(values) });
    await execWorks();
    await sql("auth", FILL);
    await sql("keycloak", "CREATE TABLE realm AS SELECT i AS id, md5(i::text) AS name FROM generate_series(1, 500) i;");
    untouched = await world.fingerprint();
  });
  after(async () => world?.close());

  const sql = (database: string, text: string) => runSql(world.cluster.postgresEnv ?? {}, text, database);
  const files = () => (existsSync(backups) ? readdirSync(backups).sort() : []);
  const up = () => world.up(["--skip-preview"]);
  /** All rows in their order, as one hash. */
  const content = async () =>
    (await sql("auth", "SELECT md5(string_agg(t::text, E'\\n' ORDER BY id)), count(*) FROM tokens t;")).trim();
  const databases = async () =>
    (await sql("postgres", "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1;")).trim().split("\n");

  /** kwok connects `kubectl exec` a moment after a pod is ready. */
  async function execWorks(): Promise<void> {
    for (const name of ["auth", "keycloak"]) {
      const exec = ["exec", `deployment/casa-postgres-${name}`, "-n", RELEASE_NAMESPACE, "--", "true"];
      for (let i = 0; ; i++) {
        const works = await world.kubectl(exec).then(
          () => true,
          () => false,
        );
        if (works) break;
        if (i > 60) throw new Error("kubectl exec never worked");
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  /** Puts a program of another kind before PostgreSQL's own on the PATH of the auth database's pod; undone after `during`. */
  async function withProgram<T>(name: string, script: string, during: () => Promise<T>): Promise<T> {
    const bin = join(world.scratch, "wrapped");
    mkdirSync(bin, { recursive: true });
    const real = world.cluster.postgresEnv?.["PATH"]?.split(":")[0] ?? "";
    writeFileSync(join(bin, name), `#!/bin/bash\nREAL=${join(real, name)}\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
    const list = await world.json<{ items: KwokExec[] }>("execs.kwok.x-k8s.io", "-n", RELEASE_NAMESPACE);
    const exec = list.items.find(({ metadata }) => metadata.name.startsWith("casa-postgres-auth-"));
    if (!exec) throw new Error("the auth database has no simulated pod");
    const patch = (prefix: string) => {
      const envs = exec.spec.execs[0]?.local.envs.map(({ name: key, value }) =>
        key === "PATH" ? { name: key, value: prefix + value } : { name: key, value },
      );
      const spec = { execs: [{ ...exec.spec.execs[0], local: { ...exec.spec.execs[0]?.local, envs } }] };
      const merge = ["--type=merge", "-p", JSON.stringify({ spec })];
      return world.kubectl(["patch", "execs.kwok.x-k8s.io", exec.metadata.name, "-n", RELEASE_NAMESPACE, ...merge]);
    };
    await patch(`${bin}:`);
    await whichIs(name, (at) => at.startsWith(bin));
    try {
      return await during();
    } finally {
      await patch("");
      await whichIs(name, (at) => !at.startsWith(bin));
      rmSync(bin, { recursive: true });
    }
  }

  async function whichIs(name: string, wanted: (path: string) => boolean): Promise<void> {
    const which = [
      "exec",
      "deployment/casa-postgres-auth",
      "-n",
      RELEASE_NAMESPACE,
      "--",
      "sh",
      "-c",
      `command -v ${name}`,
    ];
    for (let i = 0; i < 60; i++) {
      if (wanted((await world.kubectl(which)).trim())) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${name} in the pod never changed`);
  }

  /** An upgrade that must stop before anything changes on the cluster, and leave neither a backup nor a database behind. */
  async function mustStop(why: RegExp): Promise<void> {
    const before = await content();
    const run = await up();
    expect(run.ok, run.text).to.equal(false);
    expect(run.text).to.match(why).and.to.contain("no verified backup, so nothing was upgraded").and.to.contain("Fix:");
    expect(run.text).not.to.contain(PASSWORD);
    expect(await world.fingerprint()).to.deep.equal(untouched);
    expect(files()).to.deep.equal([]);
    expect(await databases()).to.deep.equal(["auth", "keycloak", "postgres"]);
    expect(await content()).to.equal(before);
  }

  describe("at preview", () => {
    it("says what will be backed up to where, and makes nothing", async () => {
      const preview = mustSucceed(await world.preview());
      expect(preview.text).to.match(/Backup before anything changes: auth .*, keycloak .* to /);
      expect(preview.text).to.contain("casa-backup-verified");
      expect(files()).to.deep.equal([]);
      expect(await world.fingerprint()).to.deep.equal(untouched);
    });

    it("refuses what cannot work: a key that no Secret has, a destination that is no folder", async () => {
      const external = {
        name: "other",
        host: "db",
        database: "x",
        user: "x",
        secret: { name: "none", key: "password" },
      };
      const file = join(world.scratch, "file");
      writeFileSync(file, "");
      await world.config({ backup: { destination: join(world.scratch, "backups"), databases: [external] } });
      const noSecret = await world.preview();
      await world.config({ backup: { destination: file } });
      const noFolder = await world.preview();
      await world.config({ backup: { destination: join(world.scratch, "backups"), keep: 2 } });
      expect([noSecret.ok, noFolder.ok]).to.deep.equal([false, false]);
      expect(noSecret.text).to.contain("key password of Secret casa-runtime/none, which does not exist");
      expect(noFolder.text).to.contain(`${file}`).and.to.contain("is no folder");
    });
  });

  describe("stops the upgrade before the chart when", () => {
    it("the password is wrong", async () => {
      await sql("postgres", "ALTER ROLE postgres PASSWORD 'another';");
      await mustStop(/database (auth|keycloak) .*: the server refuses the password/);
      await sql("postgres", `ALTER ROLE postgres PASSWORD '${PASSWORD.replaceAll("'", "''")}';`);
    });

    it("the dump is killed half-way", async () => {
      const half = `"$REAL" "$@" | head -c 100000; kill -9 $$`;
      await withProgram("pg_dump", half, () => mustStop(/database auth .*: the dump failed with exit code 137/));
    });

    it("the dump is empty", async () => {
      await withProgram("pg_dump", "exit 0", () => mustStop(/database auth .*: the dump is empty/));
    });

    it("the dump is corrupted on its way, with nobody complaining", async () => {
      const flip = `"$REAL" "$@" | { head -c 200000; head -c 16 >/dev/null; head -c 16 /dev/zero; cat; }`;
      await withProgram("pg_dump", flip, () =>
        mustStop(/database auth .*: the restore into a scratch database failed/),
      );
    });

    it("the dump lacks rows, although it is a good one", async () => {
      const without = `"$REAL" --exclude-table-data=tokens "$@"`;
      await withProgram("pg_dump", without, () =>
        mustStop(/database auth .*is not equal.*table public.tokens has 0 rows instead of 100000/),
      );
    });

    it("the restore into the scratch database fails", async () => {
      await withProgram("pg_restore", `"$REAL" "$@"; echo "could not extend file" >&2; exit 1`, () =>
        mustStop(/database auth .*: a disk of the server is full/),
      );
    });

    it("the destination's disk is full", async function () {
      if (process.getuid?.() !== 0) this.skip(); // only root may mount
      const small = join(world.scratch, "small");
      mkdirSync(small);
      await execa("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small]);
      try {
        await world.config({ backup: { destination: small } });
        await mustStop(/backup destination .*small.*: the disk is full/);
        expect(readdirSync(join(small, world.stack))).to.deep.equal([]);
      } finally {
        await execa("umount", [small]);
        await world.config({ backup: { destination: join(world.scratch, "backups"), keep: 2 } });
      }
    });
  });

  describe("in an upgrade", () => {
    it("is made and verified once, before the release changes", async () => {
      await sql("postgres", "CREATE DATABASE outside;");
      await sql("outside", "CREATE TABLE realm AS SELECT 1 AS id;");
      const port = Number(world.cluster.postgresEnv?.["PGPORT"]);
      const login = { user: "postgres", secret: { name: "casa-postgres-auth", key: "password" } };
      const outside = { name: "outside", host: "127.0.0.1", port, database: "outside", ...login };
      await world.config({ backup: { destination: join(world.scratch, "backups"), keep: 2, databases: [outside] } });
      const run = mustSucceed(await up());
      expect(run.text).not.to.contain(PASSWORD);
      const made = files();
      expect(made.map((file) => file.replace(/-.*\./, "."))).to.deep.equal([
        "auth.dump",
        "auth.json",
        "keycloak.dump",
        "keycloak.json",
        "outside.dump",
        "outside.json",
      ]);
      const manifest = parseManifest(readFileSync(join(backups, made[1] ?? ""), "utf8"));
      expect(manifest?.release).to.include({ chartVersion: "0.1.0", revision: 1, status: "deployed" });
      expect(manifest?.tables).to.deep.include({ table: "public.tokens", rows: ROWS });
      const { stdout } = await execa("sha256sum", [join(backups, made[0] ?? "")]);
      expect(stdout.split(" ")[0]).to.equal(manifest?.sha256);
      const outputs = await world.outputs();
      expect(outputs["backups"]).to.have.length(3);
      expect((outputs["backups"] as object[])[0]).to.include({
        name: "auth",
        location: join(backups, made[0] ?? ""),
        sha256: manifest?.sha256,
        rows: ROWS + 1,
        alembic: "4f1c2d7a9b03",
        verified: true,
      });
      mustSucceed(await world.up(["--expect-no-changes"]));
      expect(files()).to.deep.equal(made);
      expect(await world.outputs()).to.deep.equal(outputs);
      const state = await world.engine.pulumi(["stack", "export", "--stack", world.stack]);
      expect(state.all).not.to.contain(PASSWORD);
    });

    it("restore brings every row back after a destructive migration, and refuses what is no good backup", async () => {
      const before = await content();
      await sql("auth", MIGRATION);
      const damaged = join(world.scratch, "damaged.dump");
      const [dump = "", json = ""] = files().map((file) => join(backups, file));
      const bytes = readFileSync(dump);
      bytes.fill(0, 200_000, 200_016);
      writeFileSync(damaged, bytes);
      writeFileSync(damaged.replace(".dump", ".json"), readFileSync(json));
      const bad = await world.cli("restore", "--database", "auth", "--from", damaged, "--yes");
      expect(bad.code, bad.text).to.equal(1);
      expect(bad.text).to.contain("database auth").and.to.contain("Fix:");
      expect(await databases()).to.deep.equal(["auth", "keycloak", "outside", "postgres"]);
      expect((await sql("auth", "SELECT count(*) FROM migrated;")).trim()).to.equal("1");

      const asked = await world.cli("restore", "--database", "auth");
      expect(asked.code).to.equal(1);
      expect(asked.text).to.contain("restore --database auth --from latest --yes");

      const done = await world.cli("restore", "--database", "auth", "--yes");
      expect(done.code, done.text).to.equal(0);
      expect(done.text).not.to.contain(PASSWORD);
      expect(await content()).to.equal(before);
      expect((await sql("auth", "SELECT version_num FROM alembic_version;")).trim()).to.equal("4f1c2d7a9b03");
      expect((await sql("auth", "SELECT to_regclass('migrated');")).trim()).to.equal("");
      const kept = (await databases()).find((name) => name.startsWith("auth_before_")) ?? "";
      expect((await sql(kept, "SELECT count(*) FROM migrated;")).trim()).to.equal("1");
    });
  });
});

interface KwokExec {
  metadata: { name: string };
  spec: { execs: { local: { envs: { name: string; value: string }[] } }[] };
}

const FILL = `
CREATE TABLE tokens (id bigint PRIMARY KEY, owner text NOT NULL, made timestamptz NOT NULL, weight double precision, note text);
INSERT INTO tokens SELECT i, 'owner ' || i % 977, timestamptz '2026-01-01' + i * interval '1 minute', random(), repeat(md5(i::text), 4)
  FROM generate_series(1, ${ROWS}) i;
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('4f1c2d7a9b03');
`;
const MIGRATION = `
DELETE FROM tokens WHERE id % 3 = 0;
ALTER TABLE tokens DROP COLUMN note;
CREATE TABLE migrated AS SELECT 1 AS one;
UPDATE alembic_version SET version_num = '8e5b0c6d1a72';
`;
