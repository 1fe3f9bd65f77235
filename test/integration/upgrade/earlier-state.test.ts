import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { secret } from "../../../sandbox/engine";
import { demoObjects, toYaml } from "../../fixtures/mas";
import { mustSucceed, ROOT, World } from "../world/world";

/**
 * test/fixtures/stack-before-0.2.0.json is what version 0.1.0 of this program left in the state of a stack: installed
 * by hand in 0.1.0 of the sample chart, upgraded to 0.2.0, five workloads restarted. Where things are is filled in from
 * the cluster at hand.
 */
const STATE = "test/fixtures/stack-before-0.2.0.json";

describe("a stack of an earlier version of this program", function () {
  this.timeout(300_000);
  let world: World;

  before(async () => {
    world = await World.open({ postgres: true });
    await world.helmInstall("0.1.0");
    await world.kubectl(["apply", "-f", "-"], toYaml(demoObjects({ policies: false })));
    for (const namespace of ["mas-travel", "mas-finance"]) {
      await world.kubectl(["rollout", "status", "deployments,statefulsets", "-n", namespace]);
    }
    const secretValues = secret({ postgresAuth: { password: "state-file-password" } });
    await world.useVersion("0.2.0", { restarts: { maxConcurrent: 2 }, secretValues });
    mustSucceed(await world.up());
    await useEarlierState();
  });
  after(async () => world?.close());

  it("previews without a change", async () => {
    const run = mustSucceed(await world.preview(["--diff", "--expect-no-changes"]));
    expect(run.text).to.match(/30 unchanged/);
  });

  it("updates without a change: nothing runs again", async () => {
    const before = await world.fingerprint();
    const run = mustSucceed(await world.up(["--expect-no-changes"]));
    expect(run.text).to.match(/30 unchanged/);
    expect(await world.fingerprint()).to.deep.equal(before);
  });

  it("runs the gate again when its settings change", async () => {
    await world.config({ migrationGate: { checkLogs: false } });
    const run = mustSucceed(await world.preview());
    expect(run.text).to.match(/casa-migration-passed update/);
    await world.config({ migrationGate: undefined });
  });

  /** Puts the earlier program's state in the place of this one's; the cluster is the same after both. */
  async function useEarlierState(): Promise<void> {
    const now = JSON.parse((await world.engine.pulumi(["stack", "export", "--stack", world.stack])).stdout) as {
      deployment: { resources: { type: string; inputs?: { cluster?: { id: string } } }[] };
    };
    const upgrade = now.deployment.resources.find(({ type }) => type === "casa-upgrade:index:CasaUpgrade");
    const places: Record<string, string> = {
      KUBECONFIG: world.cluster.kubeconfig,
      CONTEXT: world.cluster.context,
      SCRATCH: world.scratch,
      CLUSTER_ID: upgrade?.inputs?.cluster?.id ?? "",
    };
    const earlier = readFileSync(join(ROOT, STATE), "utf8").replaceAll(
      /\{\{(\w+)\}\}/g,
      (_, at: string) => places[at] ?? "",
    );
    expect(earlier).to.contain("cluster/migration-gate-cli.ts");
    const file = join(world.scratch, "earlier.json");
    const deployment = { ...now.deployment, resources: JSON.parse(earlier) as unknown };
    writeFileSync(file, JSON.stringify({ ...now, deployment }));
    await world.engine.pulumi(["stack", "import", "--stack", world.stack, "--file", file]);
  }
});
