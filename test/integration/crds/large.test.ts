import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { stringify } from "yaml";
import { mustSucceed, RELEASE_NAMESPACE, World } from "../world/world";

const PATH = "{.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties}";
const GROWN = "growing.large.example";
const NAMES = ["big.large.example", GROWN, "small.large.example"];

/** CRDs that are too large for resources, beside small ones, in the real engine and API server. */
describe("large CRDs", function () {
  this.timeout(300_000);
  let world: World;

  before(async () => {
    world = await World.open();
    const before = chart("0.1.0");
    await world.helm("install", "casa", before, "--namespace", RELEASE_NAMESPACE, "--create-namespace");
    await world.kubectl(["label", "crd", "big.large.example", "team=platform"]);
    const nothingElse = { restarts: { enabled: false }, migrationGate: { enabled: false } };
    await world.config({ chart: before, version: "0.1.0", ...nothingElse });
    mustSucceed(await world.up());
  });
  after(async () => world?.close());

  it("are adopted as they are, and no schema of theirs is in the state", async () => {
    expect(await resourcesOfState()).to.have.members(["small.large.example", GROWN]);
    expect((await exported()).length).to.be.lessThan(100_000);
    mustSucceed(await world.preview(["--expect-no-changes"]));
  });

  it("a preview says what becomes of them, and changes nothing", async () => {
    await world.config({ chart: chart("0.2.0"), version: "0.2.0" });
    const before = await world.fingerprint();
    const run = await world.cli("plan", "--stack", world.stack);
    expect(run.code, run.text).to.equal(2);
    expect(run.text).to.contain("CRD arrival.large.example: create").and.contain("CRD big.large.example: update");
    expect(await world.fingerprint()).to.deep.equal(before);
  });

  it("an upgrade leaves them as `kubectl replace` does, with labels of others, before the chart needs them", async () => {
    const wanted = await Promise.all(NAMES.map((name) => replacedByKubectl(name)));
    mustSucceed(await world.up());
    expect(await Promise.all(NAMES.map(spec))).to.deep.equal(wanted);
    expect(await world.kubectl(["get", "crd", "big.large.example", "--show-labels"])).to.contain("team=platform");
    expect(await world.kubectl(["get", "arrival", "-n", RELEASE_NAMESPACE, "-o", "name"])).to.contain("/first");
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("one that was a resource before it grew stays one", async () => {
    expect(await resourcesOfState()).to.have.members(["small.large.example", GROWN]);
  });

  it("one that somebody changed or deleted is made right by the next run, each time", async () => {
    const drop = `[{"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/added"}]`;
    const patched = ["patch", "crd", "big.large.example", "--type", "json", "--patch", drop];
    const deleted = ["delete", "crd", "big.large.example"];
    for (const byHand of [patched, deleted, deleted]) {
      await world.kubectl(byHand);
      expect(mustSucceed(await world.up()).text).not.to.contain("--refresh");
      expect(await world.kubectl(["get", "crd", "big.large.example", "-o", `jsonpath=${PATH}`])).to.contain("added");
    }
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("one that the API server refuses stops the run before the chart, and says why", async () => {
    const versions = await world.helmVersions();
    await world.kubectl(["apply", "-f", "-"], stringify(REFUSING));
    await world.kubectl(["apply", "-f", "-"], stringify(REFUSING_BINDING));
    await world.config({ chart: chart("0.3.0"), version: "0.3.0" });
    await until(async () => !(await world.up()).ok);
    const run = await world.up();
    expect(run.text).to.contain("big.large.example").and.to.contain("not on Fridays");
    expect(await world.helmVersions()).to.deep.equal(versions);
    await world.kubectl(["delete", "validatingadmissionpolicybinding", "frozen"]);
    await until(async () => (await world.up()).ok);
    expect((await world.helmVersions()).at(-1)).to.contain("0.3.0");
  });

  it("go back with the version, and outlive `destroy` with their objects", async () => {
    await world.config({ chart: chart("0.2.0"), version: "0.2.0" });
    mustSucceed(await world.up());
    const fields = await world.kubectl(["get", "crd", "big.large.example", "-o", `jsonpath=${PATH}`]);
    expect(fields).to.contain("added").and.not.to.contain("added-later");
    await world.kubectl(["apply", "-f", "-"], stringify(object("big", "kept")));
    await world.engine.pulumi(["destroy", "--yes", "--stack", world.stack]);
    expect(await world.kubectl(["get", "big", "-n", "default", "-o", "name"])).to.contain("/kept");
  });

  async function exported(): Promise<string> {
    return (await world.engine.pulumi(["stack", "export", "--stack", world.stack])).stdout;
  }

  async function resourcesOfState(): Promise<string[]> {
    const urns = (await exported()).matchAll(/"urn": "[^"]*:CustomResourceDefinition::([^"]*)"/g);
    return [...urns].map(([, name = ""]) => name);
  }

  async function spec(name: string): Promise<unknown> {
    return (await world.json<{ spec: unknown }>("crd", name)).spec;
  }

  /** What kubectl's replacement by the chart's file would leave. */
  async function replacedByKubectl(name: string): Promise<unknown> {
    const file = join(world.scratch, "chart-0.2.0/crds", `${name}.yaml`);
    const said = await world.kubectl(["replace", "-f", file, "--dry-run=server", "-o", "json"]);
    return (JSON.parse(said) as { spec: unknown }).spec;
  }

  /** @returns the folder of a version of the chart. */
  function chart(version: "0.1.0" | "0.2.0" | "0.3.0"): string {
    const folder = join(world.scratch, `chart-${version}`);
    for (const part of ["crds", "templates"]) mkdirSync(join(folder, part), { recursive: true });
    writeFileSync(join(folder, "Chart.yaml"), `apiVersion: v2\nname: large\nversion: ${version}\n`);
    const objects: object[] = [
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "large" }, data: { version } },
      ...(version === "0.1.0" ? [] : [{ ...object("arrival", "first"), metadata: { name: "first" } }]),
    ];
    writeFileSync(join(folder, "templates/all.yaml"), objects.map((one) => `---\n${stringify(one)}`).join(""));
    const more = { "0.1.0": [], "0.2.0": ["added"], "0.3.0": ["added", "added-later"] }[version];
    const crds: [string, number][] = [
      ["big", 300],
      ["growing", version === "0.1.0" ? 3 : 300],
      ["small", 3],
      ...(version === "0.1.0" ? [] : ([["arrival", 300]] as [string, number][])),
    ];
    for (const [kind, fields] of crds) {
      writeFileSync(join(folder, `crds/${kind}.large.example.yaml`), stringify(crd(kind, fields, more)));
    }
    return folder;
  }
});

function object(kind: string, name: string): object {
  return {
    ...{ apiVersion: "large.example/v1", kind: kindOf(kind), metadata: { name, namespace: "default" } },
    spec: { field1: { enabled: true } },
  };
}

const kindOf = (name: string) => name.replace(/^./, (first) => first.toUpperCase());

/** With about 400 characters a field. */
function crd(name: string, fields: number, more: readonly string[]): object {
  const field = {
    type: "object",
    description: "What it is for, in the words of its author, who wrote more about it than most people read. ".repeat(
      3,
    ),
    properties: { enabled: { type: "boolean", description: "Whether it counts." } },
  };
  const names = [...Array.from({ length: fields }, (_, i) => `field${i}`), ...more];
  const properties = { spec: { type: "object", properties: Object.fromEntries(names.map((one) => [one, field])) } };

  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${name}.large.example` },
    spec: {
      ...{ group: "large.example", scope: "Namespaced", names: { plural: name, kind: kindOf(name) } },
      versions: [
        { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object", properties } } },
      ],
    },
  };
}

const REFUSING = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicy",
  metadata: { name: "frozen" },
  spec: {
    matchConstraints: {
      resourceRules: [
        {
          apiGroups: ["apiextensions.k8s.io"],
          apiVersions: ["v1"],
          operations: ["UPDATE"],
          resources: ["customresourcedefinitions"],
        },
      ],
    },
    validations: [{ expression: "object.metadata.name != 'big.large.example'", message: "not on Fridays" }],
  },
};

const REFUSING_BINDING = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicyBinding",
  metadata: { name: "frozen" },
  spec: { policyName: "frozen", validationActions: ["Deny"] },
};

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await condition());) {
    if (Date.now() > end) throw new Error("it took more than 60 s");
  }
}
