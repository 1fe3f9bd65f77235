import { mkdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import execa from "execa";
import { allDatabases } from "../../../../components/database-backup/all-databases";
import {
  askServers,
  readConfig,
  refuseCertainFailures,
} from "../../../../components/database-backup/cluster/ask-servers";
import { targetsByPod } from "../../../../components/database-backup/cluster/pods";
import { askRunningServers } from "../../../../components/database-backup/cluster/running-servers";
import { discoverDatabases } from "../../../../components/database-backup/discover";
import { externalDatabases } from "../../../../components/database-backup/elsewhere";
import { configElsewhere } from "../../../../components/database-backup/environment";
import { type DatabaseTarget, whereIs } from "../../../../components/database-backup/references";
import { kubeObject } from "../../../../kubernetes/objects";
import { psqlScript } from "../../../../components/migration-gate/revision";
import { runSql } from "../../../../sandbox/postgres";
import { BACKED_UP_RELEASE } from "../../../fixtures/backed-up-release";
import { ClusterFixture, refusal } from "../../world/cluster-fixture";
import { ServerOfOnesOwn } from "../../world/postgres-server";

const NAMESPACE = "databases";

/** Servers in pods as people run them, each pod with a real server behind it. */
describe("database servers in pods", function () {
  this.timeout(120_000);
  let fixture: ClusterFixture;
  let first: ServerOfOnesOwn;
  let second: ServerOfOnesOwn;
  let follower: Awaited<ReturnType<ServerOfOnesOwn["standby"]>>;
  const path = process.env["PATH"];

  before(async () => {
    fixture = await ClusterFixture.start();
    process.env["PATH"] = `${fixture.tools.binDir}:${path ?? ""}`;
    [first, second] = await Promise.all([ServerOfOnesOwn.start(), ServerOfOnesOwn.start()]);
    await runSql(first.env, "CREATE TABLE kept AS SELECT 1 AS id;");
    follower = await first.standby();
    await fixture.kubectl("create", "namespace", NAMESPACE);
  });
  after(async () => {
    process.env["PATH"] = path;
    await follower?.stop();
    await Promise.all([first?.stop(), second?.stop()]);
    await fixture?.stop();
  });

  /** A StatefulSet whose pods are these servers, by their environments. @returns its target. */
  async function servers(name: string, ...environments: Record<string, string>[]): Promise<DatabaseTarget> {
    const workload = {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name, namespace: NAMESPACE },
      spec: {
        replicas: environments.length,
        serviceName: name,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: { containers: [{ name: "postgres", image: "postgres:17", env: [{ name: "PGDATA", value: "/data" }] }] },
        },
      },
    };
    const execs = environments.map((env, i) => ({
      apiVersion: "kwok.x-k8s.io/v1alpha1",
      kind: "Exec",
      metadata: { name: `${name}-${i}`, namespace: NAMESPACE },
      spec: {
        execs: [
          {
            containers: ["postgres"],
            local: { envs: Object.entries(env).map(([key, value]) => ({ name: key, value })) },
          },
        ],
      },
    }));
    await fixture.apply(workload, ...execs);
    await fixture.kubectl("rollout", "status", `statefulset/${name}`, "-n", NAMESPACE, "--timeout=60s");
    for (const [i, { PGPORT = "", PGDATA = "" }] of environments.entries()) {
      const says = ["exec", `${name}-${i}`, "-n", NAMESPACE, "--", "sh", "-c", 'echo "${PGPORT-} ${PGDATA-}"'];
      for (let tries = 0; (await fixture.kubectl(...says).catch(String)) !== `${PGPORT} ${PGDATA}`; tries++) {
        if (tries > 100) throw new Error(`pod ${name}-${i} has no server`);
        await sleep(100);
      }
    }
    const [target] = discoverDatabases([workload], NAMESPACE);
    if (!target) throw new Error("it is not known as a server");
    return target;
  }

  /** What would be backed up, and what is said. */
  async function found(target: DatabaseTarget) {
    const { targets, warnings } = await targetsByPod(fixture.client, [target]);
    const asked = await askServers(fixture.client, targets);
    const all = allDatabases(asked);
    return { ...all, warnings: [...warnings, ...refuseCertainFailures(asked, () => "server")] };
  }

  const places = (targets: readonly DatabaseTarget[]) =>
    targets.map(({ name, at }) => `${name} in ${"host" in at ? at.host : at.pod}`);

  it("that are one another's copies: the primary's are backed up, whichever pod it is", async () => {
    const { targets, standbys } = await found(await servers("copies", first.env, follower.env));
    expect(places(targets)).to.deep.equal(["postgres in copies-0"]);
    expect(standbys).to.deep.equal([`StatefulSet/${NAMESPACE}/copies, pod copies-1`]);
    const turned = await found(await servers("turned", follower.env, first.env));
    expect(places(turned.targets)).to.deep.equal(["postgres in turned-1"]);
  });

  it("say where the file system of their data is mounted, as df does", async () => {
    const cold = `${first.dir}/cold`;
    mkdirSync(cold);
    writeFileSync(`${cold}/PG_VERSION`, "14\n");
    const closed = { ...first.env, PGHOST: cold, PGPORT: "1", PGDATA: cold };
    const [target, gone] = [await servers("mounted", first.env), await servers("closed", closed)];
    const { stdout } = await execa("df", ["-P", first.dir]);
    const mountPoint = /\S+$/.exec(stdout)?.[0];
    const [asked] = await askServers(fixture.client, [target]);
    expect(asked?.mountPoint).to.equal(mountPoint).and.to.match(/^\//);
    // Where no backup asks, and where nobody can log in.
    const another = await fixture.clientOf("asks", "cluster-admin");
    const live = await fixture.kubectl(
      "get",
      "statefulsets/mounted",
      "statefulsets/closed",
      "-n",
      NAMESPACE,
      "-o",
      "json",
    );
    const running = await askRunningServers(another, (JSON.parse(live) as { items: unknown[] }).items, NAMESPACE);
    const told = [target, gone].map((one) => running.get(whereIs(one)));
    expect(told.map((one) => one?.mountPoint)).to.deep.equal([mountPoint, mountPoint]);
    expect(told[1]?.version).to.equal("14");
  });

  it("that have nothing to do with one another: each is backed up", async () => {
    const { targets } = await found(await servers("each", first.env, second.env));
    expect(places(targets)).to.deep.equal(["postgres in each-0", "postgres-each-1 in each-1"]);
    const job = {
      ...{ stack: "test", cluster: "c", release: BACKED_UP_RELEASE, keep: 2, timeoutSeconds: 60, occasion: "test" },
      destination: { kind: "folder", path: `${fixture.scratch}/backups` },
      databases: targets,
      proof: { choice: "database", kinds: Object.fromEntries(targets.map(({ name }) => [name, "database"])) },
    };
    const { exitCode, stdout, stderr } = await fixture.program("backup", job);
    expect(exitCode, stderr).to.equal(0);
    const rows = (JSON.parse(stdout) as { name: string; rows: number }[]).map(({ name, rows: of }) => `${name} ${of}`);
    expect(rows).to.deep.equal(["postgres 1", "postgres-each-1 0"]);
  });

  it("some of which are not ready: that is said", async () => {
    const target = await servers("alone", first.env);
    await fixture.kubectl("create", "quota", "full", "-n", NAMESPACE, "--hard=pods=0");
    await fixture.kubectl("scale", "statefulset/alone", "-n", NAMESPACE, "--replicas=3");
    const { targets, warnings } = await targetsByPod(fixture.client, [target]);
    await fixture.kubectl("delete", "quota", "full", "-n", NAMESPACE);
    expect(places(targets)).to.deep.equal(["postgres in alone-0"]);
    expect(warnings.join()).to.contain(`2 of 3 pods of StatefulSet/${NAMESPACE}/alone not ready`);
  });

  it("at another port than the usual one, which nobody says: the gate finds it, too", async () => {
    const { PGPORT: _port, ...rest } = second.env;
    const target = await servers("port", { ...rest, PGDATA: `${second.dir}/data` });
    expect((await found(target)).targets).to.have.length(1);
    const psql = ["exec", "-i", "port-0", "-n", NAMESPACE, "--", "sh", "-c", psqlScript("SELECT 'here';")];
    expect(await fixture.kubectl(...psql)).to.equal("here");
  });

  it("that refuse TCP, or the password", async () => {
    const target = await servers("refuses", second.env);
    await runSql(second.env, "CREATE ROLE app LOGIN SUPERUSER PASSWORD 'right';");
    const as = (password: string) => ({ ...target, user: [{ value: "app" }], password: [{ value: password }] });
    try {
      await second.allow("local all all trust", "host all all 127.0.0.1/32 reject");
      expect((await found(as("wrong"))).targets).to.have.length(1);
      await second.allow("local all all trust", "hostssl all all all cert");
      expect((await found(as("wrong"))).targets).to.have.length(1);
      await second.allow("local all all trust", "host all all 127.0.0.1/32 scram-sha-256");
      expect((await found(as("right"))).targets).to.have.length(1);
      // The socket would let him in all the same.
      expect(await refusal(found(as("wrong")))).to.contain("the server refuses the password");
    } finally {
      await second.allow("local all all trust", "host all all 127.0.0.1/32 trust");
    }
  });

  it("that are elsewhere are found by what another's Secret says; one that may not be read is told", async () => {
    const type = { apiVersion: "v1", kind: "Secret" };
    const stringData = { uri: "postgres://app:geheim@db.example.com:5432/auth?sslmode=require" };
    await fixture.apply({ ...type, metadata: { name: "login", namespace: NAMESPACE }, stringData });
    const user = kubeObject.parse({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "auth" },
      spec: {
        template: {
          spec: {
            containers: [
              {
                name: "a",
                image: "casa/auth:1",
                env: [{ name: "DATABASE_URL", valueFrom: { secretKeyRef: { name: "login", key: "uri" } } }],
                envFrom: [{ configMapRef: { name: "none", optional: true } }],
              },
            ],
          },
        },
      },
    });
    const ids = configElsewhere([user], NAMESPACE);
    const { objects, problems } = await readConfig(fixture.client, ids);
    expect(problems).to.deep.equal([]);
    const [found, ...more] = externalDatabases([user], NAMESPACE, objects);
    expect(more).to.deep.equal([]);
    expect(found?.what).to.equal(`PostgreSQL at db.example.com, which Deployment/${NAMESPACE}/auth uses`);
    expect(JSON.stringify(found)).not.to.contain("geheim");

    const refused = await readConfig(await fixture.clientOf("nobody"), ids);
    expect(refused.objects).to.deep.equal([]);
    expect(refused.problems.join()).to.contain(`ConfigMap ${NAMESPACE}/none, Secret ${NAMESPACE}/login, which may not`);
  });

  it("with templates of somebody's own, and databases that cannot be dumped", async () => {
    const target = await servers("odd", second.env);
    await runSql(
      second.env,
      "CREATE DATABASE tenant_base; CREATE DATABASE broken; CREATE DATABASE closed;".replaceAll("; ", ";\n"),
    );
    await runSql(second.env, "CREATE TABLE t AS SELECT 1 AS id;", "tenant_base");
    await runSql(second.env, "CREATE TABLE t AS SELECT 1 AS id;", "template1");
    await runSql(
      second.env,
      "ALTER DATABASE tenant_base IS_TEMPLATE true;\nALTER DATABASE closed ALLOW_CONNECTIONS false;\n" +
        "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'broken';",
    );
    const { targets, missing, warnings } = await found(target);
    expect(targets.map(({ name }) => name)).to.deep.equal(["postgres", "tenant_base"]);
    expect(missing).to.deep.equal([]);
    const text = warnings.join("\n");
    expect(text).to.match(
      /database broken of .* is not backed up: it is invalid since a DROP DATABASE was interrupted/,
    );
    expect(text).to.match(/database closed of .* takes no connections .*ALTER DATABASE closed ALLOW_CONNECTIONS true;/);
    expect(text).to.match(/database template1 of .* template of all new databases, into which somebody wrote/);
  });
});
