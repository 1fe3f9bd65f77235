import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { timesOf } from "../../../../components/workload-restarts/queue";
import { masObjects, toYaml } from "../../../fixtures/mas";
import { followRestarts, Watcher, WORKLOAD_PATHS } from "../../world/watcher";
import { mustSucceed, RELEASE_NAMESPACE, World } from "../../world/world";

const WORKLOADS = 12;
const RECORDS = ["casa-upgrade-casa-before", "casa-upgrade-casa-after"];
/** How often the engine is killed; more rounds find what is rare. */
const KILLS = Number(process.env["CASA_UPGRADE_KILLS"] ?? 2);

describe("restarts of MAS workloads, watched through the API", function () {
  this.timeout(600_000 + KILLS * 120_000);
  let world: World;
  let watcher: Watcher | undefined;
  /** The tests share a release; each has a namespace of its own, and a reason of its own to restart what is there. */
  let namespace = "";
  let tests = 0;

  before(async () => {
    world = await World.open();
    await world.helmInstall("0.1.0");
    await world.useVersion("0.1.0");
    mustSucceed(await world.up());
  });
  beforeEach(() => {
    namespace = `mas-${++tests}`;
  });
  afterEach(async () => {
    watcher?.stop();
    await world.kubectl(["delete", "multiagentsystems", "--all", "-n", namespace]).catch(() => undefined);
    await world.kubectl(["delete", "namespace", namespace, "--wait=false"]);
  });
  after(async () => world?.close());

  /**
   * MAS workloads, all available, under the stack's care. Their pods take 3 s where rounds are timed, so that what is
   * measured is the pods' time.
   *
   * @returns their names, in restart order.
   */
  async function deploy(count: number, systems: number, readyAfter = "1s"): Promise<string[]> {
    const objects = masObjects({ workloads: count, systems, replicas: 1, readyAfter, namespaces: [namespace] });
    const deployments = objects.filter((object) => object.kind === "Deployment");
    await world.kubectl(["apply", "-f", "-"], toYaml(objects));
    await world.kubectl(["rollout", "status", "deployments", "-n", namespace, "--timeout=120s"]);
    return deployments.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  }

  /** From here on all is watched. */
  async function watch(): Promise<() => ReturnType<typeof followRestarts>> {
    watcher?.stop();
    const started = await Watcher.start(world.tools.path("kubectl"), world.cluster.kubeconfig, WORKLOAD_PATHS);
    watcher = started;
    return () => followRestarts(started.events, [namespace]);
  }

  /** Makes the next run restart everything. */
  const because = (reason: string, more: object = {}) => world.config({ restarts: { reason, ...more } });
  const once = (names: string[]) => Object.fromEntries(names.map((name) => [name, 1]));

  for (const { k, count, setting } of [
    { k: 1, count: 4, setting: 1 },
    { k: 3, count: WORKLOADS, setting: "25%" },
  ]) {
    it(`restarts ${count} workloads with at most ${k} below full availability, in ceil(n/k) rounds`, async () => {
      const names = await deploy(count, count / 4, "3s");
      const round = await oneRound(world, namespace, k);
      await because(`rounds of ${k}`, { maxConcurrent: setting });
      const seen = await watch();
      mustSucceed(await world.up());

      const { most, templates, order, duration } = seen();
      expect(most).to.equal(k);
      expect(Object.fromEntries(templates)).to.deep.equal(once(names));
      expectInOrder(order, names, k);
      // A group is finished before the next one: each has rounds of its own.
      const ideal = timesOf(Array<number>(count / 4).fill(4), k, Array<number>(count).fill(round)).end;
      expect(duration).to.be.at.most(ideal * 1.1, `one round of ${k} takes ${round} ms`);
    });
  }

  it("a workload that never becomes ready holds up nobody of its system, stops what comes after, and is resumed", async () => {
    const names = await deploy(8, 2);
    const [slow = ""] = names.slice(1);
    await world.config({ timeouts: { restart: 20 } });
    await because("one that never becomes ready", { maxConcurrent: 2 });
    await behave(world, namespace, slow, "never-ready");
    const seen = await watch();
    const failed = await world.up();
    expect(failed.ok).to.equal(false);
    expect(failed.text).to.contain(`${slow} did not become available`);
    expect(seen().order).to.have.members(names.slice(0, 4));
    expect(seen().most).to.equal(2);

    await world.config({ timeouts: { restart: 5 } });
    const goingOn = await watch();
    expect((await world.up(["--continue-on-error"])).ok).to.equal(false);
    expect(goingOn().order).to.deep.equal([]);

    await world.config({ timeouts: undefined });
    await behave(world, namespace, slow, null);
    const again = await watch();
    mustSucceed(await world.up());
    expect(again().order.filter((name) => name !== slow)).to.have.members(names.slice(4));
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("those that are deleted or paused before their turn, or while they are waited for, are told and left out", async () => {
    const names = await deploy(5, 1, "3s");
    const [first = "", gone = "", paused = "", later = "", last = ""] = names.map((name) => name.replace(/.*\//, ""));
    await because("some leave meanwhile", { maxConcurrent: 1 });
    await behave(world, namespace, `${namespace}/${later}`, "never-ready");
    const seen = await watch();
    const run = world.up();
    const begun = (name: string) => until(() => Promise.resolve(seen().order.includes(`${namespace}/${name}`)), 60_000);
    await begun(first);
    await world.kubectl(["delete", "deployment", gone, "-n", namespace]);
    await world.kubectl(["rollout", "pause", "deployment", paused, "-n", namespace]);
    await begun(later);
    await sleep(1_500);
    await world.kubectl(["delete", "deployment", later, "-n", namespace]);
    const { text } = mustSucceed(await run);
    expect(text).to.contain(`Deployment/${namespace}/${gone} is not restarted: not found`);
    expect(text).to.contain(`Deployment/${namespace}/${paused} is not restarted: its rollout is paused`);
    expect(text).to.contain(`Deployment/${namespace}/${later} is not waited for any more: it was deleted`);
    // The pause changes the workload, too, and none of its pods.
    const pause = `${namespace}/${paused}`;
    expect(seen().order.filter((name) => name !== pause)).to.deep.equal(
      [first, later, last].map((name) => `${namespace}/${name}`),
    );
    expect((await pods(world, namespace)).filter(({ stamped }) => !stamped)).to.have.length(1);
    const outputs = await world.outputs();
    expect(outputs["workloadsRestarted"]).to.deep.equal([first, last].map((name) => `Deployment/${namespace}/${name}`));
    expect(JSON.stringify(outputs["workloadsSkipped"])).to.contain(paused).and.to.contain(gone).and.to.contain(later);

    await world.kubectl(["rollout", "resume", "deployment", paused, "-n", namespace]);
    const again = await watch();
    mustSucceed(await world.up());
    expect(again().order).to.deep.equal([pause]);
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("canaries come first and are watched; a container that crashes meanwhile stops the rest", async () => {
    const names = await deploy(3, 1);
    const [, canary = ""] = names;
    await because("canaries", { canaries: [canary], canarySoakSeconds: 600, maxConcurrent: 2 });
    const seen = await watch();
    const run = world.engine.spawnUp(world.stack);
    const text = (result: { stdout?: string; stderr?: string }) => `${result.stdout ?? ""}\n${result.stderr ?? ""}`;
    const ended = run.then(text, text);
    await until(async () => (await pods(world, namespace)).some(({ stamped, ready }) => stamped && ready), 60_000);
    await sleep(3_000);
    expect(seen().order).to.deep.equal([canary]);
    const crashed = (await pods(world, namespace)).find(({ stamped }) => stamped)?.name ?? "";
    const containerStatuses = [{ name: "agent", image: "x", imageID: "", ready: true, restartCount: 1 }];
    await world.kubectl([
      ...["patch", "pod", crashed, "-n", namespace, "--subresource=status", "--type=merge"],
      ...["-p", JSON.stringify({ status: { containerStatuses } })],
    ]);
    expect(await ended)
      .to.contain(`${canary}, restarted first, did not stay available`)
      .and.contain("was started again");
    expect(seen().order).to.deep.equal([canary]);

    await because("canaries", { canaries: [canary], canarySoakSeconds: 1, maxConcurrent: 2 });
    const again = await watch();
    mustSucceed(await world.up());
    expect(again().order).to.have.members(names.filter((name) => name !== canary));
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it(`kill -9 of the engine at ${KILLS} random points: none is restarted twice, no place too many is taken`, async () => {
    const k = 3;
    const names = await deploy(WORKLOADS, 2);
    const figures: string[] = [];
    for (let round = 1; round <= KILLS; round++) {
      const [begun, pause] = [1 + Math.floor(Math.random() * WORKLOADS), Math.random() * 1_500];
      await because(`kill ${round}`, { maxConcurrent: k });
      const seen = await watch();
      const child = world.engine.spawnUp(world.stack);
      const ended = child.then(
        () => true,
        () => true,
      );
      await until(() => Promise.resolve(seen().order.length >= begun), 180_000);
      await sleep(pause);
      child.kill("SIGKILL");
      await ended;
      const before = seen().templates.size;
      await world.engine.cancel(world.stack);
      mustSucceed(await world.up());
      const { most, templates, order } = seen();
      const told = `round ${round}: killed ${Math.round(pause)} ms after workload ${begun} began (${before} begun)`;
      figures.push(`${told}: at most ${most} at once, ${[...templates.values()].join("")}`);
      expect(Object.fromEntries(templates), told).to.deep.equal(once(names));
      expect(most, told).to.be.at.most(k);
      expectInOrder(order, names, k);
    }
    mustSucceed(await world.up(["--expect-no-changes"]));
    if (process.env["CASA_UPGRADE_KILLS"] !== undefined) console.log(figures.join("\n"));
  });

  it("restarts nothing for an upgrade that changes nothing injected, when records are lost, nor on destroy", async () => {
    const names = await deploy(3, 1);
    await world.config({ restarts: undefined });
    await world.useVersion("0.2.0");
    const upgraded = await watch();
    mustSucceed(await world.up());
    expect(upgraded().order).to.have.length(3);
    const seen = await watch();
    await world.useVersion("0.2.1");
    mustSucceed(await world.up());
    const lose = () => world.kubectl(["delete", "configmaps", "-n", RELEASE_NAMESPACE, ...RECORDS]);
    await lose();
    const lost = await world.preview();
    expect(lost.ok).to.equal(false);
    const [, args = ""] = /Fix: pulumi (refresh .*?) \(/.exec(lost.text) ?? [];
    await world.engine.pulumi([...args.replaceAll("'", "").split(" "), "--stack", world.stack]);
    mustSucceed(await world.up());
    await world.kubectl(["get", "configmaps", "-n", RELEASE_NAMESPACE, ...RECORDS]);
    // All that the stack made is gone by hand before it is destroyed, and a workload, too.
    const [gone = ""] = names;
    await world.kubectl(["delete", "deployment", gone.replace(/.*\//, ""), "-n", namespace]);
    await world.kubectl(["delete", "crd", "multiagentsystems.casa.io", "casapolicies.casa.io"]);
    await world.kubectl(["delete", "namespace", RELEASE_NAMESPACE]);
    const destroyed = await world.engine.destroy(world.stack);
    expect(destroyed.exitCode, destroyed.all).to.equal(0);
    expect(seen().order).to.deep.equal([]);
  });
});

/** Of those that begin at the same moment any may be the first. */
function expectInOrder(order: string[], names: string[], k: number): void {
  order.forEach((name, place) => expect(names.indexOf(name), order.join(" ")).to.be.below(place + k));
}

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
async function behave(world: World, namespace: string, workload: string, behavior: string | null): Promise<void> {
  const annotations = { "sandbox.casa-upgrade.dev/behavior": behavior };
  const patch = JSON.stringify({ spec: { template: { metadata: { annotations } } } });
  const name = workload.replace(/.*\//, "");
  await world.kubectl(["patch", "deployment", name, "-n", namespace, "--type=merge", "-p", patch]);
}

async function pods(world: World, namespace: string) {
  const { items } = await world.json<{
    items: {
      metadata: { name: string; annotations?: Record<string, string> };
      status: { conditions?: { type: string; status: string }[] };
    }[];
  }>("pods", "-n", namespace);
  return items.map(({ metadata, status }) => ({
    name: metadata.name,
    stamped: metadata.annotations?.["casa-upgrade.dev/config-stamp"] !== undefined,
    ready: (status.conditions ?? []).some((one) => one.type === "Ready" && one.status === "True"),
  }));
}

async function until(condition: () => Promise<boolean>, timeout: number): Promise<void> {
  const end = Date.now() + timeout;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error("the condition was not met in time");
    await sleep(50);
  }
}
