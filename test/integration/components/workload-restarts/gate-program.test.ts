import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { injectionProblem } from "../../../../components/workload-restarts/cluster/injection";
import { readInjection } from "../../../../components/workload-restarts/cluster/read-injection";
import { SidecarInjector } from "../../world/sidecar-injector";
import { readOtherWorkloads } from "../../../../components/workload-restarts/cluster/other-workloads";
import { refusedPods } from "../../../../components/workload-restarts/cluster/refused-pods";
import { readSurroundings } from "../../../../components/workload-restarts/cluster/read-surroundings";
import { NO_INJECTION_FACTS } from "../../../../components/workload-restarts/injection-facts";
import { surroundingWarnings } from "../../../../components/workload-restarts/surroundings";
import { planRestarts } from "../../../../components/workload-restarts/restarts";
import { nameWorkloads } from "../../../../components/workload-restarts/targets";
import { readWorkloads } from "../../../../kubernetes/workloads";
import { restartChanges } from "../../../../review/restart-objects";
import { BROKEN_ANNOTATION, STAMP_ANNOTATION } from "../../../../components/workload-restarts/stamp";
import { BEHAVIOR, READY_AFTER, deployment, namespace, statefulSet } from "../../../fixtures/mas";
import { ClusterFixture, refusal } from "../../world/cluster-fixture";
import { eventually } from "../../world/eventually";

const PROGRAM = "restart-gate";
const HOOK = "casa-sidecar-injector";
const CILIUM = { mode: "cilium", webhook: HOOK } as const;
const NAMESPACE = "mas-gate";
/** Longer than anything here may take: who waits for it fails the test. */
const LIMIT = 120;

describe("a restarted workload on the cluster", function () {
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

  it("one that is deleted, replaced, paused or scaled to 0 meanwhile ends the wait, and is no failure", async () => {
    const at = "leaving";
    const names = ["deleted", "replaced", "paused", "asleep"];
    const slow = { replicas: 1, readyAfter: "0s" };
    await world.apply(namespace(at), ...names.map((name) => deployment(at, name, slow)));
    await world.kubectl("rollout", "status", "deployments", "-n", at, "--timeout=30s");
    await world.kubectl("rollout", "pause", "deployment", "paused", "-n", at);
    // Not even kubectl restarts it.
    const byHand = world.kubectl("rollout", "restart", "deployment", "paused", "-n", at);
    expect(await refusal(byHand)).to.contain("can't restart paused deployment");
    const gates = names.map(async (name) => (await restart(at, "Deployment", name, { [BEHAVIOR]: "never-ready" }))());
    await eventually(async () => {
      const stamped = await readWorkloads(world.client, [at]);
      expect(stamped.every(({ podAnnotations }) => podAnnotations[STAMP_ANNOTATION] === "new")).to.equal(true);
    });
    await sleep(3_000);
    await world.kubectl("delete", "deployment", "deleted", "replaced", "-n", at);
    await world.apply(deployment(at, "replaced", slow));
    await world.kubectl("scale", "deployment", "asleep", "-n", at, "--replicas=0");
    const [deleted, replaced, paused, asleep] = await Promise.all(gates);
    expect(deleted).to.include({ exitCode: 0 });
    expect(deleted?.stderr).to.equal("Deployment/leaving/deleted is not waited for any more: it was deleted");
    expect(replaced?.stderr).to.match(/replaced is not waited for any more: (it was deleted|another one of its name)/);
    expect(replaced).to.include({ exitCode: 0 });
    expect(JSON.parse(paused?.stdout ?? "")).to.include({ left: "paused" });
    expect(paused?.stderr).to.contain("kubectl rollout resume deployment paused --namespace leaving");
    expect(asleep).to.include({ exitCode: 0, stderr: "", stdout: "" });
    // Its pods cannot be created any more.
    const going = await restart(at, "Deployment", "replaced");
    await world.kubectl("delete", "namespace", at, "--wait=false");
    expect(await going()).to.include({ exitCode: 0 });
    // Nor does one that goes while the review is made refuse the upgrade.
    const targets = [{ kind: "Deployment" as const, namespace: NAMESPACE, name: "gone", done: false }];
    const plan = { groups: [{ name: "all", targets }], skipped: [], stale: [] };
    const [change] = await restartChanges(world.client, plan, [], "new");
    expect(change?.check).to.include({ result: "unchecked" });
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
    const waiting = { reason: "ImagePullBackOff", message: 'Back-off pulling image "x": not found' };
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
    await world.kubectl("wait", "resourcequota/q", "-n", "full", "--for=jsonpath={.status.used.pods}=2");
    const workloads = await readWorkloads(world.client, ["full"]);
    const targets = workloads.map(({ kind, namespace: at, name }) => ({ kind, namespace: at, name, done: false }));
    const toRestart = { groups: [{ name: "all", targets }], skipped: [], stale: [] };
    const around = await readSurroundings(world.client, ["full"]);
    expect(surroundingWarnings(toRestart, workloads, around, { places: 1, changes: [] }).join()).to.contain(
      "quota q of namespace full",
    );
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

  it("a quota that other restarts fill is waited for; the review asks for each new pod, with the limits of all", async () => {
    const at = "shared";
    const options = { replicas: 1, readyAfter: "0s" };
    await world.apply(namespace(at), deployment(at, "first", options), deployment(at, "second", options));
    await world.apply({
      ...{ apiVersion: "v1", kind: "ResourceQuota", metadata: { namespace: at, name: "q" } },
      spec: { hard: { pods: "3" } },
    });
    await world.kubectl("rollout", "status", "deployments", "-n", at, "--timeout=30s");
    const gates = await Promise.all(
      ["first", "second"].map((name) =>
        restart(at, "Deployment", name, { [READY_AFTER]: "6s" }).then((gate) => gate()),
      ),
    );
    for (const gate of gates) expect(gate).to.include({ exitCode: 0, stderr: "" });

    const refused = async () => {
      const workloads = await readWorkloads(world.client, [at]);
      const targets = workloads.map(({ kind, name }) => ({ kind, namespace: at, name, done: false }));
      const plan = { groups: [{ name: "all", targets }], skipped: [], stale: [] };
      return (await refusedPods(world.client, plan, workloads, NO_INJECTION_FACTS)).join("\n");
    };
    expect(await refused()).to.equal("");
    const resources = { requests: { memory: "2Gi" } };
    const template = {
      metadata: { annotations: { [READY_AFTER]: "0s" } },
      spec: { containers: [{ name: "agent", resources }] },
    };
    const patch = JSON.stringify({ spec: { template } });
    await world.kubectl("patch", "deployment", "first", "-n", at, "-p", patch);
    await world.kubectl("rollout", "status", "deployments", "-n", at, "--timeout=30s");
    await world.apply({
      ...{ apiVersion: "v1", kind: "LimitRange", metadata: { namespace: at, name: "small" } },
      spec: { limits: [{ type: "Container", max: { memory: "1Gi" } }] },
    });
    await eventually(async () =>
      expect(await refused()).to.match(/^workloads that cannot be restarted .*: Deployment\/shared\/first \(.*1Gi/),
    );
    expect(await refused()).not.to.contain("shared/second");
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

  it("a DaemonSet is read, restarted and looked at like the others", async () => {
    const name = "per-node";
    const { spec, ...plain } = deployment(NAMESPACE, name, { readyAfter: "0s" });
    const { selector, template } = spec ?? {};
    await world.apply({ ...plain, kind: "DaemonSet", spec: { selector, template } });
    await world.kubectl("rollout", "status", `daemonset/${name}`, "-n", NAMESPACE, "--timeout=30s");
    const read = (await readWorkloads(world.client, [NAMESPACE])).find(({ kind }) => kind === "DaemonSet");
    expect(read).to.include({ name, replicas: 2, available: 2, rolledOut: true });
    const gate = await restart(NAMESPACE, "DaemonSet", name);
    expect(await gate()).to.include({ exitCode: 0, stderr: "" });
    const after = (await readWorkloads(world.client, [NAMESPACE])).find(({ kind }) => kind === "DaemonSet");
    expect(after).to.include({ updated: 2, rolledOut: true });
  });

  it("what is no such workload is told for what it is, and by what of any kind runs its pods", async () => {
    const at = "others";
    const pod = { containers: [{ name: "agent", image: "a" }], restartPolicy: "Never" };
    const labels = { app: "bare" };
    const jobTemplate = { spec: { template: { spec: pod } } };
    const ownedBy = (apiVersion: string, kind: string, name: string) => ({
      ownerReferences: [{ apiVersion, kind, name, uid: randomUUID(), controller: true }],
    });
    await world.apply(
      namespace(at),
      deployment(at, "asleep", { replicas: 0 }),
      {
        ...{ apiVersion: "batch/v1", kind: "CronJob", metadata: { namespace: at, name: "nightly" } },
        spec: { schedule: "0 3 * * *", jobTemplate },
      },
      {
        ...{ apiVersion: "apps/v1", kind: "ReplicaSet", metadata: { namespace: at, name: "bare" } },
        spec: {
          replicas: 1,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: pod.containers } },
        },
      },
      { apiVersion: "v1", kind: "Pod", metadata: { namespace: at, name: "single" }, spec: pod },
    );
    // Nobody collects what is of an owner whose kind is not served.
    const clone = { namespace: at, name: "clone-1", ...ownedBy("apps.kruise.io/v1alpha1", "CloneSet", "clone") };
    await world.apply({ apiVersion: "v1", kind: "Pod", metadata: clone, spec: pod });
    const names = ["asleep", "nightly", "bare", "single", "clone", "gone"];
    const named = nameWorkloads([{ namespace: at, name: "mas", workloads: names }], [], []);
    const workloads = await readWorkloads(world.client, [at]);
    const others = await readOtherWorkloads(world.client, named, workloads);
    const plan = planRestarts(
      named,
      workloads,
      "new",
      { stamp: "old", stale: [] },
      { canaries: [], exclude: [] },
      others,
    );
    expect(plan.skipped.map(({ workload, why }) => `${workload} ${why.code}`)).to.have.members([
      "Deployment/others/asleep no-replicas",
      "CronJob/others/nightly cron-job",
      "ReplicaSet/others/bare replica-set",
      "Pod/others/single not-restartable",
      "CloneSet/others/clone other-controller",
      "others/gone not-found",
    ]);
  });

  it("mode cilium: the injector's sidecar is asked for, restarted for and verified; one that is silent is found", async () => {
    const at = "cilium";
    const injector = await SidecarInjector.start(world.scratch);
    try {
      await world.apply(namespace(at), deployment(at, "agent", { replicas: 1, readyAfter: "0s" }));
      await world.kubectl("rollout", "status", "deployment/agent", "-n", at, "--timeout=30s");
      const lacking = async () => {
        const { lacking: found } = await readInjection(world.client, CILIUM, await readWorkloads(world.client, [at]));
        return found.get("Deployment/cilium/agent");
      };
      const askAbout = [{ kind: "Deployment" as const, namespace: at, name: "agent", injects: [] }];
      const problem = () =>
        injectionProblem(world.client, {
          ...{ mode: "cilium", namespace: at, sidecarDeployment: "" },
          webhook: HOOK,
          askAbout,
        });
      await world.apply(injector.webhook(HOOK));
      await eventually(async () => expect(await lacking()).to.equal("1 of 1 pods: has no container casa-proxy"));
      expect(await problem()).to.equal(undefined);
      const gate = await restart(at, "Deployment", "agent");
      expect(await gate({ mode: "cilium" })).to.include({ exitCode: 0, stderr: "" });
      expect(await lacking()).to.equal(undefined);
      injector.image = "registry.example/casa/sidecar:2";
      expect(await lacking()).to.contain("casa-proxy of registry.example/casa/sidecar:1, the injector's is");
      const other = await SidecarInjector.start(world.scratch, "other");
      await world.apply(injector.webhook(HOOK, other.caBundle));
      other.stop();
      await eventually(async () => expect(await problem()).to.contain("is asked about new pods and adds nothing"));
    } finally {
      injector.stop();
      await world.kubectl("delete", "mutatingwebhookconfiguration", HOOK);
    }
  });
});
