import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import execa from "execa";
import { stringify } from "yaml";

import { startCluster, type Cluster } from "../../../sandbox/cluster/cluster";
import { clusterProcesses, isAlive } from "../../../sandbox/cluster/processes";
import { clusterNames, readState } from "../../../sandbox/cluster/state";
import { CHECKOUT } from "../../../sandbox/paths";
import { ensureTools, type Tools } from "../../../sandbox/tools";

interface Template {
  annotations?: Record<string, string>;
  image?: string;
  env?: object[];
}

function deployment(name: string, { annotations, image = "nginx:1", env }: Template): object {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels, annotations }, spec: { containers: [{ name: "main", image, env }] } },
    },
  };
}

const annotated = (key: string, value: string) => ({ annotations: { [`sandbox.casa-upgrade.dev/${key}`]: value } });

/** Looks again until `probe` gives something. */
async function eventually<T>(what: string, probe: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(50)) {
    const value = await probe();
    if (value !== undefined) return value;
  }
  throw new Error(`waited 20 s in vain: ${what}`);
}

describe("embedded cluster", function () {
  this.timeout(120_000);
  let tools: Tools;
  let cluster: Cluster;

  const run = (args: string[], input?: string) =>
    execa(tools.path("kubectl"), ["--kubeconfig", cluster.kubeconfig, ...args], { input, reject: false });
  const kubectl = async (args: string[], input?: string) => {
    const { exitCode, stdout, stderr } = await run(args, input);
    if (exitCode !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const create = (...objects: object[]) =>
    kubectl(["create", "-f", "-"], objects.map((object) => stringify(object)).join("---\n"));
  const pod = async (app: string) =>
    (JSON.parse(await kubectl(["get", "pods", "-l", `app=${app}`, "-o", "json"])) as { items: Pod[] }).items[0];
  interface Pod {
    status: {
      phase: string;
      startTime?: string;
      conditions: { type: string; status: string; lastTransitionTime: string }[];
      containerStatuses?: { restartCount: number; state: object; lastState: object }[];
    };
  }
  const condition = (found: Pod | undefined, type: string) =>
    found?.status.conditions.find((candidate) => candidate.type === type);

  before(async () => {
    tools = await ensureTools();
    cluster = await startCluster(tools, { postgres: true });
  });
  after(() => cluster.stop());

  it("leaves the user's kubeconfig alone", async () => {
    const contexts = await kubectl(["config", "get-contexts", "-o", "name"]);
    expect(contexts.split("\n")).to.deep.equal([cluster.context]);
    const home = path.join(process.env.HOME ?? "", ".kube", "config");
    expect(fs.existsSync(home) ? fs.readFileSync(home, "utf8") : "").not.to.contain(cluster.context);
  });

  it("makes a pod ready as much later as its annotation says", async () => {
    await create(deployment("slow", annotated("ready-after", "3s")), deployment("fast", {}));
    await kubectl(["rollout", "status", "deployment/fast", "--timeout=2s"]);
    expect(condition(await pod("slow"), "Ready")?.status).not.to.equal("True");
    await kubectl(["rollout", "status", "deployment/slow", "--timeout=10s"]);
    const slow = await pod("slow");
    const wait =
      Date.parse(condition(slow, "Ready")?.lastTransitionTime ?? "") - Date.parse(slow?.status.startTime ?? "");
    expect(wait).to.be.within(3_000, 5_000);
  });

  it("keeps a pod that never becomes ready running", async () => {
    await create(deployment("never", annotated("behavior", "never-ready")));
    const running = await eventually("pod runs", async () => {
      const found = await pod("never");
      return found?.status.phase === "Running" ? found : undefined;
    });
    expect(condition(running, "Ready")?.status).to.equal("False");
  });

  it("shows a crash-looping pod with its exit code and output", async () => {
    await create(deployment("crash", annotated("behavior", "crash-loop")));
    const status = await eventually("crash", async () => (await pod("crash"))?.status.containerStatuses?.[0]);
    expect(status.state).to.have.nested.property("waiting.reason", "CrashLoopBackOff");
    expect(status.lastState).to.have.nested.property("terminated.exitCode", 1);
    expect(status.restartCount).to.be.greaterThan(0);
    const output = await eventually("output", async () => {
      const text = await kubectl(["logs", "deployment/crash"]);
      return text.includes("Traceback") ? text : undefined;
    });
    expect(output).to.match(/^ERROR: database migration failed/m);
  });

  it("binds a volume claim without a storage class", async () => {
    const spec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
    await create({ apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: "data" }, spec });
    await kubectl(["wait", "--for=jsonpath={.status.phase}=Bound", "pvc/data", "--timeout=10s"]);
  });

  it("runs commands in a pod, with input to its end and their exit code", async () => {
    const exec = ["exec", "-i", "deployment/fast", "--"];
    expect(await kubectl([...exec, "cat"], "one\ntwo")).to.equal("one\ntwo");
    const failed = await run([...exec, "sh", "-c", "exit 7"], "");
    expect([failed.exitCode, failed.stderr]).to.deep.equal([7, "command terminated with exit code 7"]);
  });

  it("gives a PostgreSQL pod its own role and database", async () => {
    const secret = { name: "db", key: "user" };
    const env = [
      { name: "POSTGRES_USER", valueFrom: { secretKeyRef: secret } },
      { name: "POSTGRES_DB", value: "ledger" },
    ];
    await create(
      { apiVersion: "v1", kind: "Secret", metadata: { name: secret.name }, stringData: { [secret.key]: "casa" } },
      deployment("db", { image: "postgres:16", env }),
    );
    const shell = (script: string, input?: string) =>
      kubectl(["exec", "-i", "deployment/db", "--", "sh", "-c", script], input);
    await eventually("environment", async () => ((await shell("echo $POSTGRES_USER")) === "casa" ? true : undefined));
    await shell('psql -q -U "$POSTGRES_USER" "$POSTGRES_DB"', "CREATE TABLE t AS SELECT 42 AS answer;");
    expect(await shell('pg_dump -U "$POSTGRES_USER" "$POSTGRES_DB"')).to.match(/COPY public\.t .*\n42\n/);
  });

  it("survives its API server being taken away", async () => {
    await cluster.stopApiServer();
    const away = await run(["get", "nodes", "--request-timeout=2s"]);
    expect([away.exitCode, away.stderr]).to.satisfy(
      ([code, text]: [number, string]) => code === 1 && /refused/.test(text),
    );
    await cluster.startApiServer();
    await kubectl(["scale", "deployment/fast", "--replicas=3"]);
    await kubectl(["rollout", "status", "deployment/fast", "--timeout=20s"]);
  });

  it("leaves nothing behind when its owner is killed", async () => {
    const script = `
      const { ensureTools } = require("./sandbox/tools");
      const { startCluster } = require("./sandbox/cluster/cluster");
      const { Progress } = require("./sandbox/progress");
      ensureTools(Progress.silent()).then((tools) => startCluster(tools, { postgres: true }));
      setInterval(() => undefined, 1000);`;
    const owner = spawn(process.execPath, ["--import", "tsx", "-e", script], { cwd: CHECKOUT, stdio: "ignore" });
    const dirs = () => clusterNames().map((name) => path.join(path.dirname(cluster.dir), name));
    const dir = await eventually("second cluster", () =>
      dirs().find((candidate) => {
        const state = readState(candidate);
        return state?.ownerPid === owner.pid && state?.ready;
      }),
    );
    const state = readState(dir);
    const processes = [...clusterProcesses(dir), state?.keeperPid ?? 0];
    // etcd, API server, controllers, scheduler, kwok, pod server and PostgreSQL, besides the keeper.
    expect(processes.length).to.be.at.least(8);
    owner.kill("SIGKILL");
    await eventually("all processes end", () => (processes.some(isAlive) ? undefined : true));
    expect(clusterProcesses(dir)).to.deep.equal([]);
    expect([dir, state?.postgresDir ?? ""].filter((left) => fs.existsSync(left))).to.deep.equal([]);
  });
});
