import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { parseEvents, parsePreview, parseState } from "../../../sandbox/engine/output";
import { choosePlugins } from "../../../sandbox/engine/plugins";
import { leaves, writePlainConfig, writeProject } from "../../../sandbox/engine/project";
import { CHECKOUT } from "../../../sandbox/paths";

describe("the two project files", () => {
  const read = (file: string) =>
    parse(fs.readFileSync(path.join(CHECKOUT, file), "utf8")) as Record<string, Record<string, unknown>>;

  it("agree in name, runtime and configuration", () => {
    const [root, sandbox] = [read("Pulumi.yaml"), read("sandbox/Pulumi.yaml")];
    for (const key of ["name", "runtime", "config"]) expect(sandbox[key], key).to.deep.equal(root[key]);
  });

  it("name the embedded plugins in the sandbox only", () => {
    const own = { name: "pulumi-nodejs", path: "bundle/plugins" };
    expect(read("Pulumi.yaml")["plugins"]).to.deep.equal({ providers: [own] });
    expect(read("sandbox/Pulumi.yaml")["plugins"]).to.have.keys("providers", "languages");
  });
});

describe("Engine", () => {
  let dir: string;

  beforeEach(() => (dir = fs.mkdtempSync(path.join(os.tmpdir(), "casa-upgrade-engine-"))));
  afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

  const readYaml = (file: string): unknown => parse(fs.readFileSync(path.join(dir, file), "utf8"));

  it("runs from a copy of the project with absolute paths", () => {
    expect(writeProject(path.join(CHECKOUT, "sandbox"), dir, "embedded")).to.equal("casa-upgrade");
    const bin = path.join(CHECKOUT, "sandbox/plugins/bin");
    expect(readYaml("Pulumi.yaml")).to.deep.include({
      main: CHECKOUT,
      plugins: {
        providers: [
          { name: "kubernetes", path: bin },
          { name: "command", path: bin },
          { name: "pulumi-nodejs", path: path.join(CHECKOUT, "bundle/plugins") },
        ],
        languages: [{ name: "nodejs", path: bin }],
      },
    });
  });

  it("names no embedded plugin in official mode, and keeps a project's own", () => {
    const review = { name: "pulumi-nodejs", path: path.join(CHECKOUT, "bundle/plugins") };
    writeProject(CHECKOUT, dir, "official");
    expect(readYaml("Pulumi.yaml")).to.have.deep.property("plugins", { providers: [review], languages: [] });
    const own = path.join(CHECKOUT, "test/fixtures/programs/hooks");
    writeProject(own, dir, "official");
    const flaky = { name: "flaky", path: path.join(own, "provider") };
    expect(readYaml("Pulumi.yaml")).to.have.deep.property("plugins", { providers: [flaky], languages: [] });
  });

  it("adds to and removes from a stack's configuration without touching the rest", () => {
    const file = path.join(dir, "Pulumi.dev.yaml");
    fs.writeFileSync(file, "encryptionsalt: salt\nconfig:\n  casa:a: kept\n  casa:b: gone\n");
    writePlainConfig(file, "casa", { b: undefined, c: 3, d: { e: [true] } });
    expect(readYaml("Pulumi.dev.yaml")).to.deep.equal({
      encryptionsalt: "salt",
      config: { "casa:a": "kept", "casa:c": "3", "casa:d": { e: [true] } },
    });
  });

  it("takes a secret object apart into property paths", () => {
    expect(leaves("s", { "a.b": ["x", 1], c: true })).to.deep.equal([
      ['s["a.b"][0]', "x"],
      ['s["a.b"][1]', "1"],
      ['s["c"]', "true"],
    ]);
    expect(leaves("s", "text")).to.deep.equal([["s", "text"]]);
  });

  describe("choosing plugins", () => {
    const install = (...files: string[]) =>
      files.forEach((file) => {
        fs.mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
        fs.writeFileSync(path.join(dir, file), "");
      });
    const choose = (env: NodeJS.ProcessEnv) =>
      choosePlugins(
        { PATH: path.join(dir, "path"), PULUMI_HOME: path.join(dir, "home"), ...env },
        path.join(dir, "bin/pulumi"),
      );

    it("follows the switch, and refuses another value of it", () => {
      expect(choose({ CASA_UPGRADE_PLUGINS: "official" }).mode).to.equal("official");
      expect(choose({ CASA_UPGRADE_PLUGINS: "embedded" }).mode).to.equal("embedded");
      expect(() => choose({ CASA_UPGRADE_PLUGINS: "offical" })).to.throw("embedded, official or auto");
    });

    it("takes the official ones only when all are installed, and names the missing ones", () => {
      install("bin/pulumi-language-nodejs", "path/pulumi-resource-command");
      expect(choose({})).to.deep.equal({
        mode: "embedded",
        reason: "not installed here: pulumi-resource-kubernetes 4.34.2",
      });
      install("home/plugins/resource-kubernetes-v4.34.2/pulumi-resource-kubernetes");
      expect(choose({}).mode).to.equal("official");
    });
  });

  it("reads a preview", () => {
    const urn = "urn:pulumi:dev::casa::a:b:C$kubernetes:apps/v1:Deployment::ui::main";
    const text = JSON.stringify({
      steps: [
        { op: "same", urn: "urn:pulumi:dev::casa::pulumi:pulumi:Stack::casa-dev", detailedDiff: null },
        {
          op: "update",
          urn,
          diffReasons: ["spec"],
          detailedDiff: { "spec.replicas": { kind: "update", inputDiff: true } },
        },
      ],
      changeSummary: { same: 1, update: 1 },
    });
    const { changes, counts, diagnostics } = parsePreview(text);
    expect(changes).to.deep.equal([
      {
        op: "update",
        urn,
        type: "kubernetes:apps/v1:Deployment",
        name: "ui::main",
        diffReasons: ["spec"],
        replaceReasons: [],
        detailedDiff: { "spec.replicas": "update" },
      },
    ]);
    expect(counts).to.deep.equal({ same: 1, update: 1 });
    expect(diagnostics).to.deep.equal([]);
    expect(() => parsePreview('{"steps": 1}')).to.throw();
  });

  it("reads an event log that was cut short", () => {
    const event = (sequence: number) =>
      JSON.stringify({ sequence, timestamp: 1, summaryEvent: { resourceChanges: null } });
    const events = parseEvents(`${event(0)}\n${event(1)}\n${event(2).slice(0, 9)}`);
    expect(events.map(({ sequence }) => sequence)).to.deep.equal([0, 1]);
  });

  it("reads the state, empty or with an operation that was cut off", () => {
    expect(parseState('{"version": 3, "deployment": {"resources": null}}')).to.deep.equal({
      resources: [],
      pendingOperations: [],
    });
    const resource = { urn: "u", type: "t" };
    const text = JSON.stringify({
      version: 3,
      deployment: { resources: [resource], pending_operations: [{ type: "creating", resource }] },
    });
    expect(parseState(text)).to.deep.equal({
      resources: [resource],
      pendingOperations: [{ type: "creating", resource }],
    });
  });
});
