import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import execa from "execa";
import { LocalStore } from "../../../../components/database-backup/cluster/local-store";
import { replaceDatabase } from "../../../../components/database-backup/cluster/replace";
import { backUp } from "../../../../components/database-backup/cluster/run";
import { DatabaseSession } from "../../../../components/database-backup/cluster/session";
import type { BackupJob } from "../../../../components/database-backup/job";
import type { DatabaseTarget } from "../../../../components/database-backup/references";
import { type ClusterWriter, connectForWriting } from "../../../../kubernetes/connect";
import { type Cluster, startCluster } from "../../../../sandbox/cluster/cluster";
import { Progress } from "../../../../sandbox/progress";
import { proofDir, runSql } from "../../../../sandbox/postgres";
import { ensureTools, type Tools } from "../../../../sandbox/tools";
import { S3_KEYS, S3Server } from "../../world/s3";
import { type Process, processes } from "../../world/processes";
import { BACKED_UP_RELEASE } from "../../../fixtures/backed-up-release";
import { chartPath, RELEASE_NAMESPACE, ROOT } from "../../world/world";

/** More make a run longer, and find more: 100 have been run. */
const ROUNDS = Number(process.env["CASA_UPGRADE_FAULT_ROUNDS"] ?? 6);
const SEED = Number(process.env["CASA_UPGRADE_FAULT_SEED"] ?? 1);
const ROWS = 20_000;

const EVERYWHERE = ["psql", "pg_restore", "the connection"];
const ON_SERVER = [...EVERYWHERE, "pg_dump", "the throw-away server"];
/** What each work uses. */
const VICTIMS = {
  "a backup": [...ON_SERVER, "kubectl", "the throw-away server's pod"],
  "a backup from here": ON_SERVER,
  "a backup tried in a scratch database": [...EVERYWHERE, "pg_dump", "kubectl"],
  "a restore": [...EVERYWHERE, "kubectl"],
  "a restore from here": EVERYWHERE,
};

/** One thing that goes wrong, at any moment of a backup, its proof, or a restore. */
describe(`a fault at a random moment (${ROUNDS} rounds)`, function () {
  this.timeout(90_000);
  const scratch = mkdtempSync(join(tmpdir(), "casa-faults-"));
  const small = join(scratch, "small");
  const { PATH: path, TMPDIR: temporary } = process.env;
  const random = numbers(SEED);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  let tools: Tools;
  let cluster: Cluster;
  let client: ClusterWriter;
  let bucket: S3Server;
  let mayMount = false;

  before(async () => {
    if (!existsSync("/proc/self/environ")) return;
    tools = await ensureTools(Progress.silent());
    cluster = await startCluster(tools, { postgres: true, progress: Progress.silent() });
    const env = { KUBECONFIG: cluster.kubeconfig, PATH: `${tools.binDir}${delimiter}${path}` };
    process.env["PATH"] = env.PATH;
    const release = ["install", "casa", chartPath("casa-runtime-0.1.0"), "-n", RELEASE_NAMESPACE, "--create-namespace"];
    await execa(tools.path("helm"), [...release, "--wait"], { env, cwd: ROOT });
    client = await connectForWriting({ context: cluster.context, kubeconfig: cluster.kubeconfig, timeoutSeconds: 30 });
    await sql(
      "auth",
      `CREATE TABLE tokens AS SELECT i AS id, md5(i::text) AS note FROM generate_series(1, ${ROWS}) i;`,
    );
    // What other tests run in the usual place is not ours to kill.
    chmodSync(scratch, 0o711);
    process.env["TMPDIR"] = join(scratch, "tmp");
    mkdirSync(tmpdir());
    bucket = await S3Server.start("b");
    mkdirSync(small);
    mayMount = !(await execa("mount", ["-t", "tmpfs", "-o", "size=100k", "tmpfs", small], { reject: false })).failed;
    await until("the pod takes commands", async () => (await backup("folder")) === "");
  });
  after(async () => {
    process.env["PATH"] = path;
    if (temporary === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = temporary;
    if (mayMount) await execa("umount", ["--lazy", small]);
    await bucket?.stop();
    await cluster?.stop();
    rmSync(scratch, { recursive: true });
  });

  const sql = async (database: string, text: string) =>
    (await runSql(cluster.postgresEnv ?? {}, text, database)).trim();
  const secret = (key: string) => [{ kind: "Secret" as const, name: "casa-postgres-auth", key }];
  const inPod: DatabaseTarget["at"] = {
    ...{ kind: "Deployment", namespace: RELEASE_NAMESPACE, workload: "casa-postgres-auth", container: "postgres" },
  };
  const fromHere = (): DatabaseTarget["at"] => {
    const port = Number(cluster.postgresEnv?.["PGPORT"]);
    return { host: "127.0.0.1", port, sslMode: "prefer", namespace: RELEASE_NAMESPACE };
  };
  const target = (at: DatabaseTarget["at"]): DatabaseTarget => {
    return { name: "auth", database: [{ value: "auth" }], user: secret("username"), password: secret("password"), at };
  };
  const owner = { stack: "test", cluster: "c", release: BACKED_UP_RELEASE };

  /** @returns the error's text; empty when there is none. */
  async function backup(
    to: "folder" | "small" | "bucket",
    at = inPod,
    choice: "auto" | "database" = "auto",
  ): Promise<string> {
    const s3 = { kind: "s3" as const, bucket: "b", prefix: "p", endpoint: bucket.endpoint, region: "us-east-1" };
    const job: BackupJob = {
      ...owner,
      destination: to === "bucket" ? s3 : { kind: "folder", path: to === "small" ? small : join(scratch, "backups") },
      keep: 2,
      timeoutSeconds: 60,
      databases: [target(at)],
      proof: { choice, kinds: {} },
      occasion: "test",
    };
    return textOf(backUp(client, job, (line) => void said.push(line)));
  }

  async function restore(at = inPod): Promise<string> {
    const store = new LocalStore(join(scratch, "backups"), "test");
    const [manifest] = await store.list();
    if (!manifest) throw new Error("there is no backup");
    const run = async () => {
      const session = await DatabaseSession.open(client, target(at));
      await replaceDatabase(session, manifest, await store.read(manifest.file), owner, 60);
    };
    return textOf(run());
  }
  const said: string[] = [];

  /** Programs that work for us, on this cluster's server or on a throw-away one. */
  function ours(names: readonly string[]): Process[] {
    const { PGHOST = "", PGPORT = "" } = cluster.postgresEnv ?? {};
    return processes().filter(
      ({ name, folder, environment, arguments: words }) =>
        names.includes(name) &&
        (name === "kubectl"
          ? words.includes(cluster.context)
          : folder.startsWith(proofDir(PGHOST)) ||
            folder.startsWith(tmpdir()) ||
            (name !== "postgres" && environment.includes(`PGPORT=${PGPORT} `))),
    );
  }
  const kill =
    (...names: string[]) =>
    () => {
      const [victim] = ours(names);
      try {
        if (victim) process.kill(victim.pid, "SIGKILL");
      } catch {
        return Promise.resolve(false); // It has just ended.
      }
      return Promise.resolve(victim !== undefined);
    };
  const faults: Record<string, () => Promise<boolean>> = {
    psql: kill("psql"),
    pg_dump: kill("pg_dump"),
    pg_restore: kill("pg_restore"),
    "the throw-away server": kill("postgres", "initdb"),
    kubectl: kill("kubectl"),
    "the throw-away server's pod": async () => {
      const where = ["--kubeconfig", cluster.kubeconfig, "-n", RELEASE_NAMESPACE];
      const by = [
        "-l",
        "app.kubernetes.io/name=casa-upgrade-backup-proof",
        "--force",
        "--grace-period=0",
        "-o",
        "name",
      ];
      return (
        await execa(tools.path("kubectl"), [...where, "delete", "pod", ...by], { reject: false })
      ).stdout.includes("pod/");
    },
    "the connection": async () =>
      (await sql(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'casa-upgrade%' LIMIT 1;",
      )) !== "",
  };
  const work = {
    "a backup": () => backup("folder"),
    "a backup from here": () => backup("folder", fromHere()),
    "a backup tried in a scratch database": () => backup("folder", inPod, "database"),
    "a restore": () => restore(),
    "a restore from here": () => restore(fromHere()),
  };

  /** What must not be there afterwards. What was killed may take a moment to go. */
  async function leftovers(): Promise<string[]> {
    const { PGHOST = "" } = cluster.postgresEnv ?? {};
    const where = ["--kubeconfig", cluster.kubeconfig, "get", "pods", "-A", "-o", "name"];
    const { stdout: pods } = await execa(tools.path("kubectl"), [
      ...where,
      "-l",
      "app.kubernetes.io/managed-by=casa-upgrade",
    ]);
    const folder = join(scratch, "backups", "test");
    return [
      ...(await sql("postgres", LEFT)).split("\n"),
      ...pods.split("\n"),
      ...readdirSync(proofDir(PGHOST)),
      ...readdirSync(tmpdir()).filter((name) => name.startsWith("casa-upgrade-proof-")),
      ...(existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".partial")) : []),
      ...ours(["psql", "pg_dump", "pg_restore", "postgres", "initdb"]).map(({ name }) => name),
    ].filter(Boolean);
  }

  async function inOrder(text: string, what: string): Promise<void> {
    if (text !== "")
      expect(text, what)
        .to.match(/\n {2}Fix: \S/)
        .and.not.to.match(/\n {4}at |undefined|\[object/);
    let left: string[] = [];
    await until(
      () => `${what}: nothing is left (${left.join(", ")})`,
      async () => (left = await leftovers()).length === 0,
    );
    expect(await sql("auth", "SELECT count(*) || ' ' || count(DISTINCT md5(t::text)) FROM tokens t;"), what).to.equal(
      `${ROWS} ${ROWS}`,
    );
    for (const copy of (await sql("postgres", COPIES)).split("\n").filter(Boolean))
      await sql("postgres", `DROP DATABASE "${copy}";`);
  }

  for (let round = 1; round <= ROUNDS; round++) {
    const doing = pick(Object.keys(work)) as keyof typeof work;
    const victim = pick(VICTIMS[doing]);
    const after = Math.floor(random() * 1500);
    it(`${round}: ${victim}, ${after} ms after ${doing} began`, async function () {
      if (!cluster) this.skip();
      let over = false;
      const run = work[doing]().finally(() => (over = true));
      await sleep(after);
      let hit = false;
      // It may not be there yet.
      while (!over && !hit) {
        hit = (await faults[victim]?.()) ?? false;
        if (!hit) await sleep(10);
      }
      const text = await run;
      if (process.env["CASA_UPGRADE_FAULT_ROUNDS"])
        console.log(`      ${hit ? "hit" : "missed"}: ${text.split("\n")[0] || "done"}`);
      await inOrder(text, `${victim}, ${doing}`);
    });
  }

  it("a full disk, and a bucket that goes", async function () {
    if (!cluster) this.skip();
    if (mayMount) await inOrder(await backup("small"), "the disk");
    Object.assign(process.env, S3_KEYS);
    const run = backup("bucket");
    await sleep(Math.floor(random() * 1500));
    await bucket.stop();
    await inOrder(await run, "the bucket");
  });
});

const LEFT = `SELECT datname FROM pg_database WHERE datname LIKE 'casa_upgrade_scratch%' UNION ALL
SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'casa-upgrade%';`;
const COPIES = "SELECT datname FROM pg_database WHERE datname LIKE '%_before_restore_%';";

async function textOf(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => "",
    (error: Error) => error.message || "an error without a text",
  );
}

/** The same numbers for the same seed: a round that fails can be run again. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

async function until(what: string | (() => string), holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(typeof what === "string" ? what : what());
    await sleep(100);
  }
}
