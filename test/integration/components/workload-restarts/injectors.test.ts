import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { injectionProblem } from "../../../../components/workload-restarts/cluster/injection";
import { readOtherWorkloads } from "../../../../components/workload-restarts/cluster/other-workloads";
import { laterPodWarnings } from "../../../../components/workload-restarts/later-pods";
import { withoutRenewed } from "../../../../components/workload-restarts/cluster/renewed";
import { laterSources, readInjection } from "../../../../components/workload-restarts/cluster/read-injection";
import { injectionWarnings, representatives } from "../../../../components/workload-restarts/injection-facts";
import { STAMP_ANNOTATION } from "../../../../components/workload-restarts/stamp";
import { readWorkloads } from "../../../../kubernetes/workloads";
import { namespaceFacts } from "../../../../review/facts/namespaces";
import { deployment, namespace, statefulSet } from "../../../fixtures/mas";
import { ClusterFixture } from "../../world/cluster-fixture";
import { eventually } from "../../world/eventually";
import { LEFT_OUT, SidecarInjector } from "../../world/sidecar-injector";

const HOOK = "casa-sidecar-injector";
const VAULT = "vault-agent-injector";
const CILIUM = { mode: "cilium", webhook: HOOK } as const;
const OPTIONS = { replicas: 1, readyAfter: "0s" };

/** Injectors and workloads as others have them; what pods get is what pods of the cluster really got. */
describe("what injectors of others do to MAS pods", function () {
  this.timeout(120_000);
  let world: ClusterFixture;
  let injector: SidecarInjector;
  let vault: SidecarInjector;

  before(async function () {
    this.timeout(300_000);
    world = await ClusterFixture.start();
    injector = await SidecarInjector.start(world.scratch);
    vault = await SidecarInjector.start(world.scratch, "vault", "vault-agent");
  });
  after(async () => {
    injector?.stop();
    vault?.stop();
    await world?.stop();
  });
  afterEach(async () => {
    await world.kubectl("delete", "mutatingwebhookconfigurations", HOOK, VAULT, "--ignore-not-found");
  });

  /** Workloads in a namespace of their own, once they are available. */
  async function running(at: string, ...objects: object[]): Promise<void> {
    await world.apply(namespace(at), ...objects);
    await world.kubectl("rollout", "status", "deployments,statefulsets", "-n", at, "--timeout=30s");
  }
  async function look(at: string) {
    const workloads = await readWorkloads(world.client, [at]);
    const injection = await readInjection(world.client, CILIUM, workloads);
    const labels = new Map([[at, { "casa.io/injection": "enabled" }]]);
    const [facts] = namespaceFacts({ ...CILIUM, mas: workloads, labels, workloads, injection });
    const askAbout = representatives(workloads, injection);
    const check = { ...CILIUM, namespace: at, sidecarDeployment: "", askAbout };
    return {
      ...{ injection, facts, check, warnings: injectionWarnings("cilium", injection, workloads) },
      problem: () => injectionProblem(world.client, check),
    };
  }
  /** Names of the containers of a workload's newest pods. */
  async function containers(at: string, name: string): Promise<string[]> {
    const path = "{range .items[*]}{.spec.containers[*].name}{'\\n'}{end}";
    const found = await world.kubectl(
      "get",
      "pods",
      "-n",
      at,
      "-l",
      `app.kubernetes.io/name=${name}`,
      "-o",
      `jsonpath=${path}`,
    );
    return [...new Set(found.split("\n").map((line) => line.split(" ").sort().join(" ")))].sort();
  }
  async function byHand(at: string, kind: string, name: string): Promise<void> {
    await world.kubectl("rollout", "restart", kind, name, "-n", at);
    await world.kubectl("rollout", "status", kind, name, "-n", at, "--timeout=30s");
    await eventually(async () => expect(await containers(at, name)).to.have.length(1));
  }
  async function gate(at: string, kind: string, name: string, timeoutSeconds = 30) {
    const metadata = { annotations: { [STAMP_ANNOTATION]: `s${Date.now()}` } };
    const patch = JSON.stringify({ spec: { template: { metadata } } });
    await world.kubectl("patch", kind.toLowerCase(), name, "-n", at, "--type=merge", "-p", patch);
    const stamp = metadata.annotations[STAMP_ANNOTATION];
    return world.program("restart-gate", { kind, namespace: at, name, stamp, mode: "cilium", timeoutSeconds });
  }
  const patched = (object: object, spec: object) => ({
    ...object,
    spec: { ...(object as { spec: object }).spec, ...spec },
  });
  function annotated(at: string, name: string, annotations: object): object {
    const made = deployment(at, name, OPTIONS);
    const { metadata = {}, ...template } = made.spec?.template ?? {};
    const all = { ...metadata.annotations, ...annotations };
    return patched(made, { template: { ...template, metadata: { ...metadata, annotations: all } } });
  }

  it("another injector's container does not hide that CASA's is missing", async () => {
    const at = "two-injectors";
    await world.apply(injector.webhook(HOOK), vault.webhook(VAULT));
    await sleep(1000);
    await running(at, deployment(at, "agent", OPTIONS), deployment(at, "other", OPTIONS));
    expect(await containers(at, "agent")).to.deep.equal(["agent casa-proxy vault-agent"]);
    expect((await look(at)).warnings).to.deep.equal([]);

    injector.stop();
    const { injection, warnings, problem } = await look(at);
    expect(injection.losing.get(`Deployment/${at}/agent`)).to.deep.equal({ names: ["casa-proxy"], asked: true });
    expect(warnings.join()).to.contain(
      `a restart takes casa-proxy away from Deployment/${at}/agent, Deployment/${at}/other:`,
    );
    expect(await problem()).to.contain("would get no casa-proxy any more");
    // That is what happens by hand.
    await byHand(at, "deployment", "agent");
    expect(await containers(at, "agent")).to.deep.equal(["agent vault-agent"]);
    await injector.startAgain();
    expect(await problem()).to.equal(undefined);

    // Asked about other pods only, and gone: in both cases nothing of CASA's comes.
    const elsewhere = { namespaceSelector: { matchLabels: { "casa.io/injection": "elsewhere" } } };
    await world.apply(injector.webhook(HOOK, undefined, elsewhere));
    await eventually(async () => expect((await look(at)).facts?.labelled).to.equal(false));
    expect((await look(at)).facts?.why).to.contain("no webhook is asked about its pods");
    await world.kubectl("delete", "mutatingwebhookconfiguration", HOOK);
    await eventually(async () =>
      expect((await look(at)).warnings.join()).to.contain("a restart takes casa-proxy away from"),
    );
  });

  it("rules that a webhook may have", async () => {
    const at = "rules";
    const rules = [{ apiGroups: [""], apiVersions: ["v1"], resources: ["pods/*"], operations: ["CREATE"] }];
    await world.apply(injector.webhook(HOOK, undefined, { rules }));
    await sleep(1000);
    await running(at, deployment(at, "agent", OPTIONS));
    expect(await containers(at, "agent")).to.deep.equal(["agent casa-proxy"]);
    expect((await look(at)).facts).to.include({ labelled: true });
  });

  it("what the injector alone knows: one workload's answer is not another's", async () => {
    const at = "left-out";
    await running(at, annotated(at, "a-skips", { [LEFT_OUT]: "yes" }), deployment(at, "b-normal", OPTIONS));
    await world.apply(injector.webhook(HOOK));
    await eventually(async () => expect((await look(at)).injection.lacking.size).to.equal(1));
    const { injection, problem, facts } = await look(at);
    expect([...injection.lacking.keys()]).to.deep.equal([`Deployment/${at}/b-normal`]);
    expect(await problem()).to.equal(undefined);
    expect(facts).to.deep.include({ labelled: false, workloads: 1 });
    expect(facts?.why).to.contain("a-skips").and.to.contain("its own settings leave such pods out");
    for (const name of ["a-skips", "b-normal"]) expect((await gate(at, "Deployment", name)).stderr).to.equal("");
    expect(await containers(at, "a-skips")).to.deep.equal(["agent"]);
    expect(await containers(at, "b-normal")).to.deep.equal(["agent casa-proxy"]);

    // One that the API server refuses says nothing of the other.
    const template = { spec: { serviceAccountName: "nobody" } };
    await world.kubectl("patch", "deployment", "a-skips", "-n", at, "-p", JSON.stringify({ spec: { template } }));
    injector.image = "registry.example/casa/sidecar:2";
    const later = await look(at);
    injector.image = "registry.example/casa/sidecar:1";
    expect([...later.injection.lacking.keys()]).to.deep.equal([`Deployment/${at}/b-normal`]);
    expect(later.warnings.join()).to.contain(`MAS pods of Deployment/${at}/a-skips could not be asked`);
  });

  it("what has no pods now: the review says what the next ones would lack, and changes nothing", async () => {
    const at = "asleep";
    await world.apply(injector.webhook(HOOK));
    await sleep(1000);
    const skips = annotated(at, "skips", { [LEFT_OUT]: "yes" });
    await running(at, deployment(at, "scaled", { replicas: 0 }), patched(skips, { replicas: 0 }));
    const cronJob = (name: string, annotations: object, more: object = {}) => ({
      ...{ apiVersion: "batch/v1", kind: "CronJob", metadata: { namespace: at, name } },
      spec: {
        schedule: "0 0 1 1 *",
        jobTemplate: {
          spec: {
            template: {
              metadata: { annotations },
              spec: { restartPolicy: "Never", containers: [{ name: "run", image: "x" }], ...more },
            },
          },
        },
      },
    });
    await world.apply(
      cronJob("nightly", { [LEFT_OUT]: "yes" }),
      cronJob("sound", {}),
      cronJob("stranger", {}, { serviceAccountName: "nobody" }),
    );
    const workloads = await readWorkloads(world.client, [at]);
    const named = ["nightly", "sound", "stranger"].map((name) => ({ namespace: at, name, group: "explicit" }));
    const others = await readOtherWorkloads(world.client, named, workloads);
    const { webhooks, later } = await readInjection(world.client, CILIUM, [], laterSources(workloads, others));
    const why = "its own settings leave such pods out";
    const [without = "", refused = "", ...rest] = laterPodWarnings("cilium", { webhooks, webhook: HOOK }, later);
    expect(without).to.contain(`Deployment/${at}/skips`).and.to.contain(`CronJob/${at}/nightly`).and.to.contain(why);
    expect(without).not.to.contain("scaled").and.not.to.contain("sound");
    expect(refused).to.contain(`CronJob/${at}/stranger (`).and.to.contain("nobody");
    expect(rest).to.deep.equal([]);
  });

  it("pods that somebody replaced by hand since the configuration changed are not told to be old", async () => {
    const at = "by-hand";
    const onDelete = patched(statefulSet(at, "ordered", OPTIONS), { updateStrategy: { type: "OnDelete" } });
    await world.apply(namespace(at), onDelete);
    await world.kubectl("wait", "pod/ordered-0", "-n", at, "--for=condition=Ready", "--timeout=30s");
    // It counts by whole seconds.
    await sleep(1100);
    const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: at, name: "filters" } };
    await world.apply({ ...configMap, data: { filter: "new" } });
    await sleep(1100);
    const refs = [{ apiVersion: "v1", kind: "ConfigMap", namespace: at, name: "filters" }];
    const record = { stamp: "s", stale: [`StatefulSet/${at}/ordered`, "Deployment/gone/gone"] };
    const stale = async () => {
      const workloads = await readWorkloads(world.client, [at]);
      return (await withoutRenewed(world.client, "cilium", record, workloads, refs)).stale;
    };
    expect(await stale()).to.deep.equal(record.stale);
    // There is no kubectl rollout status for it.
    await world.kubectl("delete", "pod", "ordered-0", "-n", at, "--wait=false");
    await eventually(async () => expect(await stale()).to.deep.equal(["Deployment/gone/gone"]));
  });

  it("pods of a Deployment that adopted the ReplicaSet of another one", async () => {
    const at = "adopted";
    const made = deployment(at, "first", OPTIONS);
    await running(at, made);
    await world.kubectl("delete", "deployment", "first", "-n", at, "--cascade=orphan");
    await running(at, { ...made, metadata: { ...made.metadata, name: "second" } });
    const sets = await world.kubectl("get", "replicasets", "-n", at, "-o", "name");
    expect(sets).to.match(/^replicaset.apps\/first-\w+$/);
    await world.apply(injector.webhook(HOOK));
    await eventually(async () =>
      expect([...(await look(at)).injection.lacking]).to.deep.equal([
        [`Deployment/${at}/second`, "1 of 1 pods: has no container casa-proxy"],
      ]),
    );
    expect((await gate(at, "Deployment", "second")).stderr).to.equal("");
    expect(await containers(at, "first")).to.deep.equal(["agent casa-proxy"]);
  });

  it("a mirror of registries: an image from another place is the same image, another version is not", async () => {
    const at = "mirrored";
    await world.apply(injector.webhook(HOOK));
    injector.mirror = "mirror.example";
    await sleep(1000);
    await running(at, deployment(at, "agent", OPTIONS));
    expect((await look(at)).injection.lacking.size).to.equal(0);
    expect((await gate(at, "Deployment", "agent")).stderr).to.equal("");
    // It leaves alone what is only tried, or has been set up since.
    injector.mirrorsInDryRun = false;
    expect((await look(at)).injection.lacking.size).to.equal(0);
    expect((await gate(at, "Deployment", "agent")).stderr).to.equal("");
    injector.image = "registry.example/casa/sidecar:2";
    expect((await look(at)).injection.lacking.get(`Deployment/${at}/agent`)).to.contain(
      "has casa-proxy of mirror.example/casa/sidecar:1, the injector's is registry.example/casa/sidecar:2",
    );
    injector.image = "registry.example/casa/sidecar:1";
    [injector.mirror, injector.mirrorsInDryRun] = [undefined, true];
  });

  it("webhooks that select by labels which controllers set", async () => {
    const at = "selected";
    const objectSelector = { matchExpressions: [{ key: "controller-revision-hash", operator: "DoesNotExist" }] };
    await world.apply(injector.webhook(HOOK, undefined, { objectSelector }));
    await sleep(1000);
    await running(at, deployment(at, "agent", OPTIONS), statefulSet(at, "ordered", OPTIONS));
    expect(await containers(at, "agent")).to.deep.equal(["agent casa-proxy"]);
    expect(await containers(at, "ordered")).to.deep.equal(["agent"]);
    expect((await look(at)).injection.lacking.size).to.equal(0);
    expect((await gate(at, "StatefulSet", "ordered")).stderr).to.equal("");
    expect((await gate(at, "Deployment", "agent")).stderr).to.equal("");
  });

  it("a StatefulSet whose pods are counted from another number than 0", async () => {
    const at = "ordinals";
    const updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 2 } };
    const made = statefulSet(at, "ord", { replicas: 3, readyAfter: "0s" });
    await running(at, patched(made, { ordinals: { start: 5 }, updateStrategy, podManagementPolicy: "Parallel" }));
    const ages = async () =>
      (await world.kubectl("get", "pods", "-n", at, "-o", "jsonpath={.items[*].metadata.uid}")).split(" ");
    const before = await ages();
    expect((await gate(at, "StatefulSet", "ord")).stderr).to.equal("");
    expect((await ages()).filter((uid) => before.includes(uid))).to.have.length(2);
  });

  it("an injector that is being replaced: the answer of the old one is not the last word", async () => {
    const at = "replaced";
    await world.apply(injector.webhook(HOOK));
    await sleep(1000);
    await running(at, deployment(at, "agent", OPTIONS));
    const metadata = { annotations: { [STAMP_ANNOTATION]: "now" } };
    const patch = JSON.stringify({ spec: { template: { metadata } } });
    await world.kubectl("patch", "deployment", "agent", "-n", at, "--type=merge", "-p", patch);
    await world.kubectl("rollout", "status", "deployment/agent", "-n", at, "--timeout=30s");
    injector.image = "registry.example/casa/sidecar:0";
    setTimeout(() => (injector.image = "registry.example/casa/sidecar:1"), 2000);
    const job = { kind: "Deployment", namespace: at, name: "agent", stamp: "now", mode: "cilium", timeoutSeconds: 30 };
    expect((await world.program("restart-gate", job)).stderr).to.equal("");
    injector.image = "registry.example/casa/sidecar:0";
    const stays = await world.program("restart-gate", job);
    injector.image = "registry.example/casa/sidecar:1";
    expect(stays.stderr).to.contain("has casa-proxy of registry.example/casa/sidecar:1, the injector's is");
  });

  it("pods that cannot be compared are told", async () => {
    const at = "refused";
    await running(at, deployment(at, "agent", OPTIONS));
    const quota = { apiVersion: "v1", kind: "ResourceQuota", metadata: { namespace: at, name: "pods" } };
    await world.apply({ ...quota, spec: { hard: { pods: "2" } } });
    const quiet = await gate(at, "Deployment", "agent");
    expect(quiet.stderr).to.equal("");
    // Its pods came while the injector was away.
    await world.apply(injector.webhook(HOOK));
    await world.kubectl("patch", "quota", "pods", "-n", at, "-p", '{"spec":{"hard":{"pods":"1"}}}');
    await world.kubectl("wait", "quota/pods", "-n", at, "--for=jsonpath={.status.hard.pods}=1", "--timeout=30s");
    const stamp = await world.kubectl("get", "deployment", "agent", "-n", at, "-o", "json");
    const job = { kind: "Deployment", namespace: at, name: "agent", mode: "cilium", timeoutSeconds: 30 };
    const was = /"casa[^"]*stamp": "([^"]+)"/.exec(stamp)?.[1];
    const told = await world.program("restart-gate", { ...job, stamp: was });
    expect(told.exitCode).to.equal(0);
    expect(told.stderr)
      .to.contain("is restarted; whether its pods have what the injector gives is not known")
      .and.to.contain("exceeded quota");
  });
});
