import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { stringify } from "yaml";
import { parseManifest } from "../../../../kubernetes/objects";
import { Watcher } from "../../world/watcher";
import { mustSucceed, RELEASE_NAMESPACE, World } from "../../world/world";

const CRD = "multiagentsystems.casa.io";
const COUNT = 200;

/** As a user writes it: from 0.2.1 to 0.3.0 within v1alpha1, on to v1 in 0.4.0, and the ways back. */
const RULES = `migrations:
  - crd: ${CRD}
    from: v1alpha1
    to: v1alpha1
    rules:
      - rename: {path: spec.realm, to: keycloakRealm}
      - remove: {path: "spec.apps[].llmModel", reason: the gateway chooses the model}
      - rename: {path: spec.keycloakRealm, to: realm} # the way back
  - crd: ${CRD}
    from: v1alpha1
    to: v1
    rules:
      - move: {from: spec.keycloakRealm, to: spec.identity.realm}
      - remove: {path: spec.contact, reason: it is an annotation now}
  - crd: ${CRD}
    from: v1
    to: v1alpha1
    rules:
      - move: {from: spec.identity.realm, to: spec.keycloakRealm} # to 0.3.0
      - move: {from: spec.identity.realm, to: spec.realm} # to 0.2.1
`;

interface System {
  metadata: { name: string; uid: string; resourceVersion: string };
  spec: Record<string, unknown>;
}

describe("custom resources in an upgrade", function () {
  this.timeout(300_000);
  let world: World;
  let rules: string;
  let uids: string[];

  before(async () => {
    world = await World.open();
    rules = join(world.scratch, "migrations.yaml");
    await world.helmInstall("0.2.1");
    await world.kubectl(["create", "namespace", "mas"]);
    await world.kubectl(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: systems() }));
    uids = (await list()).map(({ metadata }) => metadata.uid);
    await world.config({
      restarts: { enabled: false },
      backup: { enabled: false, destination: join(world.scratch, "saved") },
    });
    await world.useVersion("0.2.1");
    mustSucceed(await world.up());
  });
  after(async () => world?.close());

  const list = async () => (await world.json<{ items: System[] }>(CRD, "-n", "mas")).items;
  const everything = async () => ({
    ...(await world.fingerprint()),
    ...Object.fromEntries((await list()).map((one) => [one.metadata.name, JSON.stringify(one)])),
  });
  const saved = () => {
    try {
      return readdirSync(join(world.scratch, "saved", world.stack));
    } catch {
      return [];
    }
  };

  async function specs(): Promise<Record<string, unknown>[]> {
    const all = await list();
    expect(all.map(({ metadata }) => metadata.uid)).to.deep.equal(uids);
    return all.map(({ spec }) => spec);
  }

  async function storedVersions(): Promise<string[]> {
    return (await world.json<{ status: { storedVersions: string[] } }>("crd", CRD)).status.storedVersions;
  }

  /** 0.3.0 with a CRD that has v1 only. */
  function chart4(): string {
    const chart = world.chartCopy("casa-runtime-0.3.0");
    const [crds, file] = [join(chart, "crds", "casa.io.yaml"), join(chart, "Chart.yaml")];
    writeFileSync(file, readFileSync(file, "utf8").replace(/^version: .*$/m, "version: 0.4.0"));
    const texts = parseManifest(readFileSync(crds, "utf8")).map(({ object }) => {
      if (object.metadata.name !== CRD) return stringify(object);
      const text = JSON.stringify(object)
        .replaceAll("v1alpha1", "v1")
        .replace(
          /"keycloakRealm":\{.*?\},"contact":\{.*?\}/,
          '"identity":{"type":"object","properties":{"realm":{"type":"string"}}}',
        );
      return stringify(JSON.parse(text));
    });
    writeFileSync(crds, texts.join("---\n"));
    return chart;
  }

  it("fields that the new schema lacks, and a file that says nothing of them: refused, naming them and the file", async () => {
    writeFileSync(rules, "migrations: []\n");
    await world.useVersion("0.3.0", { customResourceMigrations: rules });
    const before = await everything();
    for (const run of [await world.preview(), await world.up()]) {
      expect(run.ok).to.equal(false);
      expect(run.text).to.contain(
        "200 of 200 objects would lose fields that no rule mentions: spec.apps[].llmModel (100), spec.realm (200)",
      );
      expect(run.text).to.contain("Fix: add rules").and.contain(rules);
    }
    expect(await everything()).to.deep.equal(before);
  });

  it("a file with mistakes: refused, naming each", async () => {
    writeFileSync(rules, RULES.replace("rename: {path: spec.realm,", "renam: {path: spec.realm,"));
    const run = await world.preview();
    expect(run.ok).to.equal(false);
    expect(run.text)
      .to.contain("migrations.yaml is wrong")
      .and.contain("migrations.0.rules.0")
      .and.contain("Fix: correct it");
  });

  it("the preview says what the rules do, and changes nothing", async () => {
    writeFileSync(rules, RULES);
    const before = await everything();
    const run = mustSucceed(await world.preview(["--diff"]));
    expect(run.text).to.contain(
      `Custom resources of ${CRD} go from v1alpha1 to v1alpha1 before the new CRD: 200 change by rules`,
    );
    expect(run.text)
      .to.contain("rename spec.realm to keycloakRealm")
      .and.not.contain("rename spec.keycloakRealm to realm");
    const planned = await world.cli("plan", "--out", world.scratch);
    expect(planned.code, planned.text).to.equal(2);
    const report = readFileSync(join(world.scratch, "plan.md"), "utf8");
    expect(report).to.contain("rule `remove spec.apps[].llmModel: the gateway chooses the model`: 100 objects");
    expect(await everything()).to.deep.equal(before);
    expect(saved()).to.deep.equal([]);
  });

  it("within a version: a renamed and a removed field, all in their new form before helm begins", async () => {
    const secrets = `/api/v1/namespaces/${RELEASE_NAMESPACE}/secrets`;
    const watcher = await Watcher.start(world.tools.path("kubectl"), world.cluster.kubeconfig, [secrets]);
    mustSucceed(await world.up());
    watcher.stop();
    const version = ({ metadata }: { metadata: { resourceVersion: string } }) => Number(metadata.resourceVersion);
    const revision = watcher.events.filter(({ object }) => object.metadata.name === "sh.helm.release.v1.casa.v3");
    const release = Math.min(...revision.map(({ object }) => version(object)));
    expect(Math.max(...(await list()).map(version))).to.be.below(release);

    expect((await specs())[3]).to.deep.equal({
      contact: "team-3",
      keycloakRealm: "realm-3",
      apps: [{ name: "a", kubernetesWorkloadName: "w-3", protocol: "MCP" }],
    });
    expect(saved()).to.have.length(1);
    const [done] = (await world.outputs())["customResourcesMigrated"] as Record<string, unknown>[];
    expect(done).to.deep.include({ crd: CRD, from: ["v1alpha1"], to: "v1alpha1", objects: COUNT, changed: COUNT });
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("to a CRD without the old version, and no migration to it declared: refused with the fix", async () => {
    writeFileSync(rules, RULES.replace("to: v1\n", "to: v2\n"));
    await world.config({ chart: chart4(), version: "0.4.0" });
    const run = await world.preview();
    expect(run.ok).to.equal(false);
    expect(run.text).to.contain("declare their migration").and.contain("docs/custom-resource-migration.md");
  });

  it("v1alpha1 -> v1, the engine killed in the middle: the next up goes on, and the old version is gone", async () => {
    writeFileSync(rules, RULES);
    const all = await everything();
    const preview = mustSucceed(await world.preview());
    expect(preview.text).to.contain(`Custom resources of ${CRD} go from v1alpha1 to v1 before the new CRD`);
    const planned = await world.cli("plan", "--out", world.scratch);
    expect(planned.code, planned.text).to.equal(2);
    expect(await everything()).to.deep.equal(all);
    const before = await specs();
    const child = world.engine.spawnUp(world.stack);
    for (const end = Date.now() + 120_000; saved().length < 2; await sleep(20)) {
      if (Date.now() > end) throw new Error("it never began");
    }
    await sleep(150);
    child.kill("SIGKILL");
    await child.catch(() => undefined);
    await world.engine.pulumi(["cancel", "--yes", "--stack", world.stack]);
    mustSucceed(await world.up());
    expect(await storedVersions()).to.deep.equal(["v1"]);
    expect(await specs()).to.deep.equal(
      before.map(({ keycloakRealm, contact: _contact, ...rest }) => ({ ...rest, identity: { realm: keycloakRealm } })),
    );
    expect((await world.helmVersions()).at(-1)).to.equal("casa-runtime-0.4.0 deployed");
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("back to 0.2.1 at once, by the rules for the way back", async () => {
    await world.useVersion("0.2.1");
    mustSucceed(await world.up());
    expect(await storedVersions()).to.deep.equal(["v1alpha1"]);
    expect((await specs())[3]).to.deep.equal({
      realm: "realm-3",
      apps: [{ name: "a", kubernetesWorkloadName: "w-3", protocol: "MCP" }],
    });
  });
});

function systems(): object[] {
  return Array.from({ length: COUNT }, (_, i) => ({
    apiVersion: "casa.io/v1alpha1",
    kind: "MultiAgentSystem",
    metadata: { name: `system-${String(i).padStart(4, "0")}`, namespace: "mas" },
    spec: {
      realm: `realm-${i}`,
      contact: `team-${i}`,
      apps: [
        { name: "a", kubernetesWorkloadName: `w-${i}`, protocol: "MCP", ...(i % 2 === 0 ? { llmModel: "m" } : {}) },
      ],
    },
  }));
}
