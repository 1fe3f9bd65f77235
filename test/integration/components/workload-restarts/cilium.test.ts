import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { connect } from "../../../../kubernetes/connect";
import { dig } from "../../../../kubernetes/objects";
import { runningPods } from "../../../../kubernetes/running-pods";
import { masObjects, toYaml } from "../../../fixtures/mas";
import { SidecarInjector } from "../../world/sidecar-injector";
import { followRestarts, Watcher, WORKLOAD_PATHS } from "../../world/watcher";
import { mustSucceed, RELEASE_NAMESPACE, World } from "../../world/world";

const NAMESPACE = "mas-load";
const SIDECAR = (tag: string) => `registry.example/casa/sidecar:${tag}`;

/** The sample chart's webhook with a process behind it, which injects what the chart's ConfigMap says. */
describe("mode cilium as a whole", function () {
  this.timeout(400_000);
  let world: World;
  let injector: SidecarInjector;
  let reading: NodeJS.Timeout;

  before(async () => {
    world = await World.open();
    injector = await SidecarInjector.start(world.scratch);
    const { kubeconfig, context } = world.cluster;
    const client = await connect({ kubeconfig, context, timeoutSeconds: 10 });
    const read = async () => {
      const found = await client.api.get({ apiVersion: "v1", kind: "ConfigMap" }, RELEASE_NAMESPACE, CONFIG_MAP);
      injector.image = /image: (\S+)/.exec(String(dig(found, "data", "injected.yaml")))?.[1] ?? injector.image;
    };
    reading = setInterval(() => void read().catch(() => undefined), 100);
  });
  after(async () => {
    clearInterval(reading);
    injector?.stop();
    await world?.close();
  });

  it("a wrong CA and an injector that is down are found before the first restart; then all pods get the new sidecar", async () => {
    const values = (caBundle: string) => ({ mode: "cilium", injector: { caBundle, url: injector.url } });
    const [before, after] = ["0.1.0", "0.2.0"].map((version) => chartWithUrl(world, version));
    const set = `mode=cilium,injector.caBundle=${injector.caBundle},injector.url=${injector.url}`;
    await world.helm(
      ...["install", "casa", before ?? "", "-n", RELEASE_NAMESPACE, "--create-namespace", "--wait", "--set", set],
    );
    await world.kubectl(["apply", "-f", "-"], toYaml(masObjects({ workloads: 3, replicas: 1, readyAfter: "0s" })));
    await world.kubectl(["rollout", "status", "deployments", "-n", NAMESPACE, "--timeout=60s"]);
    expect(await sidecars(world)).to.deep.equal([SIDECAR("1.0.0"), SIDECAR("1.0.0"), SIDECAR("1.0.0")]);

    const watcher = await Watcher.start(world.tools.path("kubectl"), world.cluster.kubeconfig, WORKLOAD_PATHS);
    const restarted = () => followRestarts(watcher.events, [NAMESPACE]).order;
    const other = await SidecarInjector.start(world.scratch, "other");
    const settings = { chart: after, version: "0.2.0", mode: "cilium", timeouts: { injection: 3 } };
    await world.config({ ...settings, values: values(other.caBundle) });
    other.stop();
    const wrongCa = await world.up();
    expect(wrongCa.ok).to.equal(false);
    expect(wrongCa.text).to.contain(`${CONFIG_MAP} is asked about new pods and adds nothing`);
    expect(restarted()).to.deep.equal([]);

    await world.config({ values: values(injector.caBundle) });
    injector.stop();
    const down = await world.up();
    expect(down.ok).to.equal(false);
    expect(down.text).to.contain(`${CONFIG_MAP} is asked about new pods and adds nothing`);
    expect(restarted()).to.deep.equal([]);

    await injector.startAgain();
    mustSucceed(await world.up());
    watcher.stop();
    expect(restarted()).to.have.length(3);
    expect(await sidecars(world)).to.deep.equal([SIDECAR("1.1.0"), SIDECAR("1.1.0"), SIDECAR("1.1.0")]);
    mustSucceed(await world.up(["--expect-no-changes"]));
  });
});

const CONFIG_MAP = "casa-sidecar-injector";

/** The sample chart, but for the place of its webhook: the API server of the embedded cluster reaches no Service. */
function chartWithUrl(world: World, version: string): string {
  const chart = world.chartCopy(`casa-runtime-${version}`);
  const file = join(chart, "templates/cilium.yaml");
  const template = readFileSync(file, "utf8");
  const changed = template
    .replace(/ {6}service:\n(?: {8}.*\n)+/, "      url: {{ .Values.injector.url }}\n")
    .replace("timeoutSeconds: 1", "timeoutSeconds: 10");
  expect(changed).to.contain("injector.url").and.contain("timeoutSeconds: 10");
  writeFileSync(file, changed);
  return chart;
}

/** Images of the sidecars in the MAS pods. */
async function sidecars(world: World): Promise<(string | undefined)[]> {
  const { kubeconfig, context } = world.cluster;
  const pods = await runningPods(await connect({ kubeconfig, context, timeoutSeconds: 10 }), NAMESPACE);
  return pods.map(({ containers }) => containers.find(({ name }) => name === "casa-proxy")?.image);
}
