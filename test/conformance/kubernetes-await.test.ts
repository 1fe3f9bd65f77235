import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import {
  at,
  expectInitFailed,
  InitFailed,
  type PluginClient,
  pluginsUnderTest,
  rejection,
  type Resource,
  urnOf,
  type Values,
} from "./client";
import { kubectl, live, newNamespace, startConfigured } from "./kubernetes-world";
import { deployment, type DeploymentOptions } from "./kubernetes-workloads";

const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
const STATEFUL_SET = "kubernetes:apps/v1:StatefulSet";

async function initFailure(promise: Promise<unknown>): Promise<InitFailed> {
  return expectInitFailed(await rejection(promise));
}

async function seconds<T>(run: () => Promise<T>): Promise<{ took: number; result: T }> {
  const start = Date.now();
  const result = await run();
  return { took: (Date.now() - start) / 1000, result };
}

for (const plugin of pluginsUnderTest("kubernetes", "4.34.2")) {
  describe(`${plugin.title}: waiting`, function () {
    this.timeout(60_000);
    let client: PluginClient;
    let namespace: string;

    before(async function () {
      this.timeout(0);
      client = await startConfigured(plugin);
    });
    after(() => client?.stop());
    beforeEach(async () => {
      namespace = await newNamespace();
    });

    const web = (options: DeploymentOptions = {}): Values => deployment(namespace, "web", options);
    const create = (options: DeploymentOptions, timeout = 30): Promise<Resource> =>
      client.create(urnOf(DEPLOYMENT, `web-${namespace}`), web(options), { timeout });

    describe("for a Deployment", () => {
      it("returns when all replicas are available, with progress shown", async () => {
        const { took, result } = await seconds(() => create({ replicas: 2, readyAfter: "3s" }));
        expect(took).to.be.greaterThan(2.5);
        expect(at(result.state, "status", "availableReplicas")).to.equal(2);
        expect(client.said(result, "status")).not.to.deep.equal([]);
      });

      it("waits for the new pods of a changed template", async () => {
        const created = await create({});
        const { took, result } = await seconds(() =>
          client.update(created, web({ readyAfter: "3s" }), { timeout: 30 }),
        );
        expect(took).to.be.greaterThan(2.5);
        expect(at(result.state, "status", "updatedReplicas")).to.equal(1);
      });

      it("records one that does not become ready, with the reasons of its pods, and repairs it by an update", async () => {
        const failed = await initFailure(create({ behavior: "crash-loop" }, 4));
        expect(failed.resource.id).to.equal(`${namespace}/web`);
        expect(at(failed.resource.state, "metadata", "uid")).to.be.a("string");
        expect(failed.resource.reasons.join("\n")).to.contain("CrashLoopBackOff");

        const urn = urnOf(DEPLOYMENT, `web-${namespace}`);
        const old = {
          urn,
          id: failed.resource.id,
          state: failed.resource.state,
          inputs: web({ behavior: "crash-loop" }),
        };
        const repaired = await client.update(old, web(), { timeout: 30 });
        expect(at(repaired.state, "status", "availableReplicas")).to.equal(1);
      });

      it("records an update that does not become ready", async () => {
        const created = await create({});
        const failed = await initFailure(client.update(created, web({ behavior: "never-ready" }), { timeout: 3 }));
        expect(at(failed.resource.state, "spec", "template", "metadata", "annotations")).to.deep.equal({
          "sandbox.casa-upgrade.dev/behavior": "never-ready",
        });
      });

      it("tells on refresh that it is not ready", async () => {
        const skipping = { behavior: "never-ready", annotations: { "pulumi.com/skipAwait": "true" } } as const;
        const created = await create(skipping);
        const waited = { ...created, inputs: web({ behavior: "never-ready" }) };
        const failed = await initFailure(client.read(waited));
        expect(failed.resource.inputs).to.be.an("object");
        expect(await client.read(created)).to.be.an("object");
      });

      it("does not wait when told so", async () => {
        const { took } = await seconds(() =>
          create({ behavior: "never-ready", annotations: { "pulumi.com/skipAwait": "true" } }),
        );
        expect(took).to.be.lessThan(2);
      });

      it("takes its timeout from the annotation when the resource has none", async () => {
        const { took } = await seconds(() =>
          initFailure(create({ behavior: "never-ready", annotations: { "pulumi.com/timeoutSeconds": "2" } }, 0)),
        );
        expect(took).to.be.within(1.5, 8);
      });

      it("stops when the run is cancelled", async () => {
        const other = await startConfigured(plugin);
        try {
          const pending = initFailure(
            other.create(urnOf(DEPLOYMENT, "web"), web({ behavior: "never-ready" }), { timeout: 50 }),
          );
          await sleep(1500);
          const { took } = await seconds(async () => {
            await other.cancel();
            await pending;
          });
          expect(took).to.be.lessThan(3);
        } finally {
          await other.stop();
        }
      });

      it("deletes its pods before it returns from a delete", async () => {
        const created = await create({ replicas: 2 });
        await client.delete(created);
        expect(await live("deployment", namespace, "web")).to.equal(undefined);
        expect(await kubectl(["get", "pods,replicasets", "-n", namespace, "-o", "name"])).to.equal("");
      });
    });

    describe("for a StatefulSet", () => {
      it("returns when all replicas are updated and ready", async () => {
        const set = (options: DeploymentOptions): Values => ({
          ...deployment(namespace, "db", options),
          kind: "StatefulSet",
        });
        const created = await client.create(urnOf(STATEFUL_SET, "db"), set({ replicas: 2 }), { timeout: 30 });
        expect(at(created.state, "status", "readyReplicas")).to.equal(2);
        const updated = await client.update(created, set({ replicas: 2, image: "example.com/main:2" }), {
          timeout: 30,
        });
        expect(at(updated.state, "status", "updatedReplicas")).to.equal(2);
        expect(at(updated.state, "status", "currentRevision")).to.equal(at(updated.state, "status", "updateRevision"));
      });
    });

    describe("for other kinds", () => {
      it("waits until a Service reaches a ready pod", async () => {
        await create({ annotations: { "pulumi.com/skipAwait": "true" }, readyAfter: "3s" });
        const metadata = { namespace, name: "web" };
        const spec = { selector: { app: "web" }, ports: [{ port: 80 }] };
        const { took } = await seconds(() =>
          client.create(urnOf("kubernetes:core/v1:Service", "web"), { metadata, spec }, { timeout: 30 }),
        );
        expect(took).to.be.greaterThan(2);
      });

      it("does not wait for the pods of a headless Service", async () => {
        const metadata = { namespace, name: "web" };
        const spec = { clusterIP: "None", selector: { app: "none" }, ports: [{ port: 80 }] };
        const { took } = await seconds(() =>
          client.create(urnOf("kubernetes:core/v1:Service", "h"), { metadata, spec }),
        );
        expect(took).to.be.lessThan(2);
      });

      it("waits until a Pod is ready", async () => {
        const template = at(web({ readyAfter: "2s" }), "spec", "template") as Values;
        const metadata = { ...(template["metadata"] as Values), namespace, name: "pod" };
        const type = "kubernetes:core/v1:Pod";
        const created = await client.create(urnOf(type, "pod"), { metadata, spec: template["spec"] }, { timeout: 30 });
        const conditions = at(created.state, "status", "conditions") as Values[];
        expect(conditions.find((condition) => condition["type"] === "Ready")).to.include({ status: "True" });
      });

      it("does not wait for a claim whose class binds at first use", async () => {
        const name = `late-${namespace}`;
        await kubectl(["create", "-f", "-"], {
          apiVersion: "storage.k8s.io/v1",
          kind: "StorageClass",
          metadata: { name },
          provisioner: "example.com/none",
          volumeBindingMode: "WaitForFirstConsumer",
        });
        const claim = {
          metadata: { namespace, name: "data" },
          spec: { storageClassName: name, accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
        };
        const type = "kubernetes:core/v1:PersistentVolumeClaim";
        const created = await client.create(urnOf(type, "data"), claim, { timeout: 10 });
        expect(at(created.state, "status", "phase")).to.equal("Pending");
        await client.delete(created);
        await kubectl(["delete", "storageclass", name]);
      });

      it("waits for the condition that the object names", async () => {
        const metadata = { namespace, name: "web", annotations: { "pulumi.com/waitFor": "condition=Checked" } };
        const type = "kubernetes:apps/v1:Deployment";
        const inputs = { ...web(), metadata };
        const pending = client.create(urnOf(type, "waiting"), inputs, { timeout: 30 });
        const outcome = await Promise.race([pending.then(() => "done"), sleep(3000).then(() => "waiting")]);
        expect(outcome).to.equal("waiting");
        const checked = [{ op: "add", path: "/status/conditions/-", value: { type: "Checked", status: "True" } }];
        await kubectl([
          "patch",
          "deployment",
          "web",
          "-n",
          namespace,
          "--subresource=status",
          "--type=json",
          "-p",
          JSON.stringify(checked),
        ]);
        await pending;
      });
    });
  });
}
