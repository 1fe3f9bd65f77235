import { join } from "node:path";
import { expect } from "chai";
import { crdText } from "../../fixtures/crd-text";
import { writeFiles } from "../../fixtures/write-files";
import { mustSucceed, World } from "../world/world";

const NAMESPACE = "looks";

const crd = (field = "size") => crdText("Gadget", { group: "looks.example", field });
const configMap = (name: string, data = "a: b") =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {${data}}\n`;

/** Between the review and the chart: what changes there, what is left out, and CRDs that do not stay as they are. */
describe("the last look before the chart changes", function () {
  this.timeout(300_000);
  let world: World;

  const chart = (version: string, files: Record<string, string>) =>
    writeFiles(join(world.scratch, `looks-${version}`), {
      "Chart.yaml": `apiVersion: v2\nname: looks\nversion: ${version}\n`,
      ...files,
    });
  const use = async (version: string, files: Record<string, string>) =>
    world.config({ chart: chart(version, files), version });
  const revisions = async () =>
    (JSON.parse(await world.helm("history", "looks", "-n", NAMESPACE, "-o", "json")) as unknown[]).length;

  before(async () => {
    world = await World.open();
    const first = chart("0.1.0", { "templates/crd.yaml": crd(), "templates/a.yaml": configMap("a") });
    await world.helm("install", "looks", first, "--namespace", NAMESPACE, "--create-namespace");
    await world.kubectl(["wait", "--for=condition=Established", "crd/gadgets.looks.example"]);
    const gadget = `apiVersion: looks.example/v1\nkind: Gadget\nmetadata: {name: one, namespace: ${NAMESPACE}}\nspec: {size: 1}\n`;
    await world.kubectl(["apply", "-f", "-"], gadget);
    await world.config({
      ...{ release: "looks", namespace: NAMESPACE, restarts: { enabled: false }, migrationGate: { enabled: false } },
    });
  });
  after(async () => world?.close());

  it("an object that the chart renders only once the steps before it are done: up stops before the chart", async () => {
    await use("0.2.0", {
      "crds/crd.yaml": crd(),
      "templates/a.yaml": `${configMap("a", "a: c")}---
{{ if lookup "v1" "ConfigMap" .Release.Namespace "casa-upgrade-looks-before" }}
${configMap("unforeseen")}{{ end }}`,
    });
    const run = await world.up();
    expect(run.ok).to.equal(false);
    expect(run.text)
      .to.contain("did not show, so the chart was not upgraded")
      .and.to.contain(`ConfigMap ${NAMESPACE}/unforeseen`);
    expect(run.text).to.contain("Fix:").and.not.to.contain("every workload of the release is rolled out");
    expect(run.text).not.to.match(/\n\s+at .*\.ts:\d+/);
    expect(await revisions()).to.equal(1);
  });

  it("the next review shows it, and the next run goes on; a CRD that left the templates is kept with its objects", async () => {
    const preview = mustSucceed(await world.preview());
    expect(preview.text).to.contain("1 create");
    mustSucceed(await world.up());
    expect(await revisions()).to.equal(2);
    expect(await world.kubectl(["get", "gadgets", "-n", NAMESPACE, "-o", "name"])).to.contain(
      "gadget.looks.example/one",
    );
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("--target of the release alone: refused, as a whole, whatever step would be left out", async () => {
    await use("0.3.0", { "crds/crd.yaml": crd("length"), "templates/a.yaml": configMap("a", "a: d") });
    const urns = await world.engine.pulumi(["stack", "export", "--stack", world.stack]);
    const release = /"urn": "([^"]*helm.sh\/v3:Release::[^"]*)"/.exec(urns.stdout)?.[1] ?? "";
    expect(release).not.to.equal("");
    for (const args of [
      ["--target", release],
      ["--exclude", "**casa-backup**"],
    ]) {
      const run = await world.up(args);
      expect(run.ok, run.text).to.equal(false);
      expect(run.text).to.contain("this run leaves out the backup").and.to.contain("without --target and --exclude");
      expect(await revisions()).to.equal(2);
    }
    mustSucceed(await world.up());
    expect(await revisions()).to.equal(3);
  });

  it("a CRD that was changed, or deleted, by hand: the preview says the line, and the line makes it right", async () => {
    const drop =
      '[{"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/length"}]';
    const fields = "{.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties}";
    for (const byHand of [
      ["patch", "crd", "gadgets.looks.example", "--type", "json", "--patch", drop],
      ["delete", "crd", "gadgets.looks.example"],
    ]) {
      await world.kubectl(byHand);
      // The provider cannot preview the update of an object that is gone; the line stands above its error.
      const { text } = await world.preview();
      expect(text).to.match(/CRD gadgets.looks.example was (changed|deleted) by hand.*pulumi up --refresh/);
      mustSucceed(await world.up(["--refresh"]));
      expect(await world.kubectl(["get", "crd", "gadgets.looks.example", "-o", `jsonpath=${fields}`])).to.contain(
        "length",
      );
    }
    mustSucceed(await world.up(["--expect-no-changes"]));
  });
});
