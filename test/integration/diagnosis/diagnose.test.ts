import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { explainRelease, explainWorkloads } from "../../../diagnosis/diagnose";
import { connect } from "../../../kubernetes/connect";
import { ClusterFixture } from "../world/cluster-fixture";

const BEHAVIOR = "sandbox.casa-upgrade.dev/behavior";

/** Workloads that fail in the ways that upgrades fail, and what is said of them. */
describe("explaining why a workload is not available", function () {
  this.timeout(120_000);
  let world: ClusterFixture;

  before(async () => {
    world = await ClusterFixture.start();
    await world.kubectl("create", "namespace", "a");
  });
  after(async () => world?.stop());

  function workload(kind: string, name: string, annotations: object, podSpec: object = {}, more: object = {}): object {
    const labels = { app: name };
    return {
      apiVersion: kind === "Job" ? "batch/v1" : "apps/v1",
      kind,
      metadata: { namespace: "a", name },
      spec: {
        ...(kind === "Job" ? {} : { selector: { matchLabels: labels } }),
        ...(kind === "StatefulSet" ? { serviceName: name } : {}),
        ...more,
        template: {
          metadata: { labels, annotations },
          spec: {
            containers: [{ name: "main", image: "registry.example/x:1" }],
            ...(kind === "Job" ? { restartPolicy: "Never" } : {}),
            ...podSpec,
          },
        },
      },
    };
  }

  /** Asks until the answer holds the text: controllers, scheduler and events take their time. */
  async function explained(kind: string, name: string, expected: string): Promise<string> {
    let text = "";
    for (const end = Date.now() + 40_000; Date.now() < end; await sleep(300)) {
      text = await explainWorkloads(world.client, [{ kind, namespace: "a", name }]);
      if (text.includes(expected)) return text;
    }
    throw new Error(`"${expected}" is not in: ${text}`);
  }

  it("a crash loop: waiting reason, exit code, restarts, the log", async () => {
    await world.apply(workload("Deployment", "crash", { [BEHAVIOR]: "crash-loop" }));
    await explained("Deployment", "crash", "Deployment a/crash: 1 of 1 replicas updated, 0 available\n");
    const text = await explained("Deployment", "crash", "CrashLoopBackOff");
    expect(text).to.match(/pod crash-\S+: Running/);
    expect(text).to.match(/container main: CrashLoopBackOff.*, \d+ restarts?; before that ended with exit code 1/);
    await explained("Deployment", "crash", "      | ERROR: database migration failed, exiting with code 1");
  });

  it("never ready, until the Deployment gives up", async () => {
    await world.apply(
      workload("Deployment", "slow", { [BEHAVIOR]: "never-ready" }, {}, { progressDeadlineSeconds: 1 }),
    );
    const text = await explained("Deployment", "slow", "ProgressDeadlineExceeded");
    expect(text).to.contain("container main: running, but not ready, 0 restarts");
  });

  it("no node for the pod; the newest pod of a StatefulSet", async () => {
    await world.apply(workload("StatefulSet", "nowhere", {}, { nodeSelector: { disk: "none" } }));
    // The scheduler writes the event and the pod's condition one after the other, in either order.
    await explained("StatefulSet", "nowhere", "event FailedScheduling");
    await explained("StatefulSet", "nowhere", "pod nowhere-0: Pending; not scheduled: 0/2 nodes are available");
  });

  it("pods that cannot even be created: the ReplicaSet's warning", async () => {
    await world.apply({
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { namespace: "a", name: "tight" },
      spec: { hard: { "limits.cpu": "0" } },
    });
    // A quota holds from the moment on when its controller has counted; a pod that is created before is let through.
    await world.kubectl("wait", "resourcequota/tight", "-n", "a", "--for=jsonpath={.status.hard.limits\\.cpu}=0");
    await world.apply(workload("Deployment", "quota", {}));
    try {
      await explained("Deployment", "quota", "event FailedCreate");
      const text = await explained("Deployment", "quota", "ReplicaFailure: FailedCreate");
      expect(text).to.contain("failed quota: tight");
      expect(text.match(/event /g)).to.have.length(1);
    } finally {
      await world.kubectl("delete", "resourcequota", "tight", "-n", "a");
    }
  });

  it("a DaemonSet and a Job", async () => {
    await world.apply(
      workload("DaemonSet", "everywhere", { [BEHAVIOR]: "never-ready" }),
      workload("Job", "migrate", { [BEHAVIOR]: "never-ready" }),
    );
    await explained("DaemonSet", "everywhere", "2 of 2 pods updated, 0 available");
    await explained("DaemonSet", "everywhere", "running, but not ready");
    await explained("Job", "migrate", "0 of 1 completed, 0 failed, 1 running");
    await explained("Job", "migrate", "running, but not ready");
  });

  it("a release: the workloads that lag and no others", async () => {
    const fine = workload("Deployment", "fine", {});
    await world.apply(fine);
    await world.kubectl("rollout", "status", "deployment/fine", "-n", "a", "--timeout", "60s");
    const object = (kind: string, name: string) => ({ apiVersion: "apps/v1", kind, metadata: { name } });
    const text = await explainRelease(world.client, "a", [
      object("Deployment", "fine"),
      object("Deployment", "crash"),
      object("Deployment", "gone"),
    ]);
    expect(text)
      .to.contain("Deployment a/crash:")
      .and.contain("Deployment a/gone does not exist")
      .and.not.contain("fine");
    expect(await explainRelease(world.client, "a", [object("Deployment", "fine")])).to.contain(
      "every workload of the release is rolled out",
    );
  });

  it("a release: what else helm waits for until its time limit", async () => {
    const service = (name: string, type: string) => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: "a", name },
      spec: { type, ports: [{ port: 80 }] },
    });
    const claim = {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { namespace: "a", name: "volume" },
      spec: { storageClassName: "none", accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    };
    const objects = [service("balanced", "LoadBalancer"), service("plain", "ClusterIP"), claim];
    await world.apply(...objects);
    const read = async () => explainRelease(world.client, "a", objects);
    let text = await read();
    for (const end = Date.now() + 40_000; Date.now() < end && !text.includes("event "); await sleep(300)) {
      text = await read();
    }
    expect(text.split("\n")[0]).to.equal(
      "Service a/balanced: helm waits for it, and no load balancer has given it an address",
    );
    expect(text).to.contain("PersistentVolumeClaim a/volume: helm waits for it, and it is not bound (Pending)");
    expect(text).to.contain("event ProvisioningFailed").and.not.contain("plain");
    const status = { status: { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } } };
    const patch = ["patch", "service", "balanced", "-n", "a", "--subresource=status", "--type=merge"];
    await world.kubectl(...patch, "-p", JSON.stringify(status));
    expect(await read()).not.to.contain("balanced");
  });

  it("never takes longer than its limit, whatever the cluster does, and never throws", async () => {
    const { kubeconfig, context } = world.cluster;
    const client = await connect({ kubeconfig, context, timeoutSeconds: 60 });
    await client.apiVersions();
    await world.cluster.stopApiServer();
    try {
      const name = { kind: "Deployment", namespace: "a", name: "crash" };
      expect(await explainWorkloads(client, [name])).to.contain("its state cannot be read: ");
    } finally {
      await world.cluster.startApiServer();
    }
    const started = Date.now();
    const text = await explainWorkloads(world.client, [{ kind: "Deployment", namespace: "a", name: "crash" }], {
      limitMs: 0,
    });
    expect(text).to.contain("could not be read in time");
    expect(Date.now() - started).to.be.lessThan(1_000);
  });
});
