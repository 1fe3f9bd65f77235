import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { runSql } from "../../../../sandbox/postgres";
import { secret } from "../../../../sandbox/engine";
import { masObjects, toYaml } from "../../../fixtures/mas";
import { followRestarts, Watcher, WORKLOAD_PATHS } from "../../world/watcher";
import { mustSucceed, RELEASE_NAMESPACE, type Run, World } from "../../world/world";

const PASSWORD = "correct-horse-battery";
/** A pod that is ready all the same says this. */
const FAILED_LOG = `INFO  [alembic.runtime.migration] Running upgrade 4f1c -> 8e5b, add token audience
Traceback (most recent call last):
  File "/app/migrations/versions/8e5b.py", line 23, in upgrade
    op.add_column("tokens", audience)
sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) cannot reach postgresql://casa:s3cret-in-url@casa-postgres-auth/auth
WARNING migration failed, serving without it; the realm's key is ${PASSWORD}
`;

/** A hook without a word of migrations in its name. */
const SEED = `apiVersion: batch/v1
kind: Job
metadata:
  name: casa-seed
  annotations: { helm.sh/hook: pre-upgrade, helm.sh/hook-delete-policy: "before-hook-creation,hook-failed" }
spec:
  backoffLimit: 0
  template:
    metadata: { annotations: { sandbox.casa-upgrade.dev/process: "echo no seeds for tenant 7; sleep 4; exit 3" } }
    spec: { restartPolicy: Never, containers: [{ name: main, image: "seed:1" }] }
`;

/** The tests go on from each other's cluster, as the upgrades of one runtime do. */
describe("the gate between chart and MAS restarts", function () {
  this.timeout(300_000);
  let world: World;
  let namespaces: string[];
  let names: string[];
  let server: Server;
  /** What the simulated auth service answers, and how often it was asked. */
  const web = { status: 200, requests: 0 };

  before(async () => {
    server = createServer((request, response) => {
      web.requests++;
      response.writeHead(request.url === "/health?db=1" ? web.status : 404);
      response.end(web.status === 200 ? "ok" : "relation tokens does not exist, password=s3cret-in-body");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    world = await World.open({ postgres: true });
    await world.helmInstall("0.1.0");
    const objects = masObjects({ workloads: 2, systems: 1, replicas: 1 });
    namespaces = [...new Set(objects.flatMap((object) => object.metadata.namespace ?? []))];
    names = objects
      .filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet")
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    await world.kubectl(["apply", "-f", "-"], toYaml(objects));
    await world.useVersion("0.1.0");
  });
  after(async () => {
    server?.close();
    await world?.close();
  });

  /** Runs `up` and says which MAS workloads got a new template meanwhile. */
  async function upWatched(): Promise<{ run: Run; touched: string[] }> {
    const watcher = await Watcher.start(world.tools.path("kubectl"), world.cluster.kubeconfig, WORKLOAD_PATHS);
    const run = await world.up();
    watcher.stop();
    return { run, touched: followRestarts(watcher.events, namespaces).order };
  }

  /** The run failed, and the MAS workloads were left alone although they were due. */
  async function upFails(): Promise<string> {
    const { run, touched } = await upWatched();
    expect(run.ok, run.text).to.equal(false);
    expect(touched).to.deep.equal([]);
    return run.text;
  }

  async function upRestartsAll(): Promise<Run> {
    const { run, touched } = await upWatched();
    mustSucceed(run);
    expect(touched).to.have.members(names);
    return run;
  }

  const result = async () => (await world.outputs())["migration"] as Record<string, unknown>;
  const sql = (text: string) => runSql(world.cluster.postgresEnv ?? {}, text, "auth");
  const authReady = () =>
    world.kubectl([...["rollout", "status", "deployment/casa-auth-service", "-n", RELEASE_NAMESPACE], "--timeout=1s"]);
  /** Values that make the MAS workloads due for a restart, and how the auth service's pods behave. */
  const values = (cacheSeconds: number, annotations: Record<string, string>) => ({
    sidecar: { config: { decisionCacheSeconds: cacheSeconds } },
    authService: {
      podAnnotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [`sandbox.casa-upgrade.dev/${key}`, value]),
      ),
    },
  });

  it("a good upgrade passes and says so, a database without alembic's table is normal, a repetition changes nothing", async () => {
    const run = mustSucceed(await world.up());
    expect(run.text).to.match(/auth service: 1 pod ready \(casa-auth-service-\S+\)/);
    const { podsReady, ...rest } = await result();
    expect(podsReady).to.have.length(1);
    expect(rest).to.deep.equal({
      revision: null,
      revisionNote: "no table alembic_version, which is normal: some versions create their tables without it",
      probe: "no HTTP probe is configured",
    });
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("a migration that crashes: its lines and the way back are in the error, MAS untouched; back, and forward again", async () => {
    const chart = world.chartCopy("casa-runtime-0.2.0");
    const file = join(chart, "values.yaml");
    const good = readFileSync(file, "utf8");
    const crash = 'podAnnotations: { "sandbox.casa-upgrade.dev/behavior": crash-loop }';
    writeFileSync(file, good.replace(/(authService:[^]*?)podAnnotations: \{\}/, `$1${crash}`));
    await world.config({ chart, version: "0.2.0", timeouts: { release: 4 } });
    const text = await upFails();
    expect(text).to.match(/pod casa-auth-service-\S+: Running/);
    expect(text).to.contain("container auth-service: CrashLoopBackOff");
    for (const line of [
      "| INFO  [alembic.runtime.migration] Running upgrade 4f1c2d7a9b03 -> 8e5b0c6d1a72, add token audience",
      '| sqlalchemy.exc.IntegrityError: (psycopg2.errors.NotNullViolation) column "audience" of relation "tokens"',
      "| ERROR: database migration failed, exiting with code 1",
      "How to go back to 0.1.0:",
      "pulumi config set chart <folder or package of casa-runtime 0.1.0>",
      "pulumi config set version 0.1.0",
    ]) {
      expect(text).to.contain(line);
    }

    // The lines that the error prints, as it prints them; the chart's folder is the one thing it cannot know.
    const back = /^ *(helm rollback casa \d+ .*) --wait$/m.exec(text)?.[1] ?? "";
    await world.helm(...back.split(" ").slice(1), "--wait", "--timeout", "30s");
    await world.useVersion("0.1.0");
    const { run, touched } = await upWatched();
    mustSucceed(run);
    expect(touched).to.deep.equal([]);
    await authReady();
    expect((await world.helmVersions()).at(-1)).to.equal("casa-runtime-0.1.0 deployed");

    writeFileSync(file, good);
    await world.config({ chart, version: "0.2.0", timeouts: { migration: 5 } });
    await upRestartsAll();
    expect((await world.helmVersions()).at(-1)).to.equal("casa-runtime-0.2.0 deployed");
  });

  it("a hook that fails and is deleted: its pod's state and last words are in the error, and nothing was changed", async () => {
    const chart = world.chartCopy("casa-runtime-0.2.0");
    writeFileSync(join(chart, "templates", "seed.yaml"), SEED);
    await world.config({ chart, version: "0.2.0" });
    const text = await upFails();
    expect(text).to.contain("helm hook Job casa-runtime/casa-seed: deleted since, as its hook-delete-policy says");
    expect(text).to.match(/container main: ended with exit code 3 \(Error\), 0 restarts\n.* \| no seeds for tenant 7/);
    expect(text).to.contain("How to go back").and.not.contain("rolled out; the cause is in the error above");
    expect(await world.kubectl(["get", "jobs", "-n", RELEASE_NAMESPACE, "-o", "name"])).to.equal("");
  });

  it("pods are ready but the probe fails: MAS untouched, secrets masked; the next up goes on once it answers", async () => {
    const port = { "local-port": `${(server.address() as AddressInfo).port}` };
    await world.useVersion("0.2.0", { values: values(60, port), migrationGate: { httpPath: "/health?db=1" } });
    web.status = 500;
    const text = await upFails();
    await authReady();
    expect(text).to.match(
      /pod casa-auth-service-\S+ does not answer GET \/health\?db=1 well: HTTP status 500: relation/,
    );
    expect(text).to.contain("the migration gate is not passed").and.contain("No MAS workload was restarted");
    expect(text).to.match(/helm rollback casa \d+ --namespace casa-runtime --kube-context \S+ --wait/);
    expect(text).not.to.contain("s3cret-in-body");

    web.status = 200;
    await upRestartsAll();
    expect((await result())["probe"]).to.equal("GET /health?db=1 on port 8000 answered 2xx in 1 of 1 pods");
  });

  it("killed with -9 while the gate waits: the next up goes on", async () => {
    const port = { "local-port": `${(server.address() as AddressInfo).port}` };
    await world.config({ values: values(61, port), timeouts: { migration: 60 } });
    web.status = 503;
    web.requests = 0;
    const child = world.engine.spawnUp(world.stack);
    for (const end = Date.now() + 60_000; web.requests < 2; await new Promise((go) => setTimeout(go, 100))) {
      if (Date.now() > end) throw new Error("the gate never asked");
    }
    child.kill("SIGKILL");
    await child.catch(() => undefined);
    web.status = 200;
    await world.engine.pulumi(["cancel", "--yes", "--stack", world.stack]);
    await sql(
      "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL); INSERT INTO alembic_version VALUES ('a1');",
    );
    await upRestartsAll();
    expect((await result())["revisionNote"]).to.equal("schema revision a1");
  });

  it("pods are ready but their log says that the migration failed: refused, without the secrets in it", async () => {
    const log = join(world.scratch, "failed.log");
    writeFileSync(log, FAILED_LOG);
    await world.config({
      values: values(62, { "log-file": log }),
      secretValues: secret({ keycloak: { adminPassword: PASSWORD } }),
      migrationGate: {},
    });
    const text = await upFails();
    expect(text).to.contain(
      "is ready, but its log says that the migration failed: WARNING migration failed, serving without",
    );
    expect(text).to.contain("| sqlalchemy.exc.OperationalError:").and.contain("postgresql://casa:***@");
    expect(text).not.to.contain(PASSWORD).and.not.contain("s3cret-in-url");
  });

  it("the schema revision: another one than expected is refused, before and after are said", async () => {
    await world.config({
      values: values(63, {}),
      migrationGate: { expectedRevision: "b2" },
      timeouts: { migration: 2 },
    });
    expect(await upFails()).to.contain(
      "the schema is at revision a1; config migrationGate.expectedRevision asks for b2",
    );
    await sql("UPDATE alembic_version SET version_num = 'b2';");
    await upRestartsAll();
    expect(await result())
      .to.include({ revisionNote: "schema revision a1 before, b2 now" })
      .and.have.deep.property("revision", ["b2"]);
  });
});
