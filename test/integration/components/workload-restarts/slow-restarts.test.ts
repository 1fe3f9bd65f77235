import { createServer, connect as open } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { STAMP_ANNOTATION } from "../../../../components/workload-restarts/stamp";
import { readWorkloads } from "../../../../kubernetes/workloads";
import { freePorts } from "../../../../sandbox/cluster/ports";
import { BEHAVIOR, deployment, namespace, statefulSet } from "../../../fixtures/mas";
import { ClusterFixture } from "../../world/cluster-fixture";
import { eventually } from "../../world/eventually";

const OPTIONS = { replicas: 1, readyAfter: "0s" };

/** Restarts that kubectl goes through with, or waits for without a word. */
describe("restarts that take their time", function () {
  this.timeout(120_000);
  let world: ClusterFixture;
  before(async function () {
    this.timeout(300_000);
    world = await ClusterFixture.start();
  });
  after(async () => world?.stop());

  const status = (at: string, kind: string, name: string, seconds: number) =>
    world.kubectl("rollout", "status", `${kind}/${name}`, "-n", at, `--timeout=${seconds}s`);
  async function running(at: string, kind: string, object: { metadata: { name: string } }): Promise<void> {
    await world.apply(namespace(at), object);
    await status(at, kind, object.metadata.name, 30);
  }
  /** Restarts as the program does. @returns what the gate is told. */
  async function restart(at: string, kind: string, name: string, spec: object = {}) {
    const annotations = {
      [STAMP_ANNOTATION]: "new",
      [BEHAVIOR]: null,
      ...("behavior" in spec ? (spec.behavior as object) : {}),
    };
    const patch = JSON.stringify({ spec: { template: { metadata: { annotations } } } });
    await world.kubectl("patch", kind.toLowerCase(), name, "-n", at, "--type=merge", "-p", patch);
    return { kind, namespace: at, name, stamp: "new", mode: "istio", timeoutSeconds: 60 };
  }
  const gate = (job: object, env: NodeJS.ProcessEnv = {}) => world.program("restart-gate", job, { env });
  const patchPod = (at: string, pod: string, patch: object, ...more: string[]) =>
    world.kubectl("patch", "pod", pod, "-n", at, "--type=merge", "-p", JSON.stringify(patch), ...more);

  it("old pods that end slowly while the quota is full are waited for", async () => {
    const at = "leaving";
    const made = deployment(at, "agent", OPTIONS);
    const { metadata = {}, ...template } = made.spec?.template ?? {};
    const held = { ...template, metadata: { ...metadata, finalizers: ["example.com/slow"] } };
    const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } };
    await running(at, "deployment", { ...made, spec: { ...made.spec, strategy, template: held } } as typeof made);
    const quota = { apiVersion: "v1", kind: "ResourceQuota", metadata: { namespace: at, name: "q" } };
    await world.apply({ ...quota, spec: { hard: { pods: "1" } } });
    await world.kubectl("wait", "quota/q", "-n", at, "--for=jsonpath={.status.used.pods}=1", "--timeout=30s");
    const ended = setInterval(() => void release().catch(() => undefined), 1000);
    const leaving = new Map<string, number>();
    const release = async () => {
      const path = "{range .items[?(@.metadata.deletionTimestamp)]}{.metadata.name}{'\\n'}{end}";
      const found = await world.kubectl("get", "pods", "-n", at, "-o", `jsonpath=${path}`);
      for (const pod of found.split("\n").filter((name) => name)) {
        if (!leaving.has(pod)) leaving.set(pod, Date.now());
        // Longer than an obstacle must stand in the way to count.
        if (Date.now() - (leaving.get(pod) ?? 0) > 11_000) await patchPod(at, pod, { metadata: { finalizers: null } });
      }
    };
    try {
      const result = await gate({ ...(await restart(at, "Deployment", "agent")), timeoutSeconds: 90 });
      // The quota has no room for the question either.
      expect(result.stderr).to.match(
        /^Deployment.leaving.agent is restarted; whether its pods have what .*exceeded quota/,
      );
      expect(result.exitCode).to.equal(0);
      expect(leaving.size).to.equal(1);
    } finally {
      clearInterval(ended);
    }
  });

  it("a registry that fails for a moment is asked again by the kubelet", async () => {
    const at = "pull";
    await running(at, "deployment", deployment(at, "agent", OPTIONS));
    const job = await restart(at, "Deployment", "agent", { behavior: { [BEHAVIOR]: "never-ready" } });
    let pod = "";
    await eventually(async () => {
      const byAge = ["--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[-1:].metadata.name}"];
      pod = await world.kubectl("get", "pods", "-n", at, "--field-selector=status.phase=Running", ...byAge);
      const stamp = await world.kubectl("get", "pod", pod, "-n", at, "-o", `jsonpath={.metadata.annotations}`);
      expect(stamp).to.contain('"new"');
    });
    const container = { name: "agent", image: "x", imageID: "", ready: false, restartCount: 0 };
    const waiting = { reason: "ImagePullBackOff", message: 'Back-off pulling image "x": 502 Bad Gateway' };
    await patchPod(
      at,
      pod,
      { status: { containerStatuses: [{ ...container, state: { waiting } }] } },
      "--subresource=status",
    );
    const looking = gate(job);
    await sleep(12_000);
    const now = new Date().toISOString();
    const conditions = ["Ready", "ContainersReady", "Initialized", "PodScheduled"].map((type) => ({
      ...{ type, status: "True", lastTransitionTime: now },
    }));
    const up = [{ ...container, ready: true, state: { running: { startedAt: now } } }];
    await patchPod(at, pod, { status: { conditions, containerStatuses: up } }, "--subresource=status");
    const result = await looking;
    expect(result.stderr).to.equal("");
    expect(result.seconds).to.be.above(11);
  });

  it("a StatefulSet that waits for a broken pod of its old template: the pod to delete is named", async () => {
    const at = "in-order";
    await world.apply(
      namespace(at),
      statefulSet(at, "ordered", { replicas: 2, readyAfter: "0s", crashLoop: "ordered" }),
    );
    await eventually(async () =>
      expect(await world.kubectl("get", "pods", "-n", at)).to.match(/ordered-0 .*(CrashLoop|Error)/),
    );
    const job = await restart(at, "StatefulSet", "ordered");
    const byHand = await status(at, "statefulset", "ordered", 5).catch((error: Error) => error.message);
    expect(byHand).to.contain("timed out");
    const failed = await gate(job);
    expect(failed.exitCode).to.equal(1);
    expect(failed.seconds).to.be.below(40);
    const line = /delete it: (kubectl delete pod ordered-0 --namespace in-order)/.exec(failed.stderr)?.[1];
    await world.paste(`${line ?? "false"} --wait=false`);
    expect((await gate(job)).stderr).to.equal("");
  });

  it("a workload that is being deleted: its controller does nothing any more", async () => {
    const at = "deleted";
    const made = deployment(at, "agent", OPTIONS);
    await running(at, "deployment", made);
    const finalizers = JSON.stringify({ metadata: { finalizers: ["example.com/never"] } });
    await world.kubectl("patch", "deployment", "agent", "-n", at, "--type=merge", "-p", finalizers);
    await world.kubectl("delete", "deployment", "agent", "-n", at, "--wait=false");
    expect((await readWorkloads(world.client, [at]))[0]).to.include({ deleting: true });
    const failed = await gate(await restart(at, "Deployment", "agent"));
    expect(failed.stderr).to.contain("it is being deleted");
    expect(failed.seconds).to.be.below(20);
  });

  it("a rollout that was stuck before is known as such", async () => {
    const at = "stuck";
    const made = deployment(at, "agent", OPTIONS);
    await running(at, "deployment", made);
    const spec = { progressDeadlineSeconds: 1, template: { metadata: { annotations: { [BEHAVIOR]: "never-ready" } } } };
    await world.kubectl("patch", "deployment", "agent", "-n", at, "--type=merge", "-p", JSON.stringify({ spec }));
    await eventually(async () =>
      expect((await readWorkloads(world.client, [at]))[0]).to.include({ failing: true, available: 1, replicas: 1 }),
    );
    expect(await status(at, "deployment", "agent", 5).catch((error: Error) => error.message)).to.contain("deadline");
  });

  it("an API server that does not answer at the very beginning", async () => {
    const at = "begins";
    await running(at, "deployment", deployment(at, "agent", OPTIONS));
    const job = await restart(at, "Deployment", "agent");
    const [port = 0] = await freePorts(1);
    const target = Number(
      new URL(await world.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")).port,
    );
    const KUBECONFIG = await world.kubeconfig({ server: `https://127.0.0.1:${port}` });
    const looking = world.program("restart-gate", job, { env: { KUBECONFIG }, context: "c" });
    await sleep(3000);
    const server = createServer((socket) => {
      const onward = open(target, "127.0.0.1");
      socket.pipe(onward).pipe(socket);
      for (const one of [socket, onward]) one.on("error", () => [socket, onward].forEach((both) => both.destroy()));
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const { exitCode, stderr, seconds } = await looking;
    server.close();
    expect({ exitCode, stderr }).to.deep.equal({ exitCode: 0, stderr: "" });
    expect(seconds).to.be.above(2.5);
  });
});
