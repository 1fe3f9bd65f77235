import { expect } from "chai";
import execa from "execa";
import { join } from "node:path";
import { findAlembic } from "../../../../sandbox/python-tools";
import { runSql } from "../../../../sandbox/postgres";
import type { GateJob } from "../../../../components/migration-gate/settings";
import { alembicProject, type Step } from "../../world/alembic-project";
import { ClusterFixture } from "../../world/cluster-fixture";

const NAMESPACE = "casa-runtime";
const FIRST: Step = {
  id: "a1",
  does: 'op.create_table("tokens", sa.Column("id", sa.Integer, primary_key=True))\nop.execute("INSERT INTO tokens VALUES (1)")',
};
const COLUMN: Step = {
  id: "b2",
  after: "a1",
  title: "add error codes after failed logins",
  does: 'op.add_column("tokens", sa.Column("code", sa.String()))',
};
const NOT_NULL: Step = { ...COLUMN, does: 'op.add_column("tokens", sa.Column("code", sa.String(), nullable=False))' };

/** Real alembic behind the auth service's pods; each case begins with an empty database. */
describe("the gate and real alembic", function () {
  this.timeout(120_000);
  let fixture: ClusterFixture;
  let generation = 0;

  before(async function () {
    if (!findAlembic()) {
      console.error("alembic is not installed here, so nothing is tried with a real one");
      this.skip();
    }
    fixture = await ClusterFixture.start({ postgres: true });
    await fixture.kubectl("create", "namespace", NAMESPACE);
    const env = { POSTGRES_USER: "postgres", POSTGRES_DB: "auth" };
    await fixture.apply(deployment("casa-postgres-auth", 1, { name: "postgres", image: "postgres:15", env }));
    await fixture.kubectl("rollout", "status", "deployment/casa-postgres-auth", "-n", NAMESPACE);
  });
  after(() => fixture?.stop());

  beforeEach(async () => {
    const ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'auth'";
    await runSql(server(), `${ended};\nDROP DATABASE IF EXISTS auth;\nCREATE DATABASE auth;`);
  });

  const server = () => fixture.cluster.postgresEnv ?? {};
  const sql = (text: string) => runSql(server(), text, "auth");
  const project = (...steps: Step[]) => alembicProject(fixture.scratch, steps);

  function deployment(
    name: string,
    replicas: number,
    { env = {}, ...container }: { name: string; image: string; env?: Record<string, string> },
    annotations = {},
  ) {
    const labels = { app: name };
    const containers = [{ ...container, env: Object.entries(env).map(([key, value]) => ({ name: key, value })) }];
    return {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace: NAMESPACE },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels, annotations }, spec: { containers } },
      },
    };
  }

  /** A new version of the auth service, whose containers run this before they serve. */
  async function serviceRuns(
    command: string,
    { replicas = 1, env = {} }: { replicas?: number; env?: Record<string, string> } = {},
  ) {
    const container = { name: "auth-service", image: `auth:${generation++}`, env };
    const object = deployment("casa-auth-service", replicas, container, {
      "sandbox.casa-upgrade.dev/process": command,
    });
    await fixture.kubectl("delete", "deployment", "casa-auth-service", "-n", NAMESPACE, "--ignore-not-found", "--wait");
    await fixture.kubectl(
      "wait",
      "--for=delete",
      "pod",
      "-l",
      "app=casa-auth-service",
      "-n",
      NAMESPACE,
      "--timeout=20s",
    );
    await fixture.apply(object);
  }

  /** Runs the gate. @param seen what earlier gates of the stack saw. */
  async function gate({
    seen = [],
    seconds = 30,
    server = "casa-postgres-auth",
    jobs = [],
  }: { seen?: string[]; seconds?: number; server?: string; jobs?: GateJob["settings"]["jobs"] } = {}) {
    const at = { kind: "Deployment", namespace: NAMESPACE };
    const job: GateJob = {
      settings: {
        deployment: { ...at, name: "casa-auth-service" },
        database: { ...at, name: server, container: "postgres" },
        jobs,
        checkLogs: true,
        timeoutSeconds: seconds,
        rollback: {
          release: "casa",
          namespace: NAMESPACE,
          context: "c",
          chart: "x",
          chartIsLocal: true,
          chartName: "x",
          version: "1",
          versionIsSet: true,
        },
        known: [],
      },
      secrets: [],
      chart: "",
      revision: 1,
    };
    const last = JSON.stringify({ podsReady: [], revision: null, revisionNote: "", probe: "", seen });
    const { exitCode, stdout, stderr } = await fixture.program("migration-gate", job, {
      env: { PULUMI_COMMAND_STDOUT: last },
    });
    return { passed: exitCode === 0, text: exitCode === 0 ? stderr : stdout };
  }

  const passes = async (seen?: string[]) => {
    const { passed, text } = await gate({ seen });
    expect(passed, text).to.equal(true);
    return text;
  };
  const refuses = async (options: Parameters<typeof gate>[0] = {}) => {
    const { passed, text } = await gate(options);
    expect(passed, text).to.equal(false);
    return text;
  };

  it("an upgrade, a repetition and a stamp pass; back to an older image does not", async () => {
    await serviceRuns(`${project(FIRST)} upgrade head`);
    expect(await passes()).to.contain("schema revision a1");
    const second = project(FIRST, COLUMN);
    await serviceRuns(`${second} upgrade head && ${second} upgrade head && ${second} stamp head`);
    expect(await passes(["a1"])).to.contain("schema revision a1 before, b2 now");
    // What an image says whose migrations end before the schema's: the way back over a schema change.
    await serviceRuns(`${project(FIRST)} upgrade head || true`);
    expect(await refuses({ seen: ["a1", "b2"] })).to.contain("FAILED: Can't locate revision identified by 'b2'");
    await serviceRuns(`${project(FIRST)} upgrade head`);
    expect(await refuses({ seconds: 3 }))
      .to.contain("| FAILED: Can't locate revision identified by 'b2'")
      .and.match(/container auth-service: (CrashLoopBackOff|running, but not ready)/);
  });

  it("a step that fails: the service's own frame and the statement, whether the container ends or serves", async () => {
    await serviceRuns(`${project(FIRST)} upgrade head`);
    await passes();
    for (const [end, seconds] of [
      ["", 3],
      [" || true", 30],
    ] as const) {
      await serviceRuns(`${project(FIRST, NOT_NULL)} upgrade head${end}`);
      const text = await refuses({ seconds });
      expect(text).to.match(/\| {3}File "\S+versions\/b2\.py", line 7, in upgrade\n\s+\| {5}op\.add_column/);
      expect(text).to.contain(
        '(psycopg2.errors.NotNullViolation) column "code" of relation "tokens" contains null values',
      );
      expect(text)
        .to.contain("| [SQL: ALTER TABLE tokens ADD COLUMN code VARCHAR NOT NULL]")
        .and.not.contain("site-packages");
    }
    expect(await sql("SELECT version_num FROM alembic_version")).to.equal("a1");
  });

  it("several heads: alembic's own refusal; both applied are more heads than before", async () => {
    const heads = project(FIRST, COLUMN, { ...COLUMN, id: "b3", does: "pass" });
    await serviceRuns(`${project(FIRST)} upgrade head; ${heads} upgrade head || true`);
    expect(await refuses()).to.contain("FAILED: Multiple head revisions are present");
    await serviceRuns(`${heads} upgrade heads`);
    expect(await refuses({ seen: ["a1"], seconds: 2 })).to.contain("2 heads (b2, b3), it had 1 before (a1)");
  });

  it("no server, no database", async () => {
    await serviceRuns(`PGPORT=1 ${project(FIRST)} upgrade head || true`);
    expect(await refuses())
      .to.contain("its log says that the migration failed: sqlalchemy.exc.OperationalError")
      .and.match(/PGSQL\.1" failed/);
  });

  it("a lock that somebody holds: who, and the line that ends it", async () => {
    await serviceRuns(`${project(FIRST)} upgrade head`);
    await passes();
    const psql = join(server()["PATH"]?.split(":")[0] ?? "", "psql");
    const holder = execa(psql, ["-X", "-q", "-U", "postgres", "-d", "auth"], { env: server(), reject: false });
    holder.stdin?.write("BEGIN; SELECT * FROM tokens;\n");
    await serviceRuns(`${project(FIRST, COLUMN)} upgrade head`);
    const text = await refuses({ seconds: 4 });
    const [line, end = ""] =
      /waits for tokens, which pid \d+ \(user postgres, idle in transaction, since [^)]+\) has locked; to end that: psql -c "(.*)"/.exec(
        text,
      ) ?? [];
    expect(line, text).to.be.a("string");
    await sql(end);
    expect(await passes(["a1"])).to.contain("a1 before, b2 now");
    holder.stdin?.end();
    await holder;
  });

  it("replicas that start together: one migrates, the others fail at it and serve; the gate says so and passes", async () => {
    const slow = (step: Step): Step => ({ ...step, does: `${step.does}\nop.execute("SELECT pg_sleep(1)")` });
    for (const steps of [[slow(FIRST)], [FIRST, slow(COLUMN)]]) {
      await serviceRuns(`${project(...steps)} upgrade head || true`, { replicas: 2 });
      const text = await passes();
      expect(text).to.contain(`schema revision ${steps.at(-1)?.id}`);
      expect(text).to.match(/says that the migration failed: .* did the same at the same time, and it went well/);
    }
  });

  it("a version table with another name, in another schema, and several", async () => {
    await serviceRuns(`${project(FIRST)} upgrade head`, {
      env: { VERSION_TABLE: "schema_rev", VERSION_SCHEMA: "ops" },
    });
    expect(await passes()).to.contain("schema revision a1");
    await serviceRuns(`VERSION_TABLE=jobs_rev ${project({ id: "j1", does: "pass" })} upgrade head`);
    expect(await passes()).to.contain("schema revision a1 in ops.schema_rev, j1 in public.jobs_rev");
  });

  it("a database that the server's container does not name", async () => {
    await serviceRuns(`${project(FIRST)} upgrade head`);
    await fixture.apply(deployment("casa-own", 1, { name: "postgres", image: "own:1", env: { PGDATA: "/data" } }));
    await fixture.kubectl("rollout", "status", "deployment/casa-own", "-n", NAMESPACE);
    const { passed, text } = await gate({ server: "casa-own" });
    expect(passed, text).to.equal(true);
    expect(text).to.contain("schema revision a1 (database auth)");
  });

  it("a Job of a hook that completes although its migration failed", async () => {
    await serviceRuns("true");
    await fixture.apply({
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "casa-migrate", namespace: NAMESPACE },
      spec: {
        template: {
          metadata: {
            annotations: { "sandbox.casa-upgrade.dev/process": `PGPORT=1 ${project(FIRST)} upgrade head || true` },
          },
          spec: { restartPolicy: "Never", containers: [{ name: "main", image: "auth:1" }] },
        },
      },
    });
    await fixture.kubectl("wait", "--for=condition=complete", "job/casa-migrate", "-n", NAMESPACE, "--timeout=60s");
    const jobs = [{ kind: "Job", namespace: NAMESPACE, name: "casa-migrate", hook: true }];
    expect(await refuses({ jobs })).to.match(
      /Job casa-runtime\/casa-migrate completed, but the log of its pod \S+ says that the migration failed: sqlalchemy/,
    );
    await fixture.kubectl("delete", "job", "casa-migrate", "-n", NAMESPACE);
    await passes();
  });
});
