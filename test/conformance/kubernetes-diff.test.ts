import { expect } from "chai";
import {
  type Diff,
  PluginClient,
  pluginsUnderTest,
  type Resource,
  secret,
  UNKNOWN,
  urnOf,
  type Values,
} from "./client";
import { startConfigured } from "./kubernetes-world";
import { deployment } from "./kubernetes-workloads";

for (const plugin of pluginsUnderTest("kubernetes", "4.34.2")) {
  describe(`${plugin.title}: diff`, function () {
    this.timeout(60_000);
    let client: PluginClient;

    before(async function () {
      this.timeout(0);
      client = await startConfigured(plugin);
    });
    after(() => client?.stop());

    /** A resource as it would be after it was created with these inputs. */
    async function known(type: string, news: Values, plugin = client): Promise<Resource> {
      const urn = urnOf(type, "x");
      const { inputs } = await plugin.check(urn, news);
      return { urn, id: "default/x", inputs, state: { ...inputs, __inputs: inputs } };
    }

    async function diff(type: string, before: Values, after: Values, plugin = client): Promise<Diff> {
      const named = (values: Values) => ({
        ...values,
        metadata: { name: "x", ...(values["metadata"] as Values | undefined) },
      });
      return plugin.plan(await known(type, named(before), plugin), named(after));
    }

    const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
    const DEPLOYMENT = "kubernetes:apps/v1:Deployment";

    it("finds nothing when nothing changed, an explicit default namespace included", async () => {
      expect((await diff(CONFIG_MAP, { data: { a: "1" } }, { data: { a: "1" } })).changes).to.equal(false);
      const spelled = { metadata: { namespace: "default" }, data: { a: "1" } };
      expect((await diff(CONFIG_MAP, { data: { a: "1" } }, spelled)).changes).to.equal(false);
    });

    it("names what is added, changed and taken away, by path", async () => {
      const before = { metadata: { labels: { same: "1", "a.b/c": "1" } } };
      const after = { metadata: { labels: { same: "1", "a.b/c": "2", new: "1" }, annotations: { note: "1" } } };
      const { detailed } = await diff("kubernetes:core/v1:ServiceAccount", before, after);
      expect(detailed).to.deep.equal({
        'metadata.labels["a.b/c"]': "UPDATE",
        "metadata.labels.new": "ADD",
        "metadata.annotations": "ADD",
      });
      const removed = await diff("kubernetes:core/v1:ServiceAccount", after, {
        metadata: { labels: { same: "1", "a.b/c": "2" } },
      });
      expect(Object.values(removed.detailed)).to.deep.equal(["DELETE", "DELETE"]);
    });

    it("names a changed element of a list", async () => {
      const before = deployment("default", "x", { image: "a:1" });
      const after = deployment("default", "x", { image: "a:2" });
      const result = await diff(DEPLOYMENT, before, after);
      expect(result.detailed).to.deep.equal({ "spec.template.spec.containers[0].image": "UPDATE" });
      expect(result.replaces).to.deep.equal([]);
    });

    it("takes an unknown value for a change", async () => {
      expect((await diff(CONFIG_MAP, { data: { a: "1" } }, { data: { a: UNKNOWN } })).changes).to.equal(true);
    });

    it("compares secrets by value", async () => {
      const type = "kubernetes:core/v1:ServiceAccount";
      const labelled = (value: unknown) => ({ metadata: { labels: { a: value } } });
      expect((await diff(type, labelled("1"), labelled(secret("1")))).changes).to.equal(false);
      expect((await diff(type, labelled(secret("1")), labelled(secret("2")))).changes).to.equal(true);
    });

    it("replaces an object that gets another name or namespace, beside the old one", async () => {
      const renamed = await diff(CONFIG_MAP, {}, { metadata: { name: "y" } });
      expect(renamed).to.deep.include({ replaces: ["metadata.name"], deleteBeforeReplace: false });
      const moved = await diff(CONFIG_MAP, {}, { metadata: { namespace: "elsewhere" } });
      expect(moved).to.deep.include({ replaces: ["metadata.namespace"], deleteBeforeReplace: false });
    });

    it("replaces a Deployment whose selector changes, the old one first as the name stays", async () => {
      const before = deployment("default", "x");
      const after = deployment("default", "x");
      (after["spec"] as Values)["selector"] = { matchLabels: { app: "other" } };
      const result = await diff(DEPLOYMENT, before, after);
      expect(result.detailed).to.deep.equal({ "spec.selector.matchLabels.app": "UPDATE_REPLACE" });
      expect(result).to.deep.include({ replaces: ["spec.selector.matchLabels.app"], deleteBeforeReplace: true });
    });

    it("replaces beside the old one when the name was made up", async () => {
      const old = await known(CONFIG_MAP, { data: { a: "1" } });
      const result = await client.plan(old, { data: { a: "2" } });
      expect(result.replaces).to.deep.equal(["data.a"]);
      expect(result.deleteBeforeReplace).to.equal(false);
    });

    const replacing: [string, string, Values, Values][] = [
      [
        "the service name of a StatefulSet",
        "kubernetes:apps/v1:StatefulSet",
        { spec: { serviceName: "a" } },
        { spec: { serviceName: "b" } },
      ],
      [
        "the class of a claim",
        "kubernetes:core/v1:PersistentVolumeClaim",
        { spec: { storageClassName: "a" } },
        { spec: { storageClassName: "b" } },
      ],
      [
        "the role of a binding",
        "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
        { roleRef: { name: "a" } },
        { roleRef: { name: "b" } },
      ],
      [
        "the template of a Job",
        "kubernetes:batch/v1:Job",
        { spec: { template: { a: "1" } } },
        { spec: { template: { a: "2" } } },
      ],
      ["the data of a ConfigMap", CONFIG_MAP, { data: { a: "1" } }, { data: { a: "2" } }],
      ["the data of a Secret", "kubernetes:core/v1:Secret", { stringData: { a: "1" } }, { stringData: { a: "2" } }],
      ["the type of a Secret", "kubernetes:core/v1:Secret", { type: "a/a" }, { type: "b/b" }],
    ];
    for (const [what, type, before, after] of replacing) {
      it(`replaces for ${what}`, async () => {
        const result = await diff(type, before, after);
        expect(result.replaces).to.have.length(1);
        expect(Object.values(result.detailed)).to.deep.equal(["UPDATE_REPLACE"]);
      });
    }

    it("updates data in place when the provider says it is mutable, unless the object says it is not", async () => {
      const mutable = await startConfigured(plugin, { enableConfigMapMutable: true, enableSecretMutable: true });
      try {
        for (const type of [CONFIG_MAP, "kubernetes:core/v1:Secret"]) {
          const field = type === CONFIG_MAP ? "data" : "stringData";
          const result = await diff(type, { [field]: { a: "1" } }, { [field]: { a: "2" } }, mutable);
          expect(result).to.deep.include({ changes: true, replaces: [] });
          const fixed = await diff(
            type,
            { immutable: true, [field]: { a: "1" } },
            { immutable: true, [field]: { a: "2" } },
            mutable,
          );
          expect(fixed.replaces).to.have.length(1);
        }
      } finally {
        await mutable.stop();
      }
    });
  });
}
