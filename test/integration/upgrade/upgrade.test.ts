import { expect } from "chai";
import { demoObjects, toYaml } from "../../fixtures/mas";
import { CRD_PATH, Watcher } from "../world/watcher";
import { mustSucceed, RELEASE_NAMESPACE, World } from "../world/world";

describe("upgrade of an existing helm install", function () {
  this.timeout(300_000);
  let world: World;

  before(async () => {
    world = await World.open();
    await world.helmInstall("0.1.0");
    await world.kubectl(["label", "crd", "multiagentsystems.casa.io", "team=platform"]);
    await world.kubectl(["annotate", "crd", "multiagentsystems.casa.io", "note=kept"]);
    await world.useVersion("0.1.0");
  });
  after(async () => world?.close());

  it("adopts at the same version without restarting or rolling anything", async () => {
    const before = await world.json<{ items: Generation[] }>("deployments", "-n", RELEASE_NAMESPACE);
    mustSucceed(await world.up());
    const after = await world.json<{ items: Generation[] }>("deployments", "-n", RELEASE_NAMESPACE);
    expect(after.items.map(generation)).to.deep.equal(before.items.map(generation));
  });

  it("previews v2 without changing anything on the cluster", async () => {
    await world.useVersion("0.2.0");
    const before = await world.fingerprint();
    const run = mustSucceed(await world.preview(["--diff"]));
    expect(run.text).to.contain("0.2.0");
    expect(await world.fingerprint()).to.deep.equal(before);
  });

  it("upgrades to v2: CRDs strictly before the release, its new CRD usable, helm history true", async () => {
    const secrets = `/api/v1/namespaces/${RELEASE_NAMESPACE}/secrets`;
    const watcher = await Watcher.start(world.tools.path("kubectl"), world.cluster.kubeconfig, [CRD_PATH, secrets]);
    mustSucceed(await world.up());
    watcher.stop();
    const crds = watcher.events.filter((event) => event.object.kind === "CustomResourceDefinition");
    const release = watcher.events.filter((event) => event.object.metadata.name.startsWith("sh.helm.release"));
    const version = (event?: { object: { metadata: { resourceVersion: string } } }) =>
      Number(event?.object.metadata.resourceVersion);
    expect(crds.map((event) => event.object.metadata.name)).to.include("casapolicies.casa.io");
    expect(release.length).to.be.greaterThan(0);
    expect(Math.max(...crds.map(version))).to.be.lessThan(Math.min(...release.map(version)));

    const history = await world.helmVersions();
    expect(history.at(-1)).to.equal("casa-runtime-0.2.0 deployed");
  });

  it("keeps labels and annotations of others on the CRDs", async () => {
    const crd = await world.json<{ metadata: { labels: object; annotations: object } }>(
      "crd",
      "multiagentsystems.casa.io",
    );
    expect(crd.metadata.labels).to.include({ team: "platform" });
    expect(crd.metadata.annotations).to.include({ note: "kept" });
  });

  it("changes nothing when it is repeated, not even its outputs", async () => {
    const before = await world.fingerprint();
    const outputs = await world.outputs();
    const run = mustSucceed(await world.up(["--expect-no-changes"]));
    expect(run.text).not.to.match(/\d+ (created|updated|deleted|replaced)/);
    expect(await world.fingerprint()).to.deep.equal(before);
    expect(await world.outputs()).to.deep.equal(outputs);
  });

  it("says versions before and after, and the CRDs applied", async () => {
    const outputs = await world.outputs();
    expect(outputs["versions"]).to.deep.equal({ before: "0.1.0", after: "0.2.0" });
    expect(outputs["crdsApplied"]).to.have.members(["multiagentsystems.casa.io", "casapolicies.casa.io"]);
  });

  it("serves the CRD that v2 added", async () => {
    await world.kubectl(
      ["apply", "-f", "-"],
      toYaml(demoObjects().filter((object) => object.kind === "Namespace" || object.kind === "CASAPolicy")),
    );
    expect(await world.kubectl(["get", "casapolicies", "-A", "-o", "name"])).to.contain("casapolicy");
  });

  it("sees a template that was edited without a new version", async () => {
    const copy = world.chartCopy("casa-runtime-0.2.0");
    await world.config({ chart: copy });
    mustSucceed(await world.up());
    const { readFileSync, writeFileSync } = await import("node:fs");
    const file = `${copy}/templates/ui-explorer.yaml`;
    writeFileSync(file, readFileSync(file, "utf8").replace(/kind: Deployment\nmetadata:/, "$&\n  # edited") + EXTRA);
    mustSucceed(await world.up());
    expect(await world.kubectl(["get", "cm", "edited-in-place", "-n", RELEASE_NAMESPACE, "-o", "name"])).to.contain(
      "edited",
    );
  });

  it("upgrades to v3", async () => {
    await world.useVersion("0.3.0");
    mustSucceed(await world.up());
    expect((await world.helmVersions()).at(-1)).to.equal("casa-runtime-0.3.0 deployed");
  });

  it("goes back to v1 and forward to v3: no 'already exists', the CRDs follow the version", async () => {
    const schema = async () =>
      JSON.stringify((await world.json<{ spec: unknown }>("crd", "multiagentsystems.casa.io")).spec);
    const v3 = await schema();
    await world.useVersion("0.1.0");
    const back = mustSucceed(await world.up());
    expect(back.text).to.contain("casapolicies.casa.io is no longer shipped");
    expect(await schema()).not.to.equal(v3);
    expect(await world.kubectl(["get", "crd", "casapolicies.casa.io", "-o", "name"])).to.contain("casapolicies");

    await world.useVersion("0.3.0");
    const forward = mustSucceed(await world.up());
    expect(forward.text).not.to.contain("already exists");
    expect(await schema()).to.equal(v3);
    expect((await world.helmVersions()).slice(-2)).to.deep.equal([
      "casa-runtime-0.1.0 superseded",
      "casa-runtime-0.3.0 deployed",
    ]);
  });

  it("keeps the CRDs and their objects on destroy", async () => {
    const destroyed = await world.engine.pulumi(["destroy", "--yes", "--stack", world.stack]);
    expect(destroyed.exitCode, destroyed.all).to.equal(0);
    expect(await world.kubectl(["get", "crd", "-o", "name"])).to.contain("multiagentsystems.casa.io");
    expect(await world.kubectl(["get", "casapolicies", "-A", "-o", "name"])).to.contain("casapolicy");
    expect(await world.helm("list", "-A", "-q")).to.equal("");
  });
});

const EXTRA = "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: edited-in-place}\n";

interface Generation {
  metadata: { name: string; generation: number };
}
function generation({ metadata }: Generation): string {
  return `${metadata.name} ${metadata.generation}`;
}
