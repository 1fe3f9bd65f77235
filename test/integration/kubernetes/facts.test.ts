import { expect } from "chai";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { connect } from "../../../kubernetes/connect";
import { readLiveCrds } from "../../../kubernetes/crds";
import { readRelease, releaseProblem } from "../../../helm/release";
import { readWorkloads } from "../../../kubernetes/workloads";
import { listCasaPolicies, listMultiAgentSystems } from "../../../components/workload-restarts/cluster/casa-objects";
import { demoObjects } from "../../fixtures/mas";
import { ClusterFixture, refusal } from "../world/cluster-fixture";
import { ROOT } from "../world/world";

/** What is read of a cluster, against what kubectl and helm say. */
describe("reading a cluster", function () {
  this.timeout(120_000);
  let world: ClusterFixture;

  before(async () => (world = await ClusterFixture.start()));
  after(async () => world?.stop());

  it("knows version, identity and every API version, in few requests", async () => {
    const { kubeconfig, context } = world.cluster;
    const client = await connect({ kubeconfig, context, timeoutSeconds: 10 });
    expect(client.uid).to.equal(
      await world.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"),
    );
    const found = await client.apiVersions();
    const expected = (await world.kubectl("api-versions")).split("\n");
    expect(found.filter((name) => !/\/[A-Z]/.test(name)).sort()).to.deep.equal(expected.sort());
    expect(found).to.include.members(["v1/ConfigMap", "apps/v1/Deployment"]).and.not.include("apps/v1/Scale");
    expect(await client.api.resource("apps/v1", "Deployment")).to.deep.equal({
      plural: "deployments",
      namespaced: true,
      patchable: true,
    });
    expect(client.requestCount).to.equal(4);
    expect(`v${client.serverVersion.major}.${client.serverVersion.minor}`).to.equal(
      /^v\d+\.\d+/.exec(client.gitVersion)?.[0],
    );
  });

  it("reads objects through a schema and says which one is not as expected", async () => {
    const { z } = await import("zod");
    const type = { apiVersion: "v1", kind: "Namespace" };
    const schema = z.looseObject({ status: z.looseObject({ phase: z.string() }) });
    expect((await world.client.get(type, "", "default", schema))?.status.phase).to.equal("Active");
    expect(await world.client.get(type, "", "nope", schema)).to.equal(undefined);
    expect((await world.client.list(type, undefined, schema)).length).to.be.greaterThan(3);
    const wrong = z.looseObject({ status: z.looseObject({ phase: z.number() }) });
    expect(await refusal(world.client.get(type, "", "default", wrong)))
      .to.contain("Namespace default")
      .and.contain("status.phase");
  });

  it("credentials that the cluster does not accept", async () => {
    for (const user of [{ token: "expired" }, {}]) {
      const kubeconfig = await world.kubeconfig({ user });
      const message = await refusal(connect({ kubeconfig, context: "c", timeoutSeconds: 5 }));
      expect(message).to.contain("does not accept the credentials of context").and.contain("log in again");
    }
  });

  it("a server that is not there, and one that never answers", async () => {
    const silent = createServer(() => undefined).listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as AddressInfo;
    const started = Date.now();
    const hanging = connect({
      kubeconfig: await world.kubeconfig({ server: `https://127.0.0.1:${port}` }),
      context: "c",
      timeoutSeconds: 1,
    });
    expect(await refusal(hanging))
      .to.contain("no answer within 1 s")
      .and.contain(`127.0.0.1:${port}`);
    expect(Date.now() - started).to.be.lessThan(3_000);
    silent.close();
    const refused = connect({
      kubeconfig: await world.kubeconfig({ server: "https://127.0.0.1:1" }),
      context: "c",
      timeoutSeconds: 5,
    });
    expect(await refusal(refused))
      .to.contain("cannot be reached")
      .and.contain("ECONNREFUSED");
  });

  it("no CRD, no objects", async () => {
    expect(await listMultiAgentSystems(world.client)).to.deep.equal([]);
    expect(await listCasaPolicies(world.client)).to.deep.equal([]);
    expect(await readLiveCrds(world.client, ["multiagentsystems.casa.io"])).to.deep.equal(new Map());
  });

  describe("custom resources and workloads", () => {
    before(async () => {
      await world.kubectl("apply", "-f", `${ROOT}/test/fixtures/charts/casa-runtime-0.2.0/crds/`);
      await world.kubectl("wait", "--for=condition=Established", "crd", "--all");
      await world.apply(...demoObjects());
      await world.client.apiVersions(); // as the plan does, so that what follows needs no discovery
    });

    it("CRDs as they are live", async () => {
      await world.kubectl("label", "crd", "multiagentsystems.casa.io", "team=platform");
      const found = await readLiveCrds(world.client, ["multiagentsystems.casa.io", "nothing.casa.io"]);
      expect([...found.keys()]).to.deep.equal(["multiagentsystems.casa.io"]);
      const crd = found.get("multiagentsystems.casa.io");
      expect(crd).to.deep.include({ storedVersions: ["v1alpha1"], terminating: false });
      expect(crd?.labels).to.include({ team: "platform" });
      expect(crd?.conditions.some(({ type, status }) => type === "Established" && status === "True")).to.equal(true);
    });

    it("systems, policies and their workloads, in three lists a namespace", async () => {
      const systems = await listMultiAgentSystems(world.client);
      expect(systems).to.deep.include({
        namespace: "mas-finance",
        name: "finance-desk",
        workloads: ["analyst", "ledger"],
      });
      const policies = await listCasaPolicies(world.client);
      expect(policies.find(({ name }) => name === "ledger-access")?.targetRef).to.deep.include({
        kind: "StatefulSet",
        name: "ledger",
      });

      const stamp = { spec: { template: { metadata: { annotations: { "casa-upgrade.dev/config-stamp": "abc" } } } } };
      await world.kubectl("patch", "deployment", "analyst", "-n", "mas-finance", "-p", JSON.stringify(stamp));
      for (const what of ["deployment/analyst", "statefulset/ledger"]) {
        await world.kubectl("rollout", "status", what, "-n", "mas-finance", "--timeout", "60s");
      }
      const before = world.client.requestCount;
      const workloads = await readWorkloads(world.client, ["mas-finance", "mas-travel"]);
      // And one that tells that Argo Rollouts are not served.
      expect(world.client.requestCount - before).to.equal(3 * 2 + 1);
      const find = (name: string) => workloads.find((workload) => workload.name === name);
      expect(find("analyst")).to.deep.include({
        kind: "Deployment",
        replicas: 2,
        available: 2,
        rolledOut: true,
      });
      expect(find("analyst")?.podAnnotations).to.include({ "casa-upgrade.dev/config-stamp": "abc" });
      expect(find("ledger")).to.deep.include({
        kind: "StatefulSet",
        namespace: "mas-finance",
        paused: false,
        rolledOut: true,
      });
      expect(find("ledger")?.podAnnotations).not.to.have.property("casa-upgrade.dev/config-stamp");
      await world.kubectl("rollout", "pause", "deployment/analyst", "-n", "mas-finance");
      const [paused] = (await readWorkloads(world.client, ["mas-finance"])).filter(({ name }) => name === "analyst");
      expect(paused?.paused).to.equal(true);
    });

    it("what may not be read is one clear error", async () => {
      const client = await world.clientOf("nobody");
      expect(client.uid).to.equal(undefined);
      expect(await refusal(readRelease(client, "casa-runtime", "casa")))
        .to.contain("missing permission")
        .and.contain("secrets");
      expect(await refusal(readLiveCrds(client, ["multiagentsystems.casa.io"]))).to.contain(
        "customresourcedefinitions",
      );
      expect(await refusal(listMultiAgentSystems(client))).to.contain("restarts.discovery false");
      expect(await refusal(readWorkloads(client, ["mas-finance"]))).to.contain("namespace mas-finance");
    });

    it("a kind of workloads that may not be listed is told, and the others are read", async () => {
      const resources = "--resource=deployments.apps,statefulsets.apps";
      await world.kubectl("create", "clusterrole", "usual-workloads", "--verb=get,list", resources);
      const client = await world.clientOf("usual", "usual-workloads");
      const unlisted: object[] = [];
      const found = await readWorkloads(client, ["mas-finance"], (one) => unlisted.push(one));
      expect(found.map(({ name }) => name)).to.include.members(["analyst", "ledger"]);
      // Argo Rollouts are not served here.
      expect(unlisted).to.deep.equal([{ kind: "DaemonSet", namespace: "mas-finance" }]);
    });
  });

  describe("a helm release", () => {
    const namespace = "casa-runtime";
    const read = async () => (await readRelease(world.client, namespace, "casa"))!;
    const setStatus = async (revision: number, status: string) => {
      const { gunzipSync, gzipSync } = await import("node:zlib");
      const name = `sh.helm.release.v1.casa.v${revision}`;
      const found = await world.kubectl("get", "secret", name, "-n", namespace, "-o", "jsonpath={.data.release}");
      const inner = gunzipSync(Buffer.from(Buffer.from(found, "base64").toString(), "base64")).toString();
      const release = JSON.parse(inner) as { info: { status: string } };
      release.info.status = status;
      const data = Buffer.from(gzipSync(JSON.stringify(release)).toString("base64")).toString("base64");
      const patch = { metadata: { labels: { status } }, data: { release: data } };
      await world.kubectl("patch", "secret", name, "-n", namespace, "-p", JSON.stringify(patch));
    };
    const statuses = async () => (await read()).revisions.map(({ status }) => status);
    const upgrade = () => world.release("upgrade", "casa", "0.2.0", namespace);
    /** The helm lines of a fix, each of which must make the upgrade possible. */
    const helmLine = (fix: string | undefined) => /helm (rollback|uninstall) [^,;]+/.exec(fix ?? "")?.[0] ?? "";

    before(async () => {
      await world.release("install", "casa", "0.1.0", namespace, "--set", "authService.replicaCount=2");
      await world.release("upgrade", "casa", "0.2.0", namespace, "--set", "authService.replicaCount=2");
    });

    it("is read as helm tells it", async () => {
      const { latest, revisions } = await read();
      expect(revisions.map(({ revision, status, chartVersion }) => [revision, status, chartVersion])).to.deep.equal([
        [1, "superseded", "0.1.0"],
        [2, "deployed", "0.2.0"],
      ]);
      expect(latest).to.include({ chartName: "casa-runtime", description: "Upgrade complete" });
      expect(latest.config).to.deep.equal({ authService: { replicaCount: 2 } });
      expect(latest.manifest.trim()).to.equal((await world.helm(["get", "manifest", "casa", "-n", namespace])).trim());
      expect(Date.parse(latest.deployedAt)).to.be.greaterThan(Date.now() - 300_000);
      expect(latest.crdFiles.map(({ name }) => name)).to.deep.equal([
        "casa-runtime/crds/casapolicies.yaml",
        "casa-runtime/crds/multiagentsystems.yaml",
      ]);
      expect(latest.crdFiles[0]?.data).to.contain("kind: CustomResourceDefinition");
    });

    it("one that does not exist", async () => {
      expect(await readRelease(world.client, namespace, "other")).to.equal(undefined);
      expect(await readRelease(world.client, "no-such-namespace", "casa")).to.equal(undefined);
    });

    it("pending: helm refuses as foreseen, the line of the fix repairs it", async () => {
      expect(releaseProblem(await read(), world.cluster.context)).to.equal(undefined);
      await setStatus(2, "pending-upgrade");
      const problem = releaseProblem(await read(), world.cluster.context);
      expect(await refusal(upgrade())).to.contain("another operation");
      expect(helmLine(problem?.fix)).to.contain("helm rollback casa 1 ");
      await world.paste(helmLine(problem?.fix));
      await upgrade();
      expect((await statuses()).at(-1)).to.equal("deployed");
    });

    it("uninstalled, history kept: helm refuses as foreseen, the line of the fix repairs it", async () => {
      await world.helm(["uninstall", "casa", "-n", namespace, "--keep-history"]);
      const problem = releaseProblem(await read(), world.cluster.context);
      expect(await refusal(upgrade())).to.contain("no deployed releases");
      await world.paste(helmLine(problem?.fix));
      await upgrade();
      expect((await statuses()).at(-1)).to.equal("deployed");
    });

    it("failed at its first install, or left without a deployed revision: helm upgrades it, so nothing is refused", async () => {
      for (const status of ["failed", "superseded"]) {
        await world.helm(["uninstall", "casa", "-n", namespace]);
        await world.release("install", "casa", "0.1.0", namespace);
        await setStatus(1, status);
        expect(releaseProblem(await read(), world.cluster.context)).to.equal(undefined);
        await upgrade();
      }
    });

    it("kept in ConfigMaps: refused, and the line of the fix moves it", async () => {
      const args = ["install", "cm", "test/fixtures/charts/casa-runtime-0.2.0", "-n", "cm", "--create-namespace"];
      await world.helm(args, { HELM_DRIVER: "configmap" });
      const message = await refusal(readRelease(world.client, "cm", "cm"));
      expect(message).to.contain("ConfigMaps");
      await world.paste(message.slice(message.indexOf("kubectl ")));
      expect((await readRelease(world.client, "cm", "cm"))?.latest).to.include({
        status: "deployed",
        chartVersion: "0.2.0",
      });
      expect(await world.helm(["history", "cm", "-n", "cm"])).to.contain("Install complete");
    });
  });
});
