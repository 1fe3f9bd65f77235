import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { runSql } from "../../sandbox/postgres";
import { mustSucceed, RELEASE_NAMESPACE, World } from "./world";

const ROWS = 100_000;

describe("database backup", function () {
  this.timeout(300_000);
  let world: World;
  let backups: string;

  before(async () => {
    world = await World.open({ postgres: true });
    backups = join(world.scratch, "backups", world.stack);
    await world.helmInstall("0.1.0");
    await world.useVersion("0.1.0");
    await execWorks();
    await sql("auth", FILL);
    await sql("keycloak", "CREATE TABLE realm AS SELECT i AS id, md5(i::text) AS name FROM generate_series(1, 500) i;");
  });
  after(async () => world?.close());

  const sql = (database: string, text: string) => runSql(world.cluster.postgresEnv ?? {}, text, database);
  const files = (): string[] => {
    try {
      return readdirSync(backups).sort();
    } catch {
      return [];
    }
  };

  /** kwok connects `kubectl exec` a moment after a pod is ready. */
  async function execWorks(): Promise<void> {
    for (const name of ["auth", "keycloak"]) {
      const exec = ["exec", `deployment/casa-postgres-${name}`, "-n", RELEASE_NAMESPACE, "--", "true"];
      for (let i = 0; ; i++) {
        const ok = await world.kubectl(exec).then(
          () => true,
          () => false,
        );
        if (ok) break;
        if (i > 60) throw new Error("kubectl exec never worked");
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  it("is made and verified before the release changes, once", async () => {
    const preview = mustSucceed(await world.preview());
    expect(preview.text).to.contain("Backup before anything changes: auth");
    expect(files()).to.deep.equal([]);
    const run = mustSucceed(await world.up());
    console.log(run.text);
    console.log(files(), JSON.stringify(await world.outputs(), null, 1));
    mustSucceed(await world.up(["--expect-no-changes"]));
    console.log(readFileSync(join(backups, files().find((f) => f.endsWith(".json")) ?? ""), "utf8"));
  });
});

const FILL = `
CREATE TABLE tokens (id bigint PRIMARY KEY, owner text NOT NULL, made timestamptz NOT NULL, weight double precision, note text);
INSERT INTO tokens SELECT i, 'owner ' || i % 977, timestamptz '2026-01-01' + i * interval '1 minute', random(), repeat(md5(i::text), 4)
  FROM generate_series(1, ${ROWS}) i;
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('4f1c2d7a9b03');
`;
