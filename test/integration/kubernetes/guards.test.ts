import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { type InjectionCheck, injectionProblem } from "../../../components/workload-restarts/cluster/injection";
import { loadChart } from "../../../helm/chart";
import { findConflicts, ownershipProblem } from "../../../helm/ownership";
import { missingPermissions, neededPermissions, permissionProblem } from "../../../kubernetes/permissions";
import { readRelease } from "../../../helm/release";
import { parseManifest } from "../../../kubernetes/objects";
import { configMap } from "../charts/shapes/shape";
import { writeFiles } from "../../fixtures/write-files";
import { ClusterFixture, refusal } from "../world/cluster-fixture";
import { chartPath } from "../world/world";

const PROGRAM = "injection";
const NAMESPACE = "casa-runtime";
const LABELS = { app: "x" };
const BASE64_CA = Buffer.from("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n").toString("base64");

/** What is refused before an upgrade starts, and whether the fix that is named really is one. */
describe("guards before an upgrade", function () {
  this.timeout(120_000);
  let world: ClusterFixture;

  before(async () => {
    world = await ClusterFixture.start();
    await world.release("install", "casa", "0.1.0", NAMESPACE);
  });
  after(async () => world?.stop());

  const rendered = async (version: string, ...more: string[]) => {
    const args = ["template", "casa", chartPath(`casa-runtime-${version}`), "--namespace", NAMESPACE, ...more];
    return parseManifest(await world.helm(args)).map(({ object }) => object);
  };

  it("permissions: one request for who may do everything; for others what is missing, and the role of the fix is enough", async () => {
    const objects = await rendered("0.3.0");
    const options = { namespace: NAMESPACE, hasCrds: true, workloadNamespaces: ["mas-travel"] };
    const before = world.client.requestCount;
    const all = await neededPermissions(world.client, objects, options);
    const discovered = world.client.requestCount;
    expect(await missingPermissions(world.client, all)).to.deep.equal([]);
    expect(world.client.requestCount - discovered).to.equal(1);
    expect(discovered - before).to.be.lessThan(15);

    const client = await world.clientOf("weak", "view");
    const missing = await missingPermissions(client, await neededPermissions(client, objects, options));
    const names = missing.map(({ verb, resource, namespace }) => `${verb} ${resource} ${namespace ?? "*"}`);
    expect(names).to.include.members([
      "update customresourcedefinitions *",
      `list secrets ${NAMESPACE}`,
      "patch statefulsets mas-travel",
    ]);
    expect(names).not.to.include(`get deployments ${NAMESPACE}`); // view may

    const problem = permissionProblem(missing, "c");
    const lines = (problem?.fix ?? "").split("\n").map((line) => line.slice(4));
    // Around the role: what to do with it, how to see all, how to check one.
    const yaml = lines.slice(1, -2).join("\n");
    await world.apply(parse(yaml) as object);
    await world.bind("weak", "casa-upgrade");
    expect(await missingPermissions(client, missing)).to.deep.equal([]);
  });

  it("ownership: finds what helm refuses, and the lines of the fix make helm accept it", async () => {
    const at = { namespace: NAMESPACE, labels: { "app.kubernetes.io/managed-by": "Helm" } };
    const marks = { "meta.helm.sh/release-name": "side", "meta.helm.sh/release-namespace": NAMESPACE };
    await world.apply(
      { apiVersion: "v1", kind: "ConfigMap", metadata: { ...at, name: "new-one", annotations: marks } },
      { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name: "new-two" }, rules: [] },
    );
    const chart = join(world.scratch, "chart");
    await world.paste(`cp -r ${chartPath("casa-runtime-0.2.0")} ${chart}`);
    writeFileSync(
      join(chart, "templates/new.yaml"),
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new-one}\n---\n" +
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: new-two}\nrules: []\n",
    );
    const upgrade = () => world.helm(["upgrade", "casa", chart, "--namespace", NAMESPACE]);
    const release = { name: "casa", namespace: NAMESPACE };
    const conflicts = async () => {
      const objects = parseManifest(await world.helm(["template", "casa", chart, "--namespace", NAMESPACE]));
      const installed = parseManifest((await readRelease(world.client, NAMESPACE, "casa"))?.latest.manifest ?? "");
      const bare = (list: typeof objects) => list.map(({ object }) => object);
      return findConflicts(world.client, bare(objects), bare(installed), release);
    };
    expect((await conflicts()).map(({ kind, name }) => `${kind}/${name}`).sort()).to.deep.equal([
      "ClusterRole/new-two",
      "ConfigMap/new-one",
    ]);
    expect(await refusal(upgrade())).to.contain("cannot be imported into the current release");
    const problem = ownershipProblem(await conflicts(), release, world.cluster.context);
    for (const line of (problem?.fix ?? "").split("\n"))
      if (line.trim().startsWith("kubectl ")) await world.paste(line.trim());
    expect(await conflicts()).to.deep.equal([]);
    await upgrade();
  });

  it("ownership: nothing of the installed release is a conflict, everything of it is one for another release", async () => {
    const objects = await rendered("0.2.0");
    const other = { name: "other", namespace: NAMESPACE };
    expect(await findConflicts(world.client, objects, [], { name: "casa", namespace: NAMESPACE })).to.deep.equal([]);
    const conflicts = await findConflicts(world.client, objects, [], other);
    expect(conflicts.length).to.equal(objects.length);
    expect(conflicts.every(({ owner }) => owner?.name === "casa")).to.equal(true);
  });

  describe("helm's own check", () => {
    const deployment = (more: string) =>
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec:\n  selector: {matchLabels: {a: b}}\n" +
      `  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}\n${more}`;
    const map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: u}, dota: {}}";
    const accepted: Record<string, string> = {
      "nothing wrong": deployment(""),
      "an unknown field": deployment("  replicaz: 3\n"),
      "a value of the wrong type": deployment("  replicas: three\n"),
      "an unknown field of a custom resource":
        "apiVersion: casa.io/v1alpha1\nkind: MultiAgentSystem\nmetadata: {name: x}\nspec: {}\nnope: 1\n",
    };
    const refused: Record<string, string> = {
      "an unknown kind": deployment("").replace("kind: Deployment", "kind: Deploymint"),
      "an unknown field in a List": `apiVersion: v1\nkind: List\nitems: [${map}]\n`,
      "an unknown field in a list of one kind": `{"apiVersion": "v1", "kind": "ConfigMapList", "items": [${map}]}`,
      "an unknown field of what cannot be patched":
        "apiVersion: authorization.k8s.io/v1\nkind: SelfSubjectAccessReview\nmetadata: {name: u}\nspac: {}\n",
      "an object of another release":
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: view}\nrules: []\n",
    };
    const folder = () => join(world.scratch, "checked");

    before(() => {
      process.env["PATH"] = world.env["PATH"];
      mkdirSync(join(folder(), "templates"), { recursive: true });
      writeFileSync(join(folder(), "Chart.yaml"), "apiVersion: v2\nname: checked\nversion: 0.1.0\n");
    });

    for (const [what, manifest] of Object.entries({ ...accepted, ...refused })) {
      it(`${what}: the same as \`helm install --dry-run=server\``, async () => {
        writeFileSync(join(folder(), "templates/x.yaml"), manifest);
        const install = world.helm(["install", "checked", folder(), "--namespace", "default", "--dry-run=server"]);
        const byHand = await install.then(() => undefined, String);
        const { rehearsal } = await loadChart(
          { chart: folder() },
          ...[{ release: "checked", namespace: "default", values: {}, client: world.client, isUpgrade: false }],
        );
        const found = (await rehearsal)?.refusal;
        expect(byHand === undefined).to.equal(what in accepted);
        expect(found === undefined, `${found ?? ""} / ${byHand ?? ""}`).to.equal(byHand === undefined);
        if (found !== undefined) expect(byHand).to.contain(found.split(": ").at(-1));
      });
    }
  });

  it("helm carries an upgrade out where nothing reaches the API server, and what it sends is known", async () => {
    const chart = (version: string, map: string) => {
      const folder = writeFiles(join(world.scratch, "rehearsed"), {
        "Chart.yaml": `apiVersion: v2\nname: rehearsed\nversion: ${version}\n`,
        "templates/map.yaml": map,
      });
      return { chart: folder };
    };
    const input = { release: "rehearsed", namespace: "default", values: {}, client: world.client };
    const path = (name: string) => `/api/v1/namespaces/default/configmaps/${name}`;
    const state = async () =>
      Promise.all([
        world.kubectl("get", "configmaps,secrets", "--all-namespaces", "--output", "json"),
        world.helm(["list", "--namespace", "default", "--output", "json"]),
      ]);

    const empty = await state();
    const first = chart("0.1.0", configMap("rehearsed", "a: b"));
    const install = await (await loadChart(first, { ...input, isUpgrade: false })).rehearsal;
    expect(install?.refusal).to.equal(undefined);
    expect(install?.writes?.paths()).to.deep.equal([path("rehearsed")]);
    expect(install?.writes?.to(path("rehearsed"))[0]).to.deep.include({ method: "POST" });
    expect(await state()).to.deep.equal(empty);

    await world.helm(["install", "rehearsed", first.chart, "--namespace", "default"]);
    await world.kubectl("patch", "configmap", "rehearsed", "--patch", '{"data": {"a": "by hand", "c": "d"}}');
    const installed = await state();
    const next = chart("0.2.0", configMap("rehearsed", "a: b") + "---\n" + configMap("another", ""));
    const upgrade = await (await loadChart(next, { ...input, isUpgrade: true })).rehearsal;
    expect(upgrade?.writes?.paths().sort()).to.deep.equal([path("another"), path("rehearsed")]);
    expect(upgrade?.writes?.to(path("rehearsed")).map(({ method, body }) => [method, body])).to.deep.equal([
      ["PATCH", { data: { a: "b" } }],
    ]);
    const without = await (await loadChart(chart("0.3.0", ""), { ...input, isUpgrade: true })).rehearsal;
    expect(without?.writes?.to(path("rehearsed")).map(({ method }) => method)).to.deep.equal(["DELETE"]);
    expect(await state()).to.deep.equal(installed);
  });

  describe("injection", () => {
    const check: InjectionCheck = {
      mode: "istio",
      namespace: NAMESPACE,
      sidecarDeployment: "casa-sidecar",
      webhook: "casa-sidecar-injector",
      askAbout: [],
    };
    const cilium: InjectionCheck = { ...check, mode: "cilium" };
    const job = (mode: string, timeoutSeconds: number) => ({
      ...{ mode, namespace: NAMESPACE, sidecarDeployment: "casa-sidecar", webhook: "casa-sidecar-injector" },
      ...{ timeoutSeconds, stamp: "s", askAbout: [] },
    });
    const scale = (name: string, replicas: number) =>
      world.kubectl("scale", "deployment", name, "-n", NAMESPACE, `--replicas=${replicas}`);

    it("istio: ready when the sidecar is rolled out", async () => {
      await world.kubectl("rollout", "status", "deployment/casa-sidecar", "-n", NAMESPACE, "--timeout", "60s");
      expect(await injectionProblem(world.client, check)).to.equal(undefined);
      expect(await injectionProblem(world.client, { ...check, sidecarDeployment: "x" })).to.contain(
        "restarts.sidecarDeployment",
      );
      await scale("casa-sidecar", 0);
      expect(await injectionProblem(world.client, check)).to.contain("scaled to 0");
      await scale("casa-sidecar", 1);
    });

    it("cilium: webhook, CA bundle, service and Deployment, one after the other", async () => {
      expect(await injectionProblem(world.client, cilium)).to.contain("casa-sidecar-injector does not exist");
      await world.release("upgrade", "casa", "0.2.0", NAMESPACE, "--set", "mode=cilium");
      expect(await injectionProblem(world.client, cilium))
        .to.contain("inject.casa.io")
        .and.contain("no CA bundle");
      await world.release("upgrade", "casa", "0.2.0", NAMESPACE, "--set", `mode=cilium,injector.caBundle=${BASE64_CA}`);
      await world.kubectl("rollout", "status", "deployment/casa-sidecar-injector", "-n", NAMESPACE, "--timeout", "60s");
      expect(await injectionProblem(world.client, cilium)).to.equal(undefined);
      await scale("casa-sidecar-injector", 0);
      expect(await injectionProblem(world.client, cilium)).to.contain(
        "Deployment casa-runtime/casa-sidecar-injector is scaled to 0",
      );
      await scale("casa-sidecar-injector", 1);
      await world.kubectl(
        "patch",
        "service",
        "casa-sidecar-injector",
        "-n",
        NAMESPACE,
        "-p",
        JSON.stringify({ spec: { selector: LABELS } }),
      );
      expect(await injectionProblem(world.client, cilium)).to.contain("no Deployment stands behind Service");
      await world.kubectl("delete", "service", "casa-sidecar-injector", "-n", NAMESPACE);
      expect(await injectionProblem(world.client, cilium)).to.contain(
        "Service casa-runtime/casa-sidecar-injector of the webhook does not exist",
      );
    });

    it("as a program: waits until it is ready, explains what is not when time is up", async () => {
      await scale("casa-sidecar", 0);
      const waiting = world.program(PROGRAM, job("istio", 60));
      await scale("casa-sidecar", 1);
      expect(await waiting).to.include({ exitCode: 0, stderr: "" });

      const crash = {
        spec: { template: { metadata: { annotations: { "sandbox.casa-upgrade.dev/behavior": "crash-loop" } } } },
      };
      await world.kubectl("patch", "deployment", "casa-sidecar", "-n", NAMESPACE, "-p", JSON.stringify(crash));
      const late = await world.program(PROGRAM, job("istio", 3));
      expect(late.exitCode).to.equal(1);
      expect(late.stderr)
        .to.contain("no workload was restarted")
        .and.contain("casa-sidecar is not rolled out")
        .and.contain("CrashLoopBackOff");
      const wrong = await world.program(PROGRAM, job("linkerd", 3));
      expect(wrong.stderr).to.contain("the job on stdin is wrong: mode: ").and.contain("usage:");
      expect(wrong.exitCode).to.equal(1);
    });
  });
});
