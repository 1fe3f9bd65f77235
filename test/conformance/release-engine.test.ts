import * as fs from "node:fs";
import * as path from "node:path";
import { expect } from "chai";
import { Engine, secret } from "../../sandbox/engine";
import { newNamespace, world } from "./kubernetes-world";
import { helm, history, scratchFolder, writeChart } from "./release-world";

const program = path.resolve(__dirname, "../fixtures/programs/releases");

describe("the engine with releases and commands", function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  let namespace: string;
  let engine: Engine;
  let v1: string;
  let v2: string;

  before(async function () {
    this.timeout(0);
    v1 = writeChart(path.join(folder, "v1"));
    v2 = writeChart(path.join(folder, "v2"), { version: "2.0.0" });
    await world();
  });

  beforeEach(async () => {
    const { tools, cluster } = await world();
    namespace = await newNamespace();
    engine = new Engine({ tools, dir: fs.mkdtempSync(path.join(folder, "engine-")), projectDir: program });
    await engine.stackInit("dev");
    await engine.setConfig("dev", { kubeconfig: cluster.kubeconfig, context: cluster.context, namespace, chart: v1 });
  });

  async function up(): Promise<string> {
    const { all, exitCode } = await engine.up("dev");
    if (exitCode !== 0) throw new Error(all);
    return all;
  }

  it("adopts a release installed by hand and upgrades it in the same run; the next run changes nothing", async () => {
    await helm(namespace, ["install", "app", v1, "--set", "settings.greeting=by hand"]);
    await engine.setConfig("dev", {
      chart: v2,
      values: { settings: { greeting: "by hand" } },
      import: `${namespace}/app`,
    });
    await engine.preview("dev", [], { reject: true });
    expect(await history(namespace, "app")).to.deep.equal(["1 deployed tiny-1.0.0"]);
    await up();
    expect(await history(namespace, "app")).to.deep.equal(["1 superseded tiny-1.0.0", "2 deployed tiny-2.0.0"]);
    expect((await engine.outputs("dev"))["status"]).to.include({ revision: 2, status: "deployed", version: "2.0.0" });

    const { all, exitCode } = await engine.preview("dev", ["--expect-no-changes"]);
    expect(exitCode, all).to.equal(0);
  });

  it("keeps a release that failed, and upgrades it again in the next run though no input changed", async () => {
    await up();
    await engine.setConfig("dev", { values: { workload: true, behavior: "never-ready" }, timeout: 2 });
    for (const revisions of [2, 3]) {
      const { all, exitCode } = await engine.up("dev");
      expect(exitCode).not.to.equal(0);
      expect(all).to.contain("failed to initialize completely").and.contain("context deadline exceeded");
      expect(await history(namespace, "app")).to.have.length(revisions);
    }
    await engine.setConfig("dev", { values: { workload: true }, timeout: 60 });
    await up();
    expect((await history(namespace, "app")).at(-1)).to.equal("4 deployed tiny-1.0.0");
  });

  it("shows secret values nowhere", async () => {
    await engine.setConfig("dev", { password: secret("hunter2") });
    const shown = (await engine.preview("dev", ["--diff"], { reject: true })).all + (await up());
    expect(shown).not.to.contain("hunter2");
    const exported = await engine.pulumi(["stack", "export", "--stack", "dev"]);
    expect(exported.stdout).not.to.contain("hunter2");
  });

  it("runs a command after the release, again when its trigger changes; a function runs every time", async () => {
    const notes = path.join(folder, "notes");
    fs.mkdirSync(notes, { recursive: true });
    await engine.setConfig("dev", { folder: notes });
    await up();
    expect(await engine.outputs("dev")).to.include({ note: "revision 1", always: "always" });
    expect((await engine.outputs("dev"))["asset"]).to.deep.equal(["note.txt"]);
    expect((await engine.preview("dev", ["--expect-no-changes"])).exitCode).to.equal(0);

    await engine.setConfig("dev", { chart: v2 });
    await up();
    expect(await engine.outputs("dev")).to.include({ note: "revision 2" });
    const { all, exitCode } = await engine.destroy("dev");
    expect(exitCode, all).to.equal(0);
    expect(await helm(namespace, ["list", "--all", "--short"])).to.equal("");
  });
});
