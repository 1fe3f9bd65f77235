import { expect } from "chai";
import { at, InitFailed, type PluginClient, pluginsUnderTest, rejection, urnOf, type Values } from "./client";
import { kubectl, live, newNamespace, startConfigured } from "./kubernetes-world";
import { deployment } from "./kubernetes-workloads";

const PATCH = "kubernetes:apps/v1:DeploymentPatch";
const STAMP = "example.com/stamp";

for (const plugin of pluginsUnderTest("kubernetes", "4.34.2")) {
  describe(`${plugin.title}: patches`, function () {
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

    const stamp = (value: string, annotations: Values = {}): Values => ({
      metadata: {
        name: "web",
        namespace,
        annotations: { "pulumi.com/patchFieldManager": "stamper", "pulumi.com/skipAwait": "true", ...annotations },
      },
      spec: { template: { metadata: { annotations: { [STAMP]: value } } } },
    });
    const applyDeployment = () => kubectl(["apply", "-f", "-"], deployment(namespace, "web"));
    const stamped = async () =>
      at(await live("deployment", namespace, "web"), "spec", "template", "metadata", "annotations", STAMP);

    it("must name what it patches", async () => {
      expect((await rejection(client.check(urnOf(PATCH, "web"), { spec: {} }))).message).to.contain("metadata.name");
    });

    it("sets its own fields under its own manager and leaves all others", async () => {
      await applyDeployment();
      const before = await live("deployment", namespace, "web");
      const created = await client.create(urnOf(PATCH, "web"), stamp("1"));
      expect(created.id).to.equal(`${namespace}/web`);
      expect(await stamped()).to.equal("1");
      const after = await live("deployment", namespace, "web");
      expect(at(after, "spec", "replicas")).to.equal(at(before, "spec", "replicas"));
      const managers = at(after, "metadata", "managedFields") as Values[];
      expect(
        managers.filter(({ manager, operation }) => manager === "stamper" && operation === "Apply"),
      ).to.have.length(1);
      expect(managers.some(({ manager }) => typeof manager === "string" && manager.startsWith("kubectl"))).to.equal(
        true,
      );
    });

    it("shows its inputs in a preview, without asking the server: a missing target is not seen", async () => {
      const previewed = await client.create(urnOf(PATCH, "web"), stamp("1"), { preview: true });
      expect(previewed.id).to.equal("");
      expect(at(previewed.state, "spec", "template", "metadata", "annotations", STAMP)).to.equal("1");
      expect(previewed.state).not.to.have.property("status");
    });

    it("fails on a missing target when it is applied, and makes nothing", async () => {
      await rejection(client.create(urnOf(PATCH, "web"), stamp("1")));
      expect(await live("deployment", namespace, "web")).to.equal(undefined);
    });

    it("is updated in place, and previews an update by a dry run", async () => {
      await applyDeployment();
      const created = await client.create(urnOf(PATCH, "web"), stamp("1"));
      expect(await client.plan(created, stamp("2"))).to.deep.include({ changes: true, replaces: [] });
      const previewed = await client.update(created, stamp("2"), { preview: true });
      expect(at(previewed.state, "spec", "replicas")).to.equal(1);
      expect(await stamped()).to.equal("1");
      await client.update(created, stamp("2"));
      expect(await stamped()).to.equal("2");
    });

    it("is replaced when it patches another object", async () => {
      await applyDeployment();
      const created = await client.create(urnOf(PATCH, "web"), stamp("1"));
      const other = stamp("1");
      (other["metadata"] as Values)["name"] = "other";
      expect((await client.plan(created, other)).replaces).to.deep.equal(["metadata.name"]);
    });

    it("names manager and field of a conflict, and takes the field over when told to", async () => {
      await applyDeployment();
      await client.create(urnOf(PATCH, "web"), stamp("1"));
      const rival = stamp("2", { "pulumi.com/patchFieldManager": "rival" });
      const error = await rejection(client.create(urnOf(PATCH, "rival"), rival));
      expect(error).not.to.be.instanceOf(InitFailed);
      expect(error.message).to.contain("conflict").and.contain('"stamper"').and.contain(STAMP);
      expect(await stamped()).to.equal("1");
      const forced = stamp("2", { "pulumi.com/patchFieldManager": "rival", "pulumi.com/patchForce": "true" });
      await client.create(urnOf(PATCH, "rival"), forced);
      expect(await stamped()).to.equal("2");
    });

    it("records a conflict met by an update, so that the next run tries again", async () => {
      await applyDeployment();
      const created = await client.create(urnOf(PATCH, "web"), stamp("1"));
      const annotations = { [STAMP]: "theirs" };
      const theirs = { ...deployment(namespace, "web"), spec: { template: { metadata: { annotations } } } };
      await kubectl(["apply", "--server-side", "--force-conflicts", "--field-manager=rival", "-f", "-"], theirs);
      const error = await rejection(client.update(created, stamp("2")));
      expect(error).to.be.instanceOf(InitFailed);
      expect(error.message).to.contain("conflict").and.contain('"rival"');
      expect(await stamped()).to.equal("theirs");
    });

    it("gives its fields up when deleted, which takes them off the object", async () => {
      await applyDeployment();
      const created = await client.create(urnOf(PATCH, "web"), stamp("1"));
      await client.delete(created);
      expect(await stamped()).to.equal(undefined);
      expect(at(await live("deployment", namespace, "web"), "spec", "replicas")).to.equal(1);
    });

    it("can be deleted when the target is gone, and brings nothing back", async () => {
      const type = "kubernetes:core/v1:ConfigMapPatch";
      await kubectl(["create", "configmap", "settings", "-n", namespace, "--from-literal=a=1"]);
      const created = await client.create(urnOf(type, "settings"), {
        metadata: { namespace, name: "settings" },
        data: { b: "2" },
      });
      expect(at(await live("configmap", namespace, "settings"), "data")).to.deep.equal({ a: "1", b: "2" });
      await kubectl(["delete", "configmap", "settings", "-n", namespace]);
      await client.delete(created);
      expect(await live("configmap", namespace, "settings")).to.equal(undefined);
    });

    it("patches a StatefulSet", async () => {
      await kubectl(["apply", "-f", "-"], { ...deployment(namespace, "db"), kind: "StatefulSet" });
      const inputs = stamp("1");
      (inputs["metadata"] as Values)["name"] = "db";
      await client.create(urnOf("kubernetes:apps/v1:StatefulSetPatch", "db"), inputs);
      const template = at(await live("statefulset", namespace, "db"), "spec", "template");
      expect(at(template, "metadata", "annotations", STAMP)).to.equal("1");
    });
  });
}
