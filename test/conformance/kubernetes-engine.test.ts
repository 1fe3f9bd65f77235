import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { Engine, secret } from "../../sandbox/engine";
import { at, type Values } from "./client";
import { deployment } from "./kubernetes-workloads";
import { kubectl, live, newNamespace, world } from "./kubernetes-world";

const program = path.resolve(__dirname, "../fixtures/programs/objects");

describe("the engine with kubernetes objects", function () {
  this.timeout(120_000);
  let folder: string;
  let namespace: string;
  let engine: Engine;

  before(async function () {
    this.timeout(0);
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "casa-upgrade-objects-"));
    await world();
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  beforeEach(async () => {
    const { tools, cluster } = await world();
    namespace = await newNamespace();
    engine = new Engine({ tools, dir: fs.mkdtempSync(path.join(folder, "engine-")), projectDir: program });
    await engine.stackInit("dev");
    await engine.setConfig("dev", { kubeconfig: cluster.kubeconfig, context: cluster.context });
  });

  const declare = (...objects: Values[]) => engine.setConfig("dev", { objects });
  const configMap = (data: Values, more: Values = {}): Values => ({
    type: "kubernetes:core/v1:ConfigMap",
    name: "settings",
    props: { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name: "settings" }, data },
    ...more,
  });
  const web = (options: Parameters<typeof deployment>[2], timeout: number): Values => {
    const props = deployment(namespace, "web", options);
    return { type: "kubernetes:apps/v1:Deployment", name: "web", props, timeout };
  };
  const data = async () => at(await live("configmap", namespace, "settings"), "data");

  async function up(): Promise<string> {
    const { all, exitCode } = await engine.up("dev");
    expect(exitCode, all).to.equal(0);
    return all;
  }
  async function failedUp(): Promise<string> {
    const { all, exitCode } = await engine.up("dev");
    expect(exitCode, all).not.to.equal(0);
    return all;
  }
  async function unchanged(): Promise<void> {
    const { all, exitCode } = await engine.preview("dev", ["--expect-no-changes"]);
    expect(exitCode, all).to.equal(0);
  }

  it("creates, updates and destroys; a preview changes nothing, and a second run neither", async () => {
    await declare(configMap({ a: "1" }), web({ replicas: 2 }, 30));
    await engine.preview("dev", [], { reject: true });
    expect(await data()).to.equal(undefined);
    await up();
    expect(await data()).to.deep.equal({ a: "1" });
    await unchanged();
    await declare(configMap({ a: "2" }), web({ replicas: 1 }, 30));
    const { changes } = await engine.previewSummary("dev");
    const detailed = Object.assign({}, ...changes.map((change) => change.detailedDiff)) as Values;
    expect(detailed).to.deep.equal({ "data.a": "update", "spec.replicas": "update" });
    await up();
    await unchanged();
    const { all, exitCode } = await engine.destroy("dev");
    expect(exitCode, all).to.equal(0);
    expect(await data()).to.equal(undefined);
  });

  it("previews as if it could create what exists, fails with `already exists`, and adopts it by import", async () => {
    await kubectl(["create", "configmap", "settings", "-n", namespace, "--from-literal=a=theirs"]);
    await declare(configMap({ a: "ours" }));
    await engine.preview("dev", [], { reject: true });
    expect(await failedUp()).to.contain("already exists");
    expect(await data()).to.deep.equal({ a: "theirs" });
    await declare(configMap({ a: "ours" }, { import: `${namespace}/settings` }));
    await up();
    expect(await data()).to.deep.equal({ a: "ours" });
    await unchanged();
  });

  it("adopts a CRD again that a roll-back dropped from state and left on the cluster", async () => {
    const group = `${namespace}.example`;
    const name = `widgets.${group}`;
    const crd = (description: string, more: Values = {}): Values => ({
      type: "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
      name: "crd",
      props: {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name },
        spec: {
          group,
          scope: "Namespaced",
          names: { plural: "widgets", kind: "Widget" },
          versions: [
            { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object", description } } },
          ],
        },
      },
      retainOnDelete: true,
      ...more,
    });
    await declare(crd("first"));
    await up();
    await declare();
    await up();
    expect(await live("crd", "default", name)).to.be.an("object");
    await declare(crd("second", { import: name }));
    await up();
    const version = at(await live("crd", "default", name), "spec", "versions", 0);
    expect(at(version, "schema", "openAPIV3Schema", "description")).to.equal("second");
    await unchanged();
  });

  it("keeps what did not become ready, says why, and repairs it in the next run", async () => {
    await declare(web({ behavior: "crash-loop" }, 4));
    expect(await failedUp())
      .to.contain("CrashLoopBackOff")
      .and.contain(`${namespace}/web`);
    // No input changed, and yet it is tried again.
    expect(await failedUp()).to.contain("CrashLoopBackOff");
    await declare(web({}, 30));
    await up();
    await unchanged();
  });

  it("tries an update again that met a conflict", async () => {
    await declare(configMap({ a: "1" }));
    await up();
    const theirs = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace, name: "settings" },
      data: { a: "theirs" },
    };
    await kubectl(["apply", "--server-side", "--force-conflicts", "--field-manager=rival", "-f", "-"], theirs);
    await declare(configMap({ a: "2" }));
    expect(await failedUp())
      .to.contain("conflict")
      .and.contain("rival");
    expect(await data()).to.deep.equal({ a: "theirs" });
    // The rival lets go: the same inputs now go through.
    await kubectl(["apply", "--server-side", "--field-manager=rival", "-f", "-"], { ...theirs, data: undefined });
    await up();
    expect(await data()).to.deep.equal({ a: "2" });
  });

  it("sees on refresh what changed behind its back, and takes it back", async () => {
    await declare(configMap({ a: "1" }));
    await up();
    await kubectl(["patch", "configmap", "settings", "-n", namespace, "-p", '{"data":{"a":"drifted"}}']);
    await unchanged();
    expect((await engine.refresh("dev")).exitCode).to.equal(0);
    const { changes } = await engine.previewSummary("dev");
    expect(changes.map(({ op }) => op)).to.deep.equal(["update"]);
    await up();
    expect(await data()).to.deep.equal({ a: "1" });
    await kubectl(["delete", "configmap", "settings", "-n", namespace]);
    expect((await engine.refresh("dev")).exitCode).to.equal(0);
    await up();
    expect(await data()).to.deep.equal({ a: "1" });
  });

  it("stores and shows secret values nowhere", async () => {
    const metadata = { namespace, name: "login" };
    const login = { apiVersion: "v1", kind: "Secret", metadata, stringData: { key: "in-a-secret" } };
    await declare(configMap({}), { type: "kubernetes:core/v1:Secret", name: "login", props: login });
    await engine.setConfig("dev", { password: secret("hunter2") });
    const shown = (await engine.preview("dev", ["--diff"], { reject: true })).all + (await up());
    await unchanged();
    const { stdout: state } = await engine.pulumi(["stack", "export", "--stack", "dev"]);
    for (const text of ["hunter2", "in-a-secret"]) {
      expect(shown + state)
        .not.to.contain(text)
        .and.not.to.contain(Buffer.from(text).toString("base64"));
    }
    expect(await data()).to.deep.equal({ password: "hunter2" });
  });

  it("looks clean in a preview of a cluster that does not answer, and fails on update", async () => {
    await declare(configMap({ a: "1" }));
    await engine.setConfig("dev", { context: "no-such-context" });
    await engine.preview("dev", [], { reject: true });
    expect(await failedUp()).to.contain("configured Kubernetes cluster is unreachable");
  });

  it("leaves no plugin behind when it is killed while one waits, and goes on after `pulumi cancel`", async () => {
    await declare(configMap({ a: "1" }), web({ behavior: "never-ready" }, 100));
    const run = engine.spawnUp("dev");
    while ((await live("deployment", namespace, "web")) === undefined) await sleep(100);
    const started = pluginsOf(run.pid);
    expect(started).not.to.deep.equal([]);
    run.kill("SIGKILL");
    await run;
    for (let i = 0; i < 50 && started.some(isPlugin); i++) await sleep(100);
    expect(started.filter(isPlugin)).to.deep.equal([]);

    await engine.cancel("dev");
    await declare(configMap({ a: "2" }));
    await up();
    expect(await data()).to.deep.equal({ a: "2" });
  });
});

/** The kubernetes plugins that a process has started. */
function pluginsOf(parent: number | undefined): number[] {
  const all = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return all.map(Number).filter((pid) => isPlugin(pid) && read(pid, "status").includes(`PPid:\t${parent}\n`));
}

function isPlugin(pid: number): boolean {
  return read(pid, "cmdline").includes("pulumi-resource-kubernetes");
}

/** A file of a process; empty when it is gone. */
function read(pid: number, file: string): string {
  try {
    return fs.readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
