import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { askServers } from "../../../../components/database-backup/cluster/ask-servers";
import { decideProof } from "../../../../components/database-backup/cluster/decide-proof";
import type { BackupJob } from "../../../../components/database-backup/job";
import type { DatabaseTarget } from "../../../../components/database-backup/references";
import { connect } from "../../../../kubernetes/connect";
import { type Cluster, startCluster } from "../../../../sandbox/cluster/cluster";
import { Progress } from "../../../../sandbox/progress";
import { runSql } from "../../../../sandbox/postgres";
import { ensureTools, type Tools } from "../../../../sandbox/tools";
import { BACKED_UP_RELEASE } from "../../../fixtures/backed-up-release";
import { chartPath, RELEASE_NAMESPACE, ROOT } from "../../world/world";

const PASSWORD = "planted-Pa55 w\\ord'$x";

/**
 * The program that makes backups, run as the upgrade runs it; what the upgrade does with its exit code is tested in
 * backup.test.ts.
 */
describe("the backup program", function () {
  this.timeout(120_000);
  const scratch = mkdtempSync(join(tmpdir(), "casa-backup-program-"));
  const destination = join(scratch, "backups");
  let tools: Tools;
  let cluster: Cluster;

  before(async () => {
    tools = await ensureTools(Progress.silent());
    cluster = await startCluster(tools, { postgres: true, progress: Progress.silent() });
    const values = JSON.stringify({
      postgresAuth: { password: PASSWORD },
      postgresKeycloak: { password: PASSWORD },
    });
    const release = ["install", "casa", chartPath("casa-runtime-0.1.0"), "-n", RELEASE_NAMESPACE, "--create-namespace"];
    const options = { env: env(), cwd: ROOT, input: values };
    await execa(tools.path("helm"), [...release, "--wait", "--values", "-"], options);
    // With a pod's own environment, its role has its password, too.
    await inPod('[ "$POSTGRES_DB" = auth ]');
    await sql("auth", "CREATE TABLE tokens AS SELECT i AS id, md5(i::text) AS note FROM generate_series(1, 20000) i;");
    await sql("postgres", "CREATE DATABASE outside;");
    await sql("outside", "CREATE TABLE realm AS SELECT 1 AS id;");
  });
  after(async () => {
    await cluster?.stop();
    rmSync(scratch, { recursive: true });
  });

  const env = () => ({ KUBECONFIG: cluster.kubeconfig, PATH: `${tools.binDir}:${process.env["PATH"] ?? ""}` });
  const sql = (database: string, text: string) => runSql(cluster.postgresEnv ?? {}, text, database);
  const kubectl = async (...args: string[]) => (await execa(tools.path("kubectl"), args, { env: env() })).stdout;
  const files = () => (existsSync(destination) ? readdirSync(join(destination, "test")) : []);
  const scratchDatabases = async () =>
    (await sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'casa_upgrade_scratch%';")).trim();

  /** Runs a script in the auth database's pod; kwok connects `kubectl exec` a moment after a pod is ready. */
  async function inPod(script: string): Promise<string> {
    for (let i = 0; ; i++) {
      try {
        return await kubectl(
          "exec",
          "deployment/casa-postgres-auth",
          "-n",
          RELEASE_NAMESPACE,
          "--",
          "sh",
          "-c",
          script,
        );
      } catch (error) {
        if (i > 60) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  function target(name: string): DatabaseTarget {
    const secret = (key: string) => [{ kind: "Secret" as const, name: `casa-postgres-${name}`, key }];
    return {
      name,
      database: [{ value: name }],
      user: secret("username"),
      password: secret("password"),
      at: {
        kind: "Deployment",
        namespace: RELEASE_NAMESPACE,
        workload: `casa-postgres-${name}`,
        container: "postgres",
      },
    };
  }

  function external(): DatabaseTarget {
    const port = Number(cluster.postgresEnv?.["PGPORT"]);
    const at = { host: "127.0.0.1", port, sslMode: "prefer", namespace: RELEASE_NAMESPACE };
    return { ...target("auth"), name: "outside", database: [{ value: "outside" }], at };
  }

  async function backUp(databases: DatabaseTarget[], more: Partial<BackupJob> = {}, node: string[] = []) {
    const job: BackupJob = {
      stack: "test",
      cluster: "c",
      release: BACKED_UP_RELEASE,
      destination: { kind: "folder", path: destination },
      keep: 2,
      timeoutSeconds: 60,
      databases,
      occasion: "test",
      ...more,
    };
    const args = [...node, "bundle/program.cjs", "backup", "--context", cluster.context];
    const options = {
      cwd: ROOT,
      env: env(),
      input: JSON.stringify(job),
      reject: false,
      all: true,
    } as const;
    const run = await execa("node", args, options);
    expect(run.all).not.to.contain(PASSWORD);
    return { code: run.exitCode, text: run.all ?? "", stdout: run.stdout };
  }

  async function mustFail(why: RegExp, more: Partial<BackupJob> = {}): Promise<void> {
    const run = await backUp([target("auth"), target("keycloak")], more);
    expect(run.code, run.text).to.equal(1);
    expect(run.text).to.match(why).and.to.contain("no verified backup, so nothing was upgraded").and.to.contain("Fix:");
    expect(run.stdout).to.equal("");
    expect(files()).to.deep.equal([]);
    expect(await scratchDatabases()).to.equal("");
  }

  /** Puts another program before PostgreSQL's own on the PATH of the auth database's pod. */
  async function withProgram(name: string, script: string, during: () => Promise<void>): Promise<void> {
    const bin = join(scratch, "wrapped");
    mkdirSync(bin, { recursive: true });
    const real = join(cluster.postgresEnv?.["PATH"]?.split(":")[0] ?? "", name);
    writeFileSync(join(bin, name), `#!/bin/bash\nREAL=${real}\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
    const list = JSON.parse(
      await kubectl("get", "execs.kwok.x-k8s.io", "-n", RELEASE_NAMESPACE, "-o", "json"),
    ) as KwokExecs;
    const exec = list.items.find(({ metadata }) => metadata.name.startsWith("casa-postgres-auth-"));
    const [first] = exec?.spec.execs ?? [];
    if (!exec || !first) throw new Error("the auth database has no simulated pod");
    const put = async (prefix: string) => {
      const envs = first.local.envs.map((one) => (one.name === "PATH" ? { ...one, value: prefix + one.value } : one));
      const spec = { execs: [{ ...first, local: { ...first.local, envs } }] };
      const patch = ["--type=merge", "-p", JSON.stringify({ spec })];
      await kubectl("patch", "execs.kwok.x-k8s.io", exec.metadata.name, "-n", RELEASE_NAMESPACE, ...patch);
      for (let i = 0; (await inPod(`command -v ${name}`)).startsWith(bin) !== (prefix !== ""); i++) {
        if (i > 60) throw new Error(`${name} in the pod never changed`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    await put(`${bin}:`);
    await during().finally(() => put(""));
    rmSync(bin, { recursive: true });
  }

  it("fails for a dump that is killed half-way", () =>
    withProgram("pg_dump", `"$REAL" "$@" | head -c 100000; kill -9 $$`, () =>
      mustFail(/database auth .*: the dump failed with exit code 137/),
    ));

  it("fails for a dump that is empty, or cut off, with nobody complaining", async () => {
    await withProgram("pg_dump", "exit 0", () => mustFail(/database auth .*: the dump is empty/));
    await withProgram("pg_dump", `"$REAL" "$@" | head -c 100000`, () =>
      mustFail(
        /database auth .*: the restore into a throw-away server failed.*the restore into a scratch database .*failed, too/s,
      ),
    );
  });

  it("fails for a good dump of something else: rows, a table", async () => {
    await withProgram("pg_dump", `"$REAL" --exclude-table-data=tokens "$@"`, () =>
      mustFail(/database auth .*not equal.*table public.tokens has 0 rows instead of 20000/),
    );
    await withProgram("pg_dump", `"$REAL" --exclude-table=tokens "$@"`, () =>
      mustFail(/database auth .*not equal.*table public.tokens is missing/),
    );
  });

  it("fails when the restore into the scratch database fails, and drops that", () =>
    withProgram("pg_restore", `"$REAL" "$@"; echo "could not extend file" >&2; exit 1`, () =>
      mustFail(/database auth .*: a disk of the server is full/, { proof: IN_DATABASE }),
    ));

  it("fails when time is up, also while a server does not answer", async () => {
    await withProgram("pg_dump", "sleep 20", () => mustFail(/was not done within 3 s/, { timeoutSeconds: 3 }));
  });

  it("keeps its time limit while somebody holds a lock, says who, and leaves no session behind", async () => {
    const lock = execa("psql", ["-X", "-q", "-U", "postgres", "-d", "auth"], { env: cluster.postgresEnv });
    lock.catch(() => undefined);
    lock.stdin?.write("BEGIN; LOCK TABLE tokens IN ACCESS EXCLUSIVE MODE;\n");
    try {
      for (let i = 0; (await sql("auth", LOCKED)).trim() === "0"; i++) {
        if (i > 100) throw new Error("the lock was never taken");
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      // In the pod, and from here: each leaves other programs behind when it is killed.
      for (const one of [target("auth"), { ...external(), name: "auth", database: [{ value: "auth" }] }]) {
        const begun = Date.now();
        const run = await backUp([one, target("keycloak")], { timeoutSeconds: 5 });
        expect(run.code, run.text).to.equal(1);
        expect(run.text).to.match(
          /was not done within 5 s: it waited for tokens, which pid \d+ \(user postgres, idle in transaction, since .*\) has locked/,
        );
        expect(run.text).to.match(/Fix: .*SELECT pg_terminate_backend\(\d+\);/);
        expect(Date.now() - begun, run.text).to.be.lessThan(30_000);
        expect((await sql("postgres", OUR_SESSIONS)).trim()).to.equal("0");
        expect(await scratchDatabases()).to.equal("");
      }
    } finally {
      lock.stdin?.end("ROLLBACK;\n");
      await lock.catch(() => undefined);
    }
  });

  it("fails when nothing is left that could bring it to its end; node itself would exit with 0", async () => {
    // Every connection is opened and then forgotten, so what the program waits for never comes and nothing keeps it
    // running.
    const forget = join(scratch, "forget.cjs");
    writeFileSync(
      forget,
      `const https = require("node:https"), { EventEmitter } = require("node:events");
      https.request = () => Object.assign(new EventEmitter(), { end() {}, destroy() {} });
      const later = setTimeout;
      global.setTimeout = (...args) => { const timer = later(...args); timer.unref?.(); return timer; };`,
    );
    const run = await backUp([target("auth")], {}, ["--require", forget]);
    expect(run.text).to.equal("");
    expect(run.code).to.equal(1);
  });

  it("backs up a database outside of the cluster, too, and keeps as many as it should", async () => {
    const runs: string[] = [];
    for (let i = 0; i < 3; i++) {
      const run = await backUp([target("auth"), target("keycloak"), external()]);
      expect(run.code, run.text).to.equal(0);
      const made = JSON.parse(run.stdout) as { name: string; rows: number; verified: boolean }[];
      expect(made.map(({ name, rows, verified }) => [name, rows, verified])).to.deep.equal([
        ["auth", 20_000, true],
        ["keycloak", 0, true],
        ["outside", 1, true],
      ]);
      runs.push(...files().filter((file) => !runs.includes(file)));
    }
    expect(runs).to.have.length(18);
    expect(files().sort()).to.deep.equal(runs.slice(6).sort());
    expect(await scratchDatabases()).to.equal("");
  });

  it("a namespace without room for one more pod: a scratch database, or an error, as the config has it", async () => {
    const client = await connect({ context: cluster.context, kubeconfig: cluster.kubeconfig, timeoutSeconds: 30 });
    const before = process.env["PATH"];
    process.env["PATH"] = env().PATH;
    const asked = await askServers(client, [target("auth")]).finally(() => (process.env["PATH"] = before));
    const of = { stack: "test", release: "casa" };
    expect((await decideProof(client, "auto", asked, of)).kindOf(target("auth"))).to.equal("server");
    await kubectl("create", "quota", "none", "-n", RELEASE_NAMESPACE, "--hard=pods=0");
    try {
      const { kindOf, warnings } = await decideProof(client, "auto", asked, of);
      expect(kindOf(target("auth"))).to.equal("database");
      expect(warnings.join()).to.match(/casa-postgres-auth are tried in a scratch database .*exceeded quota/s);
      const refused = await decideProof(client, "server", asked, of).catch((error: Error) => error.message);
      expect(refused).to.match(/cannot be tried on a throw-away server.*exceeded quota.*backup.proof auto/s);
      const { code, text } = await backUp([target("auth")]);
      expect(code, text).to.equal(0);
      expect(text).to.match(/not tried on a throw-away server: .*exceeded quota/);
    } finally {
      await kubectl("delete", "quota", "none", "-n", RELEASE_NAMESPACE);
    }
  });

  it("says how to let a user make the scratch database who may not", async () => {
    await sql("postgres", "CREATE ROLE plain LOGIN PASSWORD 'plain'; ALTER DATABASE outside OWNER TO plain;");
    await sql("outside", "ALTER TABLE realm OWNER TO plain;");
    await kubectl("create", "secret", "generic", "plain", "-n", RELEASE_NAMESPACE, "--from-literal=password=plain");
    const password = [{ kind: "Secret" as const, name: "plain", key: "password" }];
    const before = files();
    const one = { ...external(), user: [{ value: "plain" }], password };
    const run = await backUp([one], { proof: IN_DATABASE });
    expect(run.code, run.text).to.equal(1);
    expect(run.text).to.contain("may not create the scratch database").and.to.contain("CREATEDB");
    expect(files()).to.deep.equal(before);
  });
});

const IN_DATABASE = { choice: "database" as const, kinds: {} };
const LOCKED = "SELECT count(*) FROM pg_locks WHERE relation = 'tokens'::regclass AND mode = 'AccessExclusiveLock';";
const OUR_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'casa-upgrade%';";

interface KwokExecs {
  items: {
    metadata: { name: string };
    spec: { execs: { local: { envs: { name: string; value: string }[] } }[] };
  }[];
}
