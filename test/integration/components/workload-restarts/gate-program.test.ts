import { expect } from "chai";
import { BROKEN_ANNOTATION, STAMP_ANNOTATION } from "../../../../components/workload-restarts/stamp";
import { BEHAVIOR, deployment, namespace, statefulSet } from "../../../fixtures/mas";
import { ClusterFixture } from "../../world/cluster-fixture";

const PROGRAM = "components/workload-restarts/cluster/gate-program.ts";
const NAMESPACE = "mas-gate";
/** Longer than anything here may take: who waits for it fails the test. */
const LIMIT = 120;

describe("gate program", function () {
  this.timeout(180_000);
  let world: ClusterFixture;

  before(async () => {
    world = await ClusterFixture.start();
    const options = { replicas: 1, readyAfter: "0s" };
    await world.apply(
      namespace(NAMESPACE),
      namespace("full"),
      ...["slow", "pulls", "late"].map((name) => deployment(NAMESPACE, name, options)),
      deployment("full", "quota", options),
      statefulSet("full", "ordered", options),
    );
    for (const at of [NAMESPACE, "full"]) {
      await world.kubectl("rollout", "status", "deployments,statefulsets", "-n", at, "--timeout=30s");
    }
  });
  after(async () => world?.stop());

  async function restart(at: string, kind: string, name: string, annotations: Record<string, string> = {}) {
    const template = { metadata: { annotations: { [STAMP_ANNOTATION]: "new", ...annotations } } };
    await world.kubectl(
      ...["patch", kind.toLowerCase(), name, "-n", at, "--type=merge", "-p", JSON.stringify({ spec: { template } })],
    );
    return (more: object = {}) =>
      world.program(PROGRAM, {
        ...{ kind, namespace: at, name, stamp: "new", mode: "istio", timeoutSeconds: LIMIT },
        ...more,
      });
  }

  it("passes when the pods are there, and waits for them as long as it may", async () => {
    const gate = await restart(NAMESPACE, "Deployment", "slow", { "sandbox.casa-upgrade.dev/ready-after": "2s" });
    expect(await gate()).to.include({ exitCode: 0, stderr: "" });
    const never = await restart(NAMESPACE, "Deployment", "slow", { [BEHAVIOR]: "never-ready" });
    const failed = await never({ timeoutSeconds: 2 });
    expect(failed.exitCode).to.equal(1);
    expect(failed.stderr).to.contain(
      `Deployment/${NAMESPACE}/slow did not become available within 2 s: 1 of 1 replicas`,
    );
    expect(failed.stderr).to.contain("Readiness probe failed");
  });

  it("one that was broken before is told, and fails nothing; a stamp that is taken away fails all the same", async () => {
    const gate = await restart(NAMESPACE, "Deployment", "slow", { [BEHAVIOR]: "never-ready" });
    const passed = await gate({ brokenBefore: true, timeoutSeconds: 2 });
    expect(passed.exitCode).to.equal(0);
    expect(passed.stderr).to.contain("was not available before the upgrade either, and does not stop it");
    const lost = await gate({ brokenBefore: true, stamp: "other" });
    expect(lost.exitCode).to.equal(1);
    expect(lost.stderr).to.contain(`somebody took the annotation ${STAMP_ANNOTATION}`);
    expect(BROKEN_ANNOTATION).not.to.equal(STAMP_ANNOTATION);
  });

  it("an image that cannot be pulled fails in seconds", async () => {
    const gate = await restart(NAMESPACE, "Deployment", "pulls", { [BEHAVIOR]: "never-ready" });
    const selector = ["-n", NAMESPACE, "-l", "app.kubernetes.io/name=pulls"];
    await world.kubectl("wait", "pods", ...selector, "--for=jsonpath={.status.phase}=Running", "--timeout=20s");
    const names = (
      await world.kubectl("get", "pods", ...selector, "-o", "name", "--sort-by=.metadata.creationTimestamp")
    )
      .split("\n")
      .at(-1);
    const waiting = { reason: "ImagePullBackOff", message: "Back-off pulling image" };
    const containerStatuses = [
      { name: "agent", image: "x", imageID: "", ready: false, restartCount: 0, state: { waiting } },
    ];
    await world.kubectl(
      ...["patch", names ?? "", "-n", NAMESPACE, "--subresource=status", "--type=merge"],
      ...["-p", JSON.stringify({ status: { containerStatuses } })],
    );
    const failed = await gate();
    expect(failed.stderr).to.match(
      /Deployment\/mas-gate\/pulls cannot be restarted: pod \S+, container agent: ImagePull/,
    );
    expect(failed.seconds).to.be.below(30);
  });

  it("pods that a quota refuses fail in seconds, of a StatefulSet, too", async () => {
    const quota = { hard: { pods: "1" } };
    await world.apply({
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { namespace: "full", name: "q" },
      spec: quota,
    });
    await world.kubectl("wait", "resourcequota/q", "-n", "full", "--for=jsonpath={.status.hard.pods}=1");
    const gates = await Promise.all([
      restart("full", "Deployment", "quota").then((gate) => gate()),
      restart("full", "StatefulSet", "ordered").then((gate) => gate()),
    ]);
    for (const { exitCode, stderr, seconds } of gates) {
      expect(exitCode).to.equal(1);
      expect(stderr).to.match(/cannot be restarted: .*FailedCreate.*exceeded quota: q/);
      expect(seconds).to.be.below(40);
    }
  });

  it("the progress deadline of the Deployment ends the wait", async () => {
    await world.kubectl(
      ...["patch", "deployment", "late", "-n", NAMESPACE, "--type=merge"],
      ...["-p", JSON.stringify({ spec: { progressDeadlineSeconds: 3 } })],
    );
    const gate = await restart(NAMESPACE, "Deployment", "late", { [BEHAVIOR]: "never-ready" });
    const failed = await gate();
    expect(failed.stderr).to.contain("cannot be restarted: Progressing: ProgressDeadlineExceeded");
    expect(failed.seconds).to.be.below(30);
  });
});
