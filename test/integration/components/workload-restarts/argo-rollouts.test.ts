import { expect } from "chai";
import { z } from "zod";
import { RESTARTED_AT_ANNOTATION } from "../../../../components/workload-restarts/stamp";
import { startRollouts } from "../../../../sandbox/rollouts";
import { deployment, multiAgentSystem, namespace, READY_AFTER, toYaml } from "../../../fixtures/mas";
import { eventually } from "../../world/eventually";
import { rolloutsOrSkip } from "../../world/istio-fixture";
import { mustSucceed, World } from "../../world/world";

const NAMESPACE = "mas-argo";
const rolloutSchema = z.looseObject({
  metadata: z.looseObject({ annotations: z.record(z.string(), z.string()).default({}) }),
  spec: z.looseObject({ restartAt: z.string().optional() }),
  status: z.looseObject({ availableReplicas: z.number().default(0), stableRS: z.string().default("") }).prefault({}),
});
const podList = z.looseObject({
  items: z.array(
    z.looseObject({ metadata: z.looseObject({ uid: z.string(), deletionTimestamp: z.string().optional() }) }),
  ),
});

/** With Argo's real controller: a restart is what it makes of `spec.restartAt`. */
describe("Argo Rollouts", function () {
  this.timeout(300_000);
  let world: World;

  before(async function () {
    const argo = await rolloutsOrSkip(this);
    world = await World.open();
    await Promise.all([world.helmInstall("0.1.0"), startRollouts(world.cluster, world.tools, argo)]);
    await apply(
      namespace(NAMESPACE),
      rollout("own", { ...selecting("own"), template: template("own"), replicas: 3 }),
      deployment(NAMESPACE, "referred", { replicas: 0, readyAfter: "1s" }),
      rollout("refers", { workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "referred" }, replicas: 1 }),
      multiAgentSystem(NAMESPACE, "one", ["own", "referred"]),
    );
    await eventually(async () => {
      expect((await read("own")).status.availableReplicas).to.equal(3);
      expect((await read("refers")).status.availableReplicas).to.equal(1);
    });
    await world.useVersion("0.1.0", { timeouts: { restart: 90 } });
    mustSucceed(await world.up());
  });
  after(async () => world?.close());

  const apply = (...objects: object[]) => world.kubectl(["apply", "-f", "-"], toYaml(objects));
  const read = async (name: string) =>
    rolloutSchema.parse(await world.json("rollouts.argoproj.io", name, "-n", NAMESPACE));
  const selecting = (name: string) => ({ selector: { matchLabels: { app: name } } });
  const template = (name: string) => ({
    metadata: { labels: { app: name }, annotations: { [READY_AFTER]: "1s" } },
    spec: { containers: [{ name: "agent", image: "agent:1" }] },
  });
  const rollout = (name: string, spec: object) => ({
    ...{ apiVersion: "argoproj.io/v1alpha1", kind: "Rollout", metadata: { namespace: NAMESPACE, name } },
    spec: { strategy: { canary: { steps: [{ setWeight: 50 }, { pause: {} }] } }, ...spec },
  });

  async function pods(): Promise<string[]> {
    const { items } = podList.parse(await world.json("pods", "-n", NAMESPACE));
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.uid);
  }

  it("are restarted by their own field: every pod is new, and no update with its steps begins", async () => {
    const before = { pods: await pods(), own: await read("own"), refers: await read("refers") };
    await world.useVersion("0.2.0");
    const preview = mustSucceed(await world.preview());
    expect(preview.text).to.contain("restarts: 2 workloads");
    expect(preview.text).to.match(/have no pod for as long as a new one takes to start, .*: Rollout\/mas-argo\/refers/);
    mustSucceed(await world.up());
    const after = await pods();
    expect(after).to.have.length(4);
    expect(after.filter((uid) => before.pods.includes(uid))).to.deep.equal([]);
    for (const name of ["own", "refers"] as const) {
      const { metadata, spec, status } = await read(name);
      expect(status.stableRS, name).to.equal(before[name].status.stableRS);
      expect(metadata.annotations[RESTARTED_AT_ANNOTATION]).to.equal(spec.restartAt).and.not.equal(undefined);
    }
    const restarted = (await world.outputs())["workloadsRestarted"];
    expect(restarted).to.deep.equal(["Rollout/mas-argo/own", "Rollout/mas-argo/refers"]);
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("a restart that a user makes later is no change to the upgrade", async () => {
    const restartAt = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString().replace(".000Z", "Z");
    const patch = JSON.stringify({ spec: { restartAt } });
    await world.kubectl(["patch", "rollouts.argoproj.io", "own", "-n", NAMESPACE, "--type=merge", "-p", patch]);
    await eventually(async () => expect((await read("own")).status["restartedAt"]).to.equal(restartAt));
    mustSucceed(await world.up(["--expect-no-changes"]));
    expect((await read("own")).spec.restartAt).to.equal(restartAt);
  });

  it("kill -9 of the engine: the restart that was begun is gone on with, and is not made twice", async () => {
    await world.config({ restarts: { reason: "killed half-way" } });
    const before = (await read("own")).spec.restartAt;
    const child = world.engine.spawnUp(world.stack);
    const ended = child.catch(() => undefined);
    await eventually(async () => expect((await read("own")).spec.restartAt).not.to.equal(before), 60_000);
    const { restartAt } = (await read("own")).spec;
    child.kill("SIGKILL");
    await ended;
    await world.engine.cancel(world.stack);
    mustSucceed(await world.up());
    expect((await read("own")).spec.restartAt).to.equal(restartAt);
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("a budget that lets no pod go is told in the review, and ends the wait in seconds", async () => {
    const spec = { ...selecting("own"), minAvailable: "100%" };
    await apply({
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { namespace: NAMESPACE, name: "all" },
      spec,
    });
    await eventually(async () => {
      const budget = await world.json<{ status?: { currentHealthy?: number } }>("pdb", "all", "-n", NAMESPACE);
      expect(budget.status?.currentHealthy).to.equal(3);
    });
    await world.config({ restarts: { reason: "held up" } });
    const run = await world.up();
    expect(run.ok).to.equal(false);
    expect(run.text).to.contain(
      "PodDisruptionBudget lets no pod go, which Argo asks of each; allow one: Rollout/mas-argo/own (all)",
    );
    expect(run.text).to.match(
      /Rollout\/mas-argo\/own cannot be restarted: pod own-\S+ may not be evicted: .*disruption budget/,
    );
    await world.kubectl(["delete", "pdb", "all", "-n", NAMESPACE]);
    mustSucceed(await world.up());
  });
});
