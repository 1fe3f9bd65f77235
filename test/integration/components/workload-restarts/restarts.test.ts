import { expect } from "chai";
import { masObjects, toYaml } from "../../../fixtures/mas";
import { followRestarts, Watcher, WORKLOAD_PATHS } from "../../world/watcher";
import { mustSucceed, World } from "../../world/world";

const WORKLOADS = 12;

describe("restarts of MAS workloads, watched through the API", function () {
  this.timeout(600_000);
  let world: World;
  let namespaces: string[];

  beforeEach(async () => {
    world = await World.open();
    await world.helmInstall("0.1.0");
  });
  afterEach(async () => world?.close());

  /**
   * MAS workloads, all available. Their pods take 3 s where rounds are timed, so that what is measured is the pods'
   * time.
   */
  async function deploy(count: number, systems: number, readyAfter = "1s"): Promise<string[]> {
    const objects = masObjects({ workloads: count, systems, replicas: 1, readyAfter });
    namespaces = [...new Set(objects.flatMap((object) => object.metadata.namespace ?? []))];
    await world.kubectl(["apply", "-f", "-"], toYaml(objects));
    await waitAvailable();
    return objects
      .filter((object) => object.kind === "Deployment" || object.kind === "StatefulSet")
      .map((object) => `${object.metadata.namespace}/${object.metadata.name}`);
  }

  async function waitAvailable(): Promise<void> {
    for (const namespace of namespaces) {
      await world.kubectl(["rollout", "status", "deployments", "-n", namespace, "--timeout=60s"]);
    }
  }

  const watch = () => Watcher.start(world.tools.path("kubectl"), world.cluster.kubeconfig, WORKLOAD_PATHS);

  for (const k of [1, 3]) {
    it(`restarts ${WORKLOADS} workloads with at most ${k} below full availability, in ceil(n/k) rounds`, async () => {
      await deploy(WORKLOADS, 4, "3s");
      await world.useVersion("0.1.0", { restarts: { maxConcurrent: k } });
      mustSucceed(await world.up());

      const round = await oneRound(world, namespaces[0] ?? "", k);
      await world.useVersion("0.2.0");
      const watcher = await watch();
      mustSucceed(await world.up());
      watcher.stop();

      const seen = followRestarts(watcher.events, namespaces);
      expect(seen.most).to.equal(k);
      expect([...seen.templates.values()]).to.deep.equal(Array.from({ length: WORKLOADS }, () => 1));
      const ideal = Math.ceil(WORKLOADS / k) * round;
      expect(seen.duration).to.be.at.most(ideal * 1.1, `one round of ${k} takes ${round} ms`);
    });
  }

  it("stops at a workload that never becomes ready, and goes on with the rest once it is repaired", async () => {
    const names = await deploy(6, 2);
    await world.useVersion("0.1.0", { timeouts: { restart: 15 } });
    mustSucceed(await world.up());
    const [namespace = "", name = ""] = (names[2] ?? "").split("/");
    await behave(world, namespace, name, "never-ready");
    await world.useVersion("0.2.0");
    const watcher = await watch();
    const failed = await world.up();
    watcher.stop();
    expect(failed.ok).to.equal(false);
    expect(failed.text).to.contain(`${namespace}/${name} did not become available`);
    const touched = followRestarts(watcher.events, namespaces).order;
    expect(touched).to.deep.equal(names.slice(0, 3));

    await behave(world, namespace, name, null);
    const again = await watch();
    mustSucceed(await world.up());
    again.stop();
    const rest = followRestarts(again.events, namespaces).order.filter((touchedName) => touchedName !== names[2]);
    expect(rest).to.deep.equal(names.slice(3));
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("goes on after kill -9 of the engine half-way, and restarts none twice", async () => {
    const names = await deploy(6, 2);
    await world.useVersion("0.1.0");
    mustSucceed(await world.up());
    await world.useVersion("0.2.0");
    const watcher = await watch();
    const child = world.engine.spawnUp(world.stack);
    await until(() => followRestarts(watcher.events, namespaces).order.length >= 3, 120_000);
    child.kill("SIGKILL");
    await child.catch(() => undefined);
    await world.engine.pulumi(["cancel", "--yes", "--stack", world.stack]);
    mustSucceed(await world.up());
    watcher.stop();
    const seen = followRestarts(watcher.events, namespaces);
    expect(Object.fromEntries(seen.templates)).to.deep.equal(Object.fromEntries(names.map((name) => [name, 1])));
    expect(seen.most).to.equal(1);
  });

  it("restarts nothing for an upgrade that changes nothing injected, nor on destroy", async () => {
    await deploy(3, 1);
    await world.useVersion("0.2.0");
    mustSucceed(await world.up());
    const watcher = await watch();
    await world.useVersion("0.2.1");
    mustSucceed(await world.up());
    const destroyed = await world.engine.pulumi(["destroy", "--yes", "--stack", world.stack]);
    expect(destroyed.exitCode, destroyed.all).to.equal(0);
    watcher.stop();
    expect(followRestarts(watcher.events, namespaces).order).to.deep.equal([]);
  });
});

/**
 * Milliseconds that plain `kubectl rollout restart` with `status` takes here for k workloads at once: the measure for
 * the window, under the same load.
 */
async function oneRound(world: World, namespace: string, k: number): Promise<number> {
  const list = await world.json<{ items: { metadata: { name: string } }[] }>("deployments", "-n", namespace);
  const names = list.items.slice(0, k).map(({ metadata }) => `deployment/${metadata.name}`);
  const start = Date.now();
  await Promise.all(
    names.map(async (name) => {
      await world.kubectl(["rollout", "restart", name, "-n", namespace]);
      await world.kubectl(["rollout", "status", name, "-n", namespace]);
    }),
  );
  return Date.now() - start;
}

/** Makes pods started from now on behave, without starting any: a pod template's change would restart the workload. */
async function behave(world: World, namespace: string, name: string, behavior: string | null): Promise<void> {
  const annotations = { "sandbox.casa-upgrade.dev/behavior": behavior };
  const patch = JSON.stringify({ spec: { template: { metadata: { annotations } } } });
  await world.kubectl(["patch", "deployment", name, "-n", namespace, "--type=merge", "-p", patch]);
}

async function until(condition: () => boolean, timeout: number): Promise<void> {
  const end = Date.now() + timeout;
  while (!condition()) {
    if (Date.now() > end) throw new Error("the condition was not met in time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
