import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { z } from "zod";
import {
  BEHAVIOR,
  type MasObject,
  multiAgentSystem,
  deployment,
  namespace,
  statefulSet,
  toYaml,
} from "../../../fixtures/mas";
import { installIstioCrds, type Istiod, startIstiod } from "../../../../sandbox/istio";
import type { Tools } from "../../../../sandbox/tools";
import { eventually } from "../../world/eventually";
import { istioOrSkip } from "../../world/istio-fixture";
import { REASON_ANNOTATION, RESTARTED_AT_ANNOTATION } from "../../../../components/workload-restarts/stamp";
import { Watcher, WORKLOAD_PATHS } from "../../world/watcher";
import { mustSucceed, World } from "../../world/world";

const NAMESPACE = "mas-gate";
const STAMP = "casa-upgrade.dev/config-stamp";
const STAMP_PATH = `/spec/template/metadata/annotations/${STAMP.replace("/", "~1")}`;

const RELOADED = "mas-reloaded";
const texts = z.record(z.string(), z.string()).default({});
const workloadSchema = z.looseObject({
  metadata: z.looseObject({ annotations: texts }),
  spec: z.looseObject({ template: z.looseObject({ metadata: z.looseObject({ annotations: texts }) }) }),
});
const containers = z.array(z.looseObject({ name: z.string(), image: z.string() }));
const podSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    deletionTimestamp: z.string().optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  spec: z.looseObject({ containers, initContainers: containers.optional() }),
});
const podList = z.object({ items: z.array(podSchema) });

describe("the gate behind each restart", function () {
  this.timeout(300_000);
  let world: World;

  before(async () => {
    world = await World.open();
    await world.helmInstall("0.1.0");
    await apply(
      namespace(NAMESPACE),
      deployment(NAMESPACE, "planner", { replicas: 3, readyAfter: "2s" }),
      statefulSet(NAMESPACE, "ledger", { replicas: 1, readyAfter: "0s" }),
      multiAgentSystem(NAMESPACE, "one", ["planner", "ledger"]),
      { ...namespace(RELOADED), metadata: { name: RELOADED } },
      watchedByReloader("early"),
      watchedByReloader("in-time"),
      multiAgentSystem(RELOADED, "two", ["early", "in-time"]),
    );
    await rolledOut();
    await rolledOut(RELOADED);
    await world.useVersion("0.1.0", { timeouts: { restart: 30 } });
    mustSucceed(await world.up());
  });
  after(async () => world?.close());

  const apply = (...objects: MasObject[]) => world.kubectl(["apply", "-f", "-"], toYaml(objects));

  async function rolledOut(at = NAMESPACE): Promise<void> {
    await world.kubectl(["rollout", "status", "deployments,statefulsets", "-n", at, "--timeout=60s"]);
  }

  function watchedByReloader(name: string) {
    const plain = deployment(RELOADED, name, { replicas: 2, readyAfter: "0s" });
    return { ...plain, metadata: { ...plain.metadata, annotations: { "reloader.stakater.com/auto": "true" } } };
  }

  /** What Reloader does when a ConfigMap changes: a variable with its hash in each container of the pod template. */
  async function reload(name: string): Promise<void> {
    const env = [{ name: "STAKATER_SETTINGS_CONFIGMAP", value: `${Date.now()}` }];
    const patch = JSON.stringify({ spec: { template: { spec: { containers: [{ name: "agent", env }] } } } });
    await world.kubectl(["patch", "deployment", name, "-n", RELOADED, "-p", patch]);
    await rolledOut(RELOADED);
  }

  const live = async (name: string) => workloadSchema.parse(await world.json("deployment", name, "-n", RELOADED));

  /** The pods that are not about to go. */
  async function pods(at = NAMESPACE) {
    const { items } = podList.parse(await world.json("pods", "-n", at));
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  const takeStamp = (by: string) =>
    world.kubectl([
      ...["patch", "deployment", "planner", "-n", NAMESPACE, "--type=json", `--field-manager=${by}`],
      ...["-p", JSON.stringify([{ op: "remove", path: STAMP_PATH }])],
    ]);

  /** What an operator does that writes its own pod template over whatever is there. */
  async function takingBack<T>(by: string, work: () => Promise<T>): Promise<T> {
    const watcher = await Watcher.start(world.tools.path("kubectl"), world.cluster.kubeconfig, WORKLOAD_PATHS);
    let ended = false;
    const operator = (async () => {
      for (let seen = 0; !ended; await sleep(20)) {
        const news = watcher.events.slice(seen);
        seen += news.length;
        const stamped = news.some(
          ({ object }) => object.metadata.name === "planner" && JSON.stringify(object.spec).includes(STAMP),
        );
        if (stamped) await takeStamp(by).catch(() => undefined);
      }
    })();
    try {
      return await work();
    } finally {
      ended = true;
      await operator;
      watcher.stop();
    }
  }

  async function restarted(): Promise<string[]> {
    return ((await world.outputs())["workloadsRestarted"] as string[]) ?? [];
  }

  it("sees a stamp that a controller takes back, at once, and says what writes the template", async () => {
    await reload("early");
    await world.useVersion("0.2.0");
    const started = Date.now();
    const run = await takingBack("agent-operator", () => world.up());
    expect(run.ok, run.text).to.equal(false);
    expect(run.text).to.contain(`Deployment/${NAMESPACE}/planner is not restarted as it should be: somebody took`);
    expect(run.text).to.contain("its pod template is written by kubectl-client-side-apply)");
    expect(run.text).to.contain("no further workload is restarted");
    expect(run.text, "the limit of 30 s was not waited for").not.to.contain("did not become available");
    expect(Date.now() - started).to.be.below(60_000);
    expect(await restarted()).not.to.include(`Deployment/${NAMESPACE}/planner`);
  });

  it("restarts it in the next run, when nobody takes the stamp back, and lists it then", async () => {
    await reload("in-time");
    const before = await live("in-time");
    const run = mustSucceed(await world.up());
    for (const { metadata } of await pods()) expect(metadata.annotations, metadata.name).to.have.property(STAMP);
    expect(await restarted()).to.include(`Deployment/${NAMESPACE}/planner`);

    // Reloader restarted one of the others before the chart was upgraded, and the other one after.
    expect(run.text).to.contain(`are restarted by Reloader, too`).and.contain(`Deployment/${RELOADED}/in-time`);
    const early = await live("early");
    expect(early.spec.template.metadata.annotations).to.have.property(STAMP);
    const inTime = await live("in-time");
    expect(inTime.spec.template).to.deep.equal(before.spec.template);
    expect(inTime.metadata.annotations).to.have.property(STAMP, early.spec.template.metadata.annotations[STAMP]);
    expect(inTime.metadata.annotations).to.have.property(RESTARTED_AT_ANNOTATION);
    expect(await restarted()).to.include(`Deployment/${RELOADED}/in-time`);
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("one that is restarted already and not ready for a moment is not called a restart", async () => {
    const pod = (await pods()).find(({ metadata }) => metadata.name.startsWith("planner"))?.metadata.name ?? "";
    const ready = async (status: string) => {
      const conditions = [{ type: "Ready", status }];
      const patch = JSON.stringify({ status: { conditions } });
      const behavior = status === "False" ? `${BEHAVIOR}=never-ready` : `${BEHAVIOR}-`;
      await world.kubectl(["annotate", "pod", pod, "-n", NAMESPACE, behavior]);
      await world.kubectl(["patch", "pod", pod, "-n", NAMESPACE, "--subresource=status", "-p", patch]);
    };
    await ready("False");
    const path = "jsonpath={.status.unavailableReplicas}";
    const missing = () => world.kubectl(["get", "deployment", "planner", "-n", NAMESPACE, "-o", path]);
    await eventually(async () => expect(await missing()).to.equal("1"));
    const preview = mustSucceed(await world.preview());
    expect(preview.text).not.to.match(/restarts: 1 workload/);
    expect(preview.text).to.contain(
      `restarted already, and not available at the moment: Deployment/${NAMESPACE}/planner`,
    );
    mustSucceed(await world.up(["--expect-no-changes"]));
    await ready("True");
    await rolledOut();
  });

  it("repairs a stamp that is taken back after a run that found everything in order; a reason restarts the others", async () => {
    await takeStamp("agent-operator");
    await rolledOut();
    await world.config({ restarts: { reason: "new certificates" } });
    const run = mustSucceed(await world.up());
    expect(run.text).to.match(/DeploymentPatch Deployment\/mas-gate\/planner updated/);
    expect(run.text).to.match(/StatefulSetPatch StatefulSet\/mas-gate\/ledger updated/);
    for (const { metadata } of await pods()) {
      expect(metadata.annotations, metadata.name).to.have.property(STAMP);
      expect(metadata.annotations, metadata.name).to.have.property(REASON_ANNOTATION, "new certificates");
    }
    const inTime = await live("in-time");
    expect(inTime.spec.template.metadata.annotations).to.have.property(REASON_ANNOTATION, "new certificates");
    expect(inTime.metadata.annotations).not.to.have.property(RESTARTED_AT_ANNOTATION);
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  /** One namespace by a tag that is moved, the other by a revision of its own. */
  describe("with Istio's injector", () => {
    let istio: Tools;
    let canary: Istiod;
    let watcher: Watcher | undefined;

    before(async function () {
      istio = await istioOrSkip(this);
      await installIstioCrds(world.cluster, world.tools);
      await world.kubectl(["label", "namespace", NAMESPACE, "istio-injection-", "istio.io/rev=prod"]);
      await world.kubectl(["label", "namespace", RELOADED, "istio.io/rev=default"]);
      await startIstiod(world.cluster, world.tools, istio, "default", [TAG]);
    });
    afterEach(() => watcher?.stop());

    async function watchPods(): Promise<() => ReturnType<typeof proxyOf>[]> {
      const started = await Watcher.start(world.tools.path("kubectl"), world.cluster.kubeconfig, [
        `/api/v1/namespaces/${NAMESPACE}/pods`,
      ]);
      watcher = started;
      const added = () => started.events.filter(({ type }) => type === "ADDED");
      return () => added().map(({ object }) => proxyOf(podSchema.parse(object)));
    }

    it("shows pods that have no proxy as to be restarted, restarts them, and finds the proxy in every pod", async () => {
      const preview = mustSucceed(await world.preview());
      expect(preview.text).to.match(/restarts: 4 workloads/);
      expect(preview.text).to.contain(
        `restarts: Deployment/${NAMESPACE}/planner: 3 of 3 pods: has no container istio-`,
      );
      const added = await watchPods();
      mustSucceed(await world.up());
      expect(new Set(added())).to.deep.equal(new Set(["default"]));
      expect((await pods()).map(proxyOf)).to.deep.equal(Array(4).fill("default"));
      expect((await pods(RELOADED)).map(proxyOf)).to.deep.equal(Array(4).fill("default"));
    });

    it("a tag that is moved to another control plane: who must restart is said, and has its proxy afterwards", async () => {
      canary = await startIstiod(world.cluster, world.tools, istio, "canary", [TAG, "global.tag=1.99.0"]);
      const preview = mustSucceed(await world.preview());
      expect(preview.text).to.match(/restarts: 2 workloads/);
      expect(preview.text).to.contain(
        `restarts: Deployment/${NAMESPACE}/planner: 3 of 3 pods: was injected by revision default, not canary`,
      );
      const added = await watchPods();
      mustSucceed(await world.up());
      expect(new Set(added())).to.deep.equal(new Set(["canary 1.99.0"]));
      expect((await pods()).map(proxyOf)).to.deep.equal(Array(4).fill("canary 1.99.0"));
      expect((await pods(RELOADED)).map(proxyOf)).to.deep.equal(Array(4).fill("default"));
    });

    it("a control plane that is killed in the middle: its pods are waited for, and none comes without the proxy", async () => {
      const added = await watchPods();
      await world.config({
        restarts: { reason: "killed in the middle", maxConcurrent: 1 },
        timeouts: { restart: 120 },
      });
      const run = world.engine.spawnUp(world.stack);
      const ended = run.then(
        () => true,
        () => false,
      );
      await eventually(() => expect(added()).not.to.deep.equal([]), 60_000);
      canary.kill();
      const refused = ["get", "events", "-n", NAMESPACE, "--field-selector", "reason=FailedCreate", "-o", "name"];
      await eventually(async () => expect(await world.kubectl(refused)).not.to.equal(""), 60_000);
      await canary.start();
      expect(await ended).to.equal(true);
      expect(new Set(added())).to.deep.equal(new Set(["canary 1.99.0"]));
      expect((await pods()).map(proxyOf)).to.deep.equal(Array(4).fill("canary 1.99.0"));
    });

    it("a tag whose control plane is gone: its workloads wait and fail the run, and all others are restarted", async () => {
      canary.kill();
      const added = await watchPods();
      await world.config({ restarts: { reason: "gone" }, timeouts: { injection: 3 } });
      const run = await world.up();
      expect(run.ok).to.equal(false);
      expect(run.text).to.contain(`no pod can be created in namespace ${NAMESPACE} now: `);
      const which = `Deployment/${NAMESPACE}/planner, StatefulSet/${NAMESPACE}/ledger`;
      expect(run.text).to.match(
        new RegExp(`not restarted, because no new pod of them can be created: ${which} \\(.*failed calling webhook`),
      );
      expect(added()).to.deep.equal([]);
      const isNew = ({ metadata }: z.infer<typeof podSchema>) => metadata.annotations?.[REASON_ANNOTATION] === "gone";
      expect((await pods(RELOADED)).every(isNew)).to.equal(true);

      // Nothing else is left to do, so it is refused before anything begins.
      const alone = await world.up();
      expect(alone.ok).to.equal(false);
      expect(alone.text).to.match(
        /new pods of Deployment mas-gate\/planner cannot be created: .*failed calling webhook/,
      );
      await canary.start();
      mustSucceed(await world.up());
      expect((await pods()).every(isNew)).to.equal(true);
      mustSucceed(await world.up(["--expect-no-changes"]));
    });
  });
});

const TAG = "revisionTags={prod}";

/** Who injected the proxy of a pod, and its version where that is not the usual one. */
function proxyOf({ metadata, spec }: z.infer<typeof podSchema>): string {
  const all = [...spec.containers, ...(spec.initContainers ?? [])];
  const image = all.find(({ name }) => name === "istio-proxy")?.image;
  if (image === undefined) return "no proxy";
  const tag = image.replace(/.*:/, "");
  return [metadata.annotations?.["istio.io/rev"], ...(tag === "latest" ? [] : [tag])].join(" ");
}
