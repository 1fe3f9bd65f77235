import { expect } from "chai";
import { at, type PluginClient, pluginsUnderTest, rejection, urnOf, type Values } from "./client";
import { kubectl, live, newNamespace, startConfigured } from "./kubernetes-world";

const CRD = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition";

let groups = 0;

/** A CRD of a group that no other case uses. */
function crd(group: string, properties: Values, metadata: Values = {}): Values {
  return {
    metadata: { name: `widgets.${group}`, ...metadata },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural: "widgets", singular: "widget", kind: "Widget", listKind: "WidgetList" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", properties: { spec: { type: "object", properties } } } },
        },
      ],
    },
  };
}

for (const plugin of pluginsUnderTest("kubernetes", "4.34.2")) {
  describe(`${plugin.title}: CRDs and custom resources`, function () {
    this.timeout(60_000);
    let client: PluginClient;
    let group: string;

    before(async function () {
      this.timeout(0);
      client = await startConfigured(plugin);
    });
    after(() => client?.stop());
    beforeEach(() => {
      group = `g${++groups}.${plugin.title.split(" ")[0]}.example`;
    });

    const find = () => live("customresourcedefinition", "default", `widgets.${group}`);
    /** What the schema of the only version allows below `spec`. */
    const specProperties = (found: unknown) =>
      at(found, "spec", "versions", 0, "schema", "openAPIV3Schema", "properties", "spec", "properties");

    it("updates a CRD by replacing it whole: labels and annotations that are not in the inputs are gone", async () => {
      const created = await client.create(
        urnOf(CRD, "w"),
        crd(group, { a: { type: "string" } }, { labels: { ours: "1" } }),
      );
      expect(created.id).to.equal(`widgets.${group}`);
      const name = `widgets.${group}`;
      await kubectl(["label", "crd", name, "--field-manager=other-team", "theirs=1"]);
      await kubectl(["annotate", "crd", name, "--field-manager=other-team", "note=theirs"]);
      await client.update(created, crd(group, { b: { type: "string" } }, { labels: { ours: "1" } }));
      const now = await find();
      expect(at(now, "metadata", "labels")).to.deep.equal({ ours: "1" });
      expect(at(now, "metadata", "annotations")).to.equal(undefined);
      const schema = specProperties(now);
      expect(schema).to.deep.equal({ b: { type: "string" } });
    });

    it("previews the update of a CRD by a dry run, which refuses what the server would refuse", async () => {
      const created = await client.create(urnOf(CRD, "w"), crd(group, { a: { type: "string" } }));
      await client.update(created, crd(group, { b: { type: "string" } }), { preview: true });
      await rejection(client.update(created, crd(group, { b: { type: "no-type" } }), { preview: true }));
      const schema = specProperties(await find());
      expect(schema).to.deep.equal({ a: { type: "string" } });
    });

    it("adopts a CRD by import and updates it in the same run", async () => {
      const manifest = {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        ...crd(group, { a: { type: "string" } }),
      };
      await kubectl(["create", "-f", "-"], manifest);
      const imported = await client.import(urnOf(CRD, "w"), `widgets.${group}`);
      if (!imported) throw new Error("not found");
      expect(imported.inputs).not.to.have.property("status");
      const wanted = crd(group, { a: { type: "string" }, b: { type: "string" } });
      expect(await client.plan(imported, wanted)).to.deep.include({ changes: true, replaces: [] });
      await client.update(imported, wanted);
      const schema = specProperties(await find());
      expect(Object.keys(schema as Values)).to.deep.equal(["a", "b"]);
    });

    it("sends x-kubernetes fields by their API names, however the program spells them, and keeps them apart from changes", async () => {
      const spelled = crd(group, { a: { type: "object", x_kubernetes_preserve_unknown_fields: true } });
      const created = await client.create(urnOf(CRD, "w"), spelled);
      const schema = specProperties(await find());
      expect(at(schema, "a")).to.deep.equal({ type: "object", "x-kubernetes-preserve-unknown-fields": true });
      const dashed = crd(group, { a: { type: "object", "x-kubernetes-preserve-unknown-fields": true } });
      expect((await client.plan(created, dashed)).changes).to.equal(false);
    });

    it("creates a custom resource right after its CRD, waiting until it is served", async () => {
      const namespace = await newNamespace();
      const type = `kubernetes:${group}/v1:Widget`;
      const inputs = { metadata: { namespace, name: "w" }, spec: { a: "1" } };
      const definition = await client.create(urnOf(CRD, "w"), crd(group, { a: { type: "string" } }));
      const created = await client.create(urnOf(type, "w"), inputs);
      expect(created.id).to.equal(`${namespace}/w`);
      const updated = await client.update(created, { ...inputs, spec: { a: "2" } });
      expect(at(updated.state, "spec")).to.deep.equal({ a: "2" });
      await client.delete(updated);
      await client.delete(definition);
      expect(await find()).to.equal(undefined);
    });
  });
}
