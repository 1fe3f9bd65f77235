import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { masObjects, toYaml } from "../../fixtures/mas";
import { previewed, reviewedUpgrade } from "../world/reviews";
import { mustSucceed, RELEASE_NAMESPACE, World } from "../world/world";

describe("a first install", function () {
  this.timeout(300_000);
  let world: World;

  before(async () => {
    world = await World.open();
    const workloads = masObjects({ workloads: 2, replicas: 1, readyAfter: "0s" });
    const plain = workloads.filter(({ kind }) => kind !== "MultiAgentSystem");
    await world.kubectl(["apply", "-f", "-"], toYaml(plain));
    await world.useVersion("0.2.0", {
      allowInstall: true,
      restarts: { workloads: ["mas-load/agent-0001", "mas-load/agent-0002"] },
    });
  });
  after(async () => world?.close());

  it("makes the namespace, CRDs and release that the preview says, and restarts the workloads that were there", async () => {
    const { review } = await reviewedUpgrade(world);
    const created = review.objects.filter(({ action }) => action === "create").map(({ kind }) => kind);
    expect(created).to.include.members(["Namespace", "CustomResourceDefinition", "Deployment", "Secret"]);
    expect(review.objects.filter(({ writer }) => writer === "restart")).to.have.length(2);
    expect(review.breaking.distance.kind).to.equal("install");
    expect(review.warnings.join("\n")).not.to.contain("refuses new pods");
  });

  it("changes nothing when it is repeated", async () => {
    mustSucceed(await world.up(["--expect-no-changes"]));
    expect((await world.outputs())["versions"]).to.deep.equal({ before: null, after: "0.2.0" });
  });

  it("that was killed before it wrote its records still restarts the workloads", async () => {
    const records = ["casa-upgrade-casa-before", "casa-upgrade-casa-after"];
    await world.kubectl(["delete", "cm", ...records, "-n", RELEASE_NAMESPACE]);
    const targets = records.flatMap((name) => ["--target", `**::${name}`]);
    await world.engine.pulumi(["refresh", "--yes", "--stack", world.stack, ...targets]);
    const stamp = "casa-upgrade.dev/config-stamp";
    const removal = [{ op: "remove", path: `/spec/template/metadata/annotations/${stamp.replace("/", "~1")}` }];
    await world.kubectl([
      "patch",
      "deployment",
      "agent-0001",
      "-n",
      "mas-load",
      "--type=json",
      "-p",
      JSON.stringify(removal),
    ]);
    const { review } = await previewed(world);
    const pending = review.restarts.groups.flatMap(({ workloads }) => workloads.filter(({ done }) => !done));
    expect(pending.map(({ workload }) => workload)).to.deep.equal(["Deployment/mas-load/agent-0001"]);
  });
});

describe("a chart of another shape: hooks, generated secrets, subcharts, objects in other namespaces", function () {
  this.timeout(300_000);
  let world: World;
  let chart: string;

  before(async () => {
    world = await World.open();
    chart = world.chartCopy("other-runtime");
    // Shorter than a test may take, so that a pod that does not come is named by the run itself.
    const timeouts = { release: 150 };
    await world.config({ chart, allowInstall: true, release: "other", namespace: "other-ns", timeouts });
  });
  after(async () => world?.close());

  it("is installed as reviewed, and a repeated run changes nothing", async () => {
    const { review } = await reviewedUpgrade(world);
    const hook = review.objects.find(({ writer }) => writer === "hook");
    expect(hook).to.include({ kind: "Job", action: "create" });
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("is upgraded as reviewed: what the chart makes up anew is named, no value of it shown", async () => {
    const file = join(chart, "Chart.yaml");
    writeFileSync(file, readFileSync(file, "utf8").replace(/^version: .*$/m, "version: 9.9.9"));
    const { review } = await reviewedUpgrade(world);
    const generated = review.objects.flatMap(({ fields }) => fields.filter(({ cause }) => cause === "generated"));
    expect(generated.length).to.be.greaterThan(0);
    expect(generated.every(({ before, after }) => before === undefined && after === "<generated>")).to.equal(true);
    expect(review.risks.map(({ id }) => id)).to.include("generated-values");
    mustSucceed(await world.up(["--expect-no-changes"]));
  });
});
