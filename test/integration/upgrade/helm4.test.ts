import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { helmRollbackArgs } from "../../../helm/rollback-line";
import { toolIfBuilt } from "../../../sandbox/tools";
import { HELM4 } from "../../../sandbox/tools/catalog";
import { previewed, reviewedUpgrade } from "../world/reviews";
import { chartPath, mustSucceed, RELEASE_NAMESPACE, World } from "../world/world";

/** A release that helm 4 made (server-side apply), and helm 4 on PATH; the provider has helm 3 in it. */
describe("helm 4", function () {
  this.timeout(240_000);
  let world: World;
  let helm4: string;
  /** As somebody has it who uses helm 4. */
  let withHelm4: NodeJS.ProcessEnv;

  before(async function () {
    const tools = await toolIfBuilt(HELM4);
    if (!tools) {
      console.error("\nNOT TESTED: helm 4. It is not built; to build it: CASA_UPGRADE_ISTIO=1 make setup\n");
      return this.skip();
    }
    helm4 = tools.path("helm4");
    world = await World.open();
    const bin = join(world.scratch, "helm4");
    mkdirSync(bin);
    symlinkSync(helm4, join(bin, "helm"));
    withHelm4 = { PATH: [bin, world.engine.environment["PATH"]].join(delimiter) };
    const chart = chartPath("casa-runtime-0.1.0");
    await run("install", "casa", chart, "--namespace", RELEASE_NAMESPACE, "--create-namespace", "--wait");
  });
  after(async () => world?.close());

  const run = async (...args: string[]) => (await execa(helm4, args, { env: world.engine.environment })).stdout;

  it("its release is adopted without a change", async () => {
    await world.useVersion("0.1.0");
    mustSucceed(await world.up());
    expect(await run("history", "casa", "-n", RELEASE_NAMESPACE)).to.contain("Install complete");
  });

  it("a review by helm 4 says what one by helm 3 says, and that the provider has another", async () => {
    await world.useVersion("0.2.0");
    const [by3, by4] = [await previewed(world), await previewed(world, withHelm4)];
    mustSucceed(by4.run);
    expect(by4.review.objects).to.deep.equal(by3.review.objects);
    expect(by4.review.reviewed).to.deep.equal(by3.review.reviewed);
    const more = by4.review.warnings.filter((text) => !by3.review.warnings.includes(text));
    expect(more.map((text) => text.split(":")[0])).to.deep.equal([
      `helm on PATH is ${await run("version", "--short")}`,
    ]);
  });

  it("what helm 4 refuses is told as what helm 3 refuses is", async () => {
    const chart = join(world.scratch, "refused");
    cpSync(chartPath("casa-runtime-0.2.0"), chart, { recursive: true });
    writeFileSync(
      join(chart, "templates/other.yaml"),
      "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: view}\nrules: []\n---\n" +
        "apiVersion: apps/v1\nkind: Deploymint\nmetadata: {name: x}\n",
    );
    await world.config({ chart });
    const [by3, by4] = [
      await world.engine.preview(world.stack),
      await world.engine.preview(world.stack, [], { env: withHelm4 }),
    ];
    const errors = (text: string) => text.split("\n").filter((line) => /error:|Fix:|is refused|belongs/.test(line));
    expect(errors(by3.all)).to.have.length.greaterThan(0);
    expect(errors(by4.all)).to.deep.equal(errors(by3.all));
  });

  it("the upgrade does what the review says, and helm 4 goes back from it by the line that is printed", async () => {
    await world.useVersion("0.2.0");
    await reviewedUpgrade(world);
    const { context } = world.cluster;
    await run(...helmRollbackArgs({ release: "casa", namespace: RELEASE_NAMESPACE, context }, 1));
    expect((await world.helmVersions()).at(-1)).to.contain("casa-runtime-0.1.0");
  });
});
