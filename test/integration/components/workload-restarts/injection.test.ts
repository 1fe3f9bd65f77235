import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { readInjection } from "../../../../components/workload-restarts/cluster/read-injection";
import { type AskAbout, injectionWarnings } from "../../../../components/workload-restarts/injection-facts";
import { STAMP_ANNOTATION } from "../../../../components/workload-restarts/stamp";
import { injectionProblem } from "../../../../components/workload-restarts/cluster/injection";
import { readWorkloads } from "../../../../kubernetes/workloads";
import { namespaceFacts } from "../../../../review/facts/namespaces";
import { installIstioCrds, type Istiod, startIstiod } from "../../../../sandbox/istio";
import type { Tools } from "../../../../sandbox/tools";
import { deployment, namespace, statefulSet } from "../../../fixtures/mas";
import { ClusterFixture } from "../../world/cluster-fixture";
import { istioOrSkip } from "../../world/istio-fixture";

const GATE = "restart-gate";
const ISTIO = { mode: "istio", webhook: "" } as const;

describe("what Istio's injector says of MAS pods", function () {
  this.timeout(180_000);
  let world: ClusterFixture;
  let istio: Tools;
  let istiod: Istiod;

  before(async function () {
    istio = await istioOrSkip(this);
    world = await ClusterFixture.start();
    await installIstioCrds(world.cluster, world.tools);
    // Started before there is an injector.
    await world.apply(
      ...["wide", "by-pod", "unserved", "ambient", "off", "templates"].map((name) => ({
        ...namespace(name),
        metadata: { name, labels: LABELS[name] ?? {} },
      })),
      deployment("wide", "old", { replicas: 2, readyAfter: "0s" }),
      deployment("wide", "opted-out", OPTIONS),
      statefulSet("wide", "ordered", OPTIONS),
      deployment("by-pod", "agent", OPTIONS),
      deployment("unserved", "agent", OPTIONS),
      deployment("ambient", "agent", OPTIONS),
      deployment("off", "agent", OPTIONS),
      deployment("templates", "grpc", OPTIONS),
      deployment("templates", "gateway", OPTIONS),
    );
    await patchTemplate("templates", "grpc", { annotations: { "inject.istio.io/templates": "grpc-agent" } });
    await patchTemplate("templates", "gateway", { annotations: { "inject.istio.io/templates": "gateway" } });
    const proxy = [
      { op: "replace", path: "/spec/template/spec/containers", value: [{ name: "istio-proxy", image: "auto" }] },
    ];
    const patch = JSON.stringify(proxy);
    await world.kubectl("patch", "deployment", "gateway", "-n", "templates", "--type=json", "-p", patch);
    await labelPods("wide", "opted-out", { "sidecar.istio.io/inject": "false" });
    await labelPods("by-pod", "agent", { "sidecar.istio.io/inject": "true" });
    for (const name of Object.keys(LABELS)) await available(name);
    istiod = await startIstiod(world.cluster, world.tools, istio);
  });
  after(async () => world?.stop());

  const LABELS: Record<string, Record<string, string>> = {
    wide: { "istio-injection": "enabled" },
    templates: { "istio-injection": "enabled" },
    "by-pod": {},
    unserved: { "istio.io/rev": "1-99" },
    ambient: { "istio.io/dataplane-mode": "ambient" },
    off: { "istio-injection": "disabled" },
  };
  const OPTIONS = { replicas: 1, readyAfter: "0s" };
  const available = (name: string) =>
    world.kubectl("rollout", "status", "deployments,statefulsets", "-n", name, "--timeout=30s");
  const labelPods = (at: string, name: string, labels: object) => patchTemplate(at, name, { labels });

  async function patchTemplate(at: string, name: string, metadata: object, kind = "deployment"): Promise<void> {
    const patch = JSON.stringify({ spec: { template: { metadata } } });
    await world.kubectl("patch", kind, name, "-n", at, "--type=merge", "-p", patch);
  }

  async function read(...namespaces: string[]) {
    const workloads = await readWorkloads(world.client, namespaces);
    return { workloads, injection: await readInjection(world.client, ISTIO, workloads) };
  }

  async function factsOf(name: string) {
    const { workloads, injection } = await read(name);
    const labels = new Map([
      [
        name,
        JSON.parse(await world.kubectl("get", "ns", name, "-o", "jsonpath={.metadata.labels}")) as Record<
          string,
          string
        >,
      ],
    ]);
    return namespaceFacts({ mode: "istio", mas: workloads, labels, workloads, injection })[0];
  }

  /** Restarts as the program does, and has the gate look. */
  async function restart(at: string, name: string, stamp: string, kind = "Deployment", timeoutSeconds = 20) {
    await patchTemplate(at, name, { annotations: { [STAMP_ANNOTATION]: stamp } }, kind.toLowerCase());
    return world.program(GATE, { kind, namespace: at, name, stamp, mode: "istio", timeoutSeconds });
  }

  it("tells pods that were started without a proxy from those that are not to have one", async () => {
    const { injection } = await read("wide", "by-pod", "off");
    expect(Object.fromEntries(injection.lacking)).to.deep.equal({
      "Deployment/by-pod/agent": "1 of 1 pods: has no container istio-init, has no container istio-proxy",
      "Deployment/wide/old": "2 of 2 pods: has no container istio-init, has no container istio-proxy",
      "StatefulSet/wide/ordered": "1 of 1 pods: has no container istio-init, has no container istio-proxy",
    });
    expect(injectionWarnings("istio", injection)).to.deep.equal([]);
  });

  it("a restart gives them the proxy, and the gate sees it", async () => {
    for (const [kind, at, name] of [
      ["Deployment", "wide", "old"],
      ["StatefulSet", "wide", "ordered"],
      ["Deployment", "by-pod", "agent"],
      ["Deployment", "wide", "opted-out"],
    ] as const) {
      const gate = await restart(at, name, "s1", kind);
      expect(gate.stderr, name).to.equal("");
      expect(gate.exitCode, name).to.equal(0);
    }
    expect((await read("wide", "by-pod")).injection.lacking.size).to.equal(0);
  });

  it("templates of another kind: proxyless gRPC, whose template names the agent's own container, and a gateway", async () => {
    const proxy = "1 of 1 pods: has no container istio-proxy";
    expect(Object.fromEntries((await read("templates")).injection.lacking)).to.deep.equal({
      "Deployment/templates/gateway": proxy,
      "Deployment/templates/grpc": proxy,
    });
    for (const name of ["grpc", "gateway"]) expect((await restart("templates", name, "s1")).stderr, name).to.equal("");
    expect((await read("templates")).injection.lacking.size).to.equal(0);
    expect(await factsOf("templates")).to.deep.include({ labelled: true });
  });

  it("a set-up by pod label is in order; others are told for what they are, with a fix that is right", async () => {
    expect(await factsOf("by-pod")).to.deep.include({ labelled: true });
    expect(await factsOf("unserved")).to.deep.include({
      labelled: false,
      why: "Deployment unserved/agent: no webhook serves its revision 1-99 (served: default)",
      fix: "kubectl label namespace unserved istio.io/rev=default --overwrite",
    });
    expect((await factsOf("ambient"))?.why).to.contain("it is in the ambient mesh");
    expect((await factsOf("off"))?.why).to.contain("istio-injection=disabled");
    expect(await factsOf("wide")).to.deep.include({
      labelled: false,
      why: "Deployment wide/opted-out: its pods say sidecar.istio.io/inject=false",
    });
    for (const name of ["unserved", "ambient", "off"]) {
      await world.paste((await factsOf(name))?.fix ?? "");
      expect(await factsOf(name), name).to.deep.include({ labelled: true });
    }
  });

  it("another control plane with another proxy: its pods are the ones to restart", async () => {
    const canary = await startIstiod(world.cluster, world.tools, istio, "canary", ["global.tag=1.99.0"]);
    await world.kubectl("label", "namespace", "wide", "istio-injection-", "istio.io/rev=canary");
    const { injection } = await read("wide");
    const image = "registry.istio.io/testing/proxyv2";
    expect(injection.lacking.get("Deployment/wide/old")).to.equal(
      `2 of 2 pods: was injected by revision default, not canary, ` +
        `has istio-init and istio-proxy of ${image}:latest, the injector's is ${image}:1.99.0`,
    );
    expect((await restart("wide", "old", "s2")).stderr).to.equal("");
    expect((await read("wide")).injection.lacking.has("Deployment/wide/old")).to.equal(false);
    canary.kill();
    await world.kubectl("label", "namespace", "wide", "istio.io/rev-", "istio-injection=enabled");
  });

  it("an injector that is down: said, waited for before the first restart, and no pod comes without a proxy", async () => {
    istiod.kill();
    const { injection } = await read("by-pod");
    expect(injectionWarnings("istio", injection).join()).to.match(
      /^no pod can be created in namespace by-pod now: .*failed calling webhook/,
    );
    const check = { mode: "istio", namespace: "by-pod", sidecarDeployment: "agent", webhook: "" } as const;
    const about: AskAbout = { kind: "Deployment", namespace: "by-pod", name: "agent", injects: ["istio-proxy"] };
    expect(await injectionProblem(world.client, { ...check, askAbout: [about] })).to.match(
      /cannot be created: .*webhook/,
    );
    const gate = restart("by-pod", "agent", "s2");
    await sleep(3000);
    await istiod.start();
    expect((await gate).exitCode, "it went on once the injector was back").to.equal(0);
    expect((await read("by-pod")).injection.lacking.size).to.equal(0);
    expect(await injectionProblem(world.client, { ...check, askAbout: [about] })).to.equal(undefined);
  });

  it("a pod that came without the proxy fails the gate by name, although it is available", async () => {
    const name = "istio-sidecar-injector";
    await world.kubectl("label", "namespace", "by-pod", "istio-injection=disabled");
    await patchTemplate("by-pod", "agent", { annotations: { [STAMP_ANNOTATION]: "s3" } });
    await available("by-pod");
    await world.kubectl("label", "namespace", "by-pod", "istio-injection-");
    const job = {
      kind: "Deployment",
      namespace: "by-pod",
      name: "agent",
      stamp: "s3",
      mode: "istio",
      timeoutSeconds: 20,
    };
    const gate = await world.program(GATE, job);
    expect(gate.exitCode).to.equal(1);
    expect(gate.stderr).to.match(
      /Deployment\/by-pod\/agent is not restarted as it should be: pod agent-\S+ has no container istio-init/,
    );
    expect(gate.seconds).to.be.below(10);
    await world.kubectl("delete", "mutatingwebhookconfiguration", name);
    const about: AskAbout = { kind: "Deployment", namespace: "by-pod", name: "agent", injects: ["istio-proxy"] };
    const check = { mode: "istio", namespace: "by-pod", sidecarDeployment: "agent", webhook: "" } as const;
    expect(await injectionProblem(world.client, { ...check, askAbout: [about] })).to.contain(
      "would get no istio-proxy any more",
    );
  });

  it("who may not create pods is told that nothing was compared", async () => {
    const client = await world.clientOf("reader", "view");
    const workloads = await readWorkloads(world.client, ["off"]);
    const injection = await readInjection(client, ISTIO, workloads);
    expect(injection.lacking.size).to.equal(0);
    expect(injectionWarnings("istio", injection).join()).to.match(
      /could not be asked by a dry-run.*cannot create resource "pods"/,
    );
  });
});
