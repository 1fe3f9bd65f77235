import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { readStartupTimes } from "../../../../components/workload-restarts/cluster/startup-times";
import { BEHAVIOR, deployment, namespace, statefulSet } from "../../../fixtures/mas";
import { ClusterFixture } from "../../world/cluster-fixture";

describe("start-up times of running pods", function () {
  this.timeout(120_000);
  let world: ClusterFixture;

  before(async () => {
    world = await ClusterFixture.start();
    const crashing = deployment("mas-a", "crashing", { readyAfter: undefined });
    crashing.spec!.template.metadata!.annotations = { [BEHAVIOR]: "crash-loop" };
    await world.apply(
      ...["mas-a", "mas-b"].map(namespace),
      deployment("mas-a", "slow-one", { replicas: 3, readyAfter: "3s" }),
      statefulSet("mas-a", "ordered", { replicas: 2, readyAfter: "3s" }),
      deployment("mas-b", "quick", { replicas: 1, readyAfter: "0s" }),
      deployment("mas-a", "never", { neverReady: "never" }),
      crashing,
    );
    for (const [at, name] of [
      ["mas-a", "deployment/slow-one"],
      ["mas-a", "statefulset/ordered"],
      ["mas-b", "deployment/quick"],
    ] as const) {
      await world.kubectl("rollout", "status", name, "--namespace", at, "--timeout=60s");
    }
  });
  after(async () => world?.stop());

  it("tells how long pods took, and nothing of pods that are not ready or crash", async () => {
    const before = world.client.requestCount;
    const times = await readStartupTimes(world.client, ["mas-a", "mas-b", "mas-a"]);
    expect([...times.keys()].sort()).to.deep.equal([
      "Deployment/mas-a/slow-one",
      "Deployment/mas-b/quick",
      "StatefulSet/mas-a/ordered",
    ]);
    // The API server keeps whole seconds.
    expect(times.get("Deployment/mas-a/slow-one")).to.be.within(2, 6);
    expect(times.get("StatefulSet/mas-a/ordered")).to.be.within(2, 6);
    expect(times.get("Deployment/mas-b/quick")).to.be.within(0, 1);
    // Discovery of the core group, then one list for each namespace.
    expect(world.client.requestCount - before).to.be.at.most(3);
  });

  it("asks for all pods at once when there are many namespaces, and leaves the others' out", async () => {
    const many = ["mas-b", ...Array.from({ length: 30 }, (_, i) => `absent-${i}`)];
    const before = world.client.requestCount;
    const times = await readStartupTimes(world.client, many);
    expect([...times.keys()]).to.deep.equal(["Deployment/mas-b/quick"]);
    expect(world.client.requestCount - before).to.equal(1);
  });

  it("is empty for a user who may not list pods; a bounded number of requests tries", async () => {
    const client = await world.clientOf("outsider");
    expect((await readStartupTimes(client, ["mas-a"])).size).to.equal(0);
    const before = client.requestCount;
    const many = Array.from({ length: 30 }, (_, i) => `n-${i}`);
    expect((await readStartupTimes(client, many)).size).to.equal(0);
    expect(client.requestCount - before).to.be.at.most(21);
  });

  it("a user of some namespaces gets those", async () => {
    const client = await world.clientOf("guest");
    await world.kubectl(
      ...["create", "rolebinding", "guest", "--namespace", "mas-b", "--clusterrole=view"],
      "--serviceaccount=default:guest",
    );
    let times = new Map<string, number>();
    // The authorizer learns of a new binding a moment later.
    for (const end = Date.now() + 10_000; Date.now() < end && times.size === 0; await sleep(200)) {
      times = await readStartupTimes(client, ["mas-a", "mas-b"]);
    }
    expect([...times.keys()]).to.deep.equal(["Deployment/mas-b/quick"]);
  });
});
