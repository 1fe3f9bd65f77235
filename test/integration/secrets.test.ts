import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { secret } from "../../sandbox/engine";
import { mustSucceed, RELEASE_NAMESPACE, World } from "./world";

const PLANTED = "planted-hunter2-secret";

describe("a secret value", function () {
  this.timeout(300_000);
  let world: World;

  before(async () => {
    world = await World.open();
    await world.helmInstall("0.1.0");
    await world.useVersion("0.2.0", {
      secretValues: secret({ postgresAuth: { password: PLANTED } }),
      values: { authService: { replicaCount: 2 } },
    });
  });
  after(async () => world?.close());

  it("reaches the chart and nothing else: no preview, no output, no state, no file of the stack", async () => {
    const preview = mustSucceed(await world.preview(["--diff"]));
    const up = mustSucceed(await world.up(["--diff"]));
    const state = await world.engine.pulumi(["stack", "export", "--stack", world.stack]);
    for (const text of [preview.text, up.text, state.all]) expect(text).not.to.contain(PLANTED);
    for (const file of files(world.scratch)) expect(readFileSync(file, "latin1"), file).not.to.contain(PLANTED);
    // What is no secret stays readable beside it.
    expect(preview.text).to.contain("replicaCount").and.to.contain("[secret]");

    const values = await world.helm("get", "values", "casa", "-n", RELEASE_NAMESPACE);
    expect(values).to.contain(PLANTED).and.to.contain("replicaCount: 2");
  });

  it("shows in no error either", async () => {
    await world.config({ timeouts: { release: 0 } });
    const run = await world.preview();
    expect(run.ok).to.equal(false);
    expect(run.text).not.to.contain(PLANTED);
  });
});

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
