import { expect } from "chai";
import {
  at,
  isSecret,
  InitFailed,
  type PluginClient,
  pluginsUnderTest,
  rejection,
  reveal,
  secret,
  UNKNOWN,
  urnOf,
  type Values,
} from "./client";
import { kubectl, live, newNamespace, startConfigured } from "./kubernetes-world";

const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
const SECRET = "kubernetes:core/v1:Secret";
const SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount";

const configMap = (namespace: string, name: string, data: Values): Values => ({ metadata: { namespace, name }, data });

for (const plugin of pluginsUnderTest("kubernetes", "4.34.2")) {
  describe(`${plugin.title}: objects`, function () {
    this.timeout(60_000);
    let client: PluginClient;
    let namespace: string;

    before(async function () {
      this.timeout(0);
      client = await startConfigured(plugin, { enableConfigMapMutable: true });
    });
    after(() => client?.stop());
    beforeEach(async () => {
      namespace = await newNamespace();
    });

    describe("check", () => {
      it("fills in a namespace, and makes up a name that it marks as its own", async () => {
        const { inputs } = await client.check(urnOf(CONFIG_MAP, "settings"), { data: { a: "1" } });
        expect(inputs).to.include({ apiVersion: "v1", kind: "ConfigMap" });
        expect(at(inputs, "metadata", "namespace")).to.equal("default");
        expect(at(inputs, "metadata", "name")).to.match(/^settings-[0-9a-f]{8}$/);
        expect(at(inputs, "metadata", "annotations", "pulumi.com/autonamed")).to.equal("true");
      });

      it("keeps a made-up name on later runs", async () => {
        const urn = urnOf(CONFIG_MAP, "settings");
        const first = await client.check(urn, { data: { a: "1" } });
        const second = await client.check(urn, { data: { a: "2" } }, first.inputs);
        expect(at(second.inputs, "metadata", "name")).to.equal(at(first.inputs, "metadata", "name"));
      });

      it("gives an object without namespaces none", async () => {
        const type = "kubernetes:storage.k8s.io/v1:StorageClass";
        const { inputs } = await client.check(urnOf(type, "fast"), { metadata: { name: "fast" }, provisioner: "x" });
        expect(at(inputs, "metadata")).to.deep.equal({ name: "fast" });
      });

      it("marks all data of a Secret secret, given so or not", async () => {
        const { inputs } = await client.check(urnOf(SECRET, "s"), {
          metadata: { name: "s" },
          stringData: { key: "v" },
        });
        expect(isSecret(inputs["stringData"])).to.equal(true);
      });

      it("keeps values secret that were given so", async () => {
        const { inputs } = await client.check(urnOf(CONFIG_MAP, "c"), { data: { open: "1", closed: secret("2") } });
        expect(isSecret(at(inputs, "data", "closed"))).to.equal(true);
        expect(at(inputs, "data", "open")).to.equal("1");
      });

      it("refuses generateName, which server-side apply cannot do", async () => {
        const check = client.check(urnOf(CONFIG_MAP, "c"), { metadata: { generateName: "c-" } });
        expect((await rejection(check)).message).to.contain("generateName");
      });
    });

    describe("create", () => {
      it("creates the object and returns it as the server has it", async () => {
        const urn = urnOf(CONFIG_MAP, "settings");
        const created = await client.create(urn, configMap(namespace, "settings", { a: "1" }));
        expect(created.id).to.equal(`${namespace}/settings`);
        expect(at(created.state, "data")).to.deep.equal({ a: "1" });
        expect(at(created.state, "metadata", "uid")).to.equal(
          at(await live("configmap", namespace, "settings"), "metadata", "uid"),
        );
      });

      it("names an object without namespaces by its name alone", async () => {
        const type = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole";
        const created = await client.create(urnOf(type, "role"), {
          metadata: { name: `role-${namespace}` },
          rules: [],
        });
        expect(created.id).to.equal(`role-${namespace}`);
        await client.delete(created);
      });

      it("fails with `already exists` when the object is there, and changes nothing of it", async () => {
        await kubectl(["create", "configmap", "taken", "-n", namespace, "--from-literal=a=theirs"]);
        const error = await rejection(
          client.create(urnOf(CONFIG_MAP, "taken"), configMap(namespace, "taken", { a: "ours" })),
        );
        expect(error).not.to.be.instanceOf(InitFailed);
        expect(error.message).to.contain("already exists");
        expect(at(await live("configmap", namespace, "taken"), "data", "a")).to.equal("theirs");
      });

      describe("of an object whose inputs do not say what it is", () => {
        const unserved = (version: string) => `no matches for kind "" in version "${version}"`;

        it("is refused, whatever the resource type says", async function () {
          this.timeout(180_000); // the official plugin tries again for a minute
          const bare = configMap(namespace, "bare", { a: "1" });
          const urn = urnOf(CONFIG_MAP, "bare");
          const refusal = async (inputs: Values) =>
            (await rejection(client.create(urn, inputs, { bare: true }))).message;
          const [neither, noKind] = await Promise.all([refusal(bare), refusal({ ...bare, apiVersion: "v1" })]);
          expect(neither).to.contain(`creation of resource "${urn}" with kind v1/ConfigMap failed`);
          expect(neither).to.contain(unserved(""));
          expect(noKind).to.contain(unserved("v1"));
          expect(await live("configmap", namespace, "bare")).to.equal(undefined);
        });

        it("is refused for a patch, too", async function () {
          this.timeout(180_000);
          await kubectl(["create", "configmap", "taken", "-n", namespace, "--from-literal=a=theirs"]);
          const patch = configMap(namespace, "taken", { a: "ours" });
          const type = "kubernetes:core/v1:ConfigMapPatch";
          const error = await rejection(client.create(urnOf(type, "taken"), patch, { bare: true }));
          expect(error.message).to.contain(unserved(""));
          expect(at(await live("configmap", namespace, "taken"), "data", "a")).to.equal("theirs");
        });

        it("is not seen by a preview", async () => {
          const bare = configMap(namespace, "bare", { a: "1" });
          const previewed = await client.create(urnOf(CONFIG_MAP, "bare"), bare, { preview: true, bare: true });
          expect(at(previewed.state, "data", "a")).to.equal("1");
          expect(previewed.state).not.to.have.any.keys("apiVersion", "kind");
        });

        it("is refused for an update, which leaves the object as it was", async function () {
          this.timeout(180_000);
          const urn = urnOf(CONFIG_MAP, "settings");
          const created = await client.create(urn, configMap(namespace, "settings", { a: "1" }));
          const bare = configMap(namespace, "settings", { a: "2" });
          const error = await rejection(client.update(created, bare, { bare: true }));
          expect(error).not.to.be.instanceOf(InitFailed);
          expect(error.message).to.contain(`update of resource "${urn}" failed`).and.contain(unserved(""));
          expect(at(await live("configmap", namespace, "settings"), "data", "a")).to.equal("1");
        });
      });

      it("hides in a preview that the object exists", async () => {
        await kubectl(["create", "configmap", "taken", "-n", namespace, "--from-literal=a=theirs"]);
        const news = configMap(namespace, "taken", { a: "ours" });
        const previewed = await client.create(urnOf(CONFIG_MAP, "taken"), news, { preview: true });
        expect(previewed.id).to.equal("");
        expect(at(previewed.state, "data", "a")).to.equal("ours");
      });

      it("previews by a dry run: server defaults show, nothing is created", async () => {
        const type = "kubernetes:core/v1:Service";
        const news = {
          metadata: { namespace, name: "web" },
          spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
        };
        const previewed = await client.create(urnOf(type, "web"), news, { preview: true });
        expect(at(previewed.state, "spec", "ports", 0, "protocol")).to.equal("TCP");
        expect(await live("service", namespace, "web")).to.equal(undefined);
      });

      it("fails the preview of an object that the server would refuse", async () => {
        const type = "kubernetes:core/v1:Service";
        const news = { metadata: { namespace, name: "web" }, spec: { ports: [{ port: 70_000 }] } };
        const error = await rejection(client.create(urnOf(type, "web"), news, { preview: true }));
        expect(error.message).to.contain("70000").and.contain("65535");
      });

      it("echoes the inputs in a preview when one is unknown", async () => {
        const news = configMap(namespace, "later", { a: UNKNOWN });
        const previewed = await client.create(urnOf(CONFIG_MAP, "later"), news, { preview: true });
        expect(at(previewed.state, "data", "a")).to.equal(UNKNOWN);
      });

      it("echoes the inputs in a preview when the namespace or the kind is not there yet", async () => {
        const elsewhere = await client.create(urnOf(CONFIG_MAP, "c"), configMap("not-yet", "c", { a: "1" }), {
          preview: true,
        });
        expect(at(elsewhere.state, "data", "a")).to.equal("1");
        const custom = { metadata: { namespace, name: "w" }, spec: { size: 1 } };
        const widget = await client.create(urnOf("kubernetes:not-yet.example/v1:Widget", "w"), custom, {
          preview: true,
        });
        expect(at(widget.state, "spec", "size")).to.equal(1);
      });

      it("waits a little for a namespace that another resource is about to create", async () => {
        const later = `${namespace}-later`;
        const pending = client.create(urnOf(CONFIG_MAP, "early"), configMap(later, "early", { a: "1" }));
        await kubectl(["create", "namespace", later]);
        expect((await pending).id).to.equal(`${later}/early`);
      });

      it("keeps secrets secret in the state, wherever the server put them", async () => {
        const urn = urnOf(SECRET, "login");
        const created = await client.create(urn, {
          metadata: { namespace, name: "login" },
          stringData: { password: "hunter2" },
        });
        expect(isSecret(at(created.state, "data"))).to.equal(true);
        expect(JSON.stringify(reveal(created.state))).to.contain(Buffer.from("hunter2").toString("base64"));
        const map = await client.create(
          urnOf(CONFIG_MAP, "c"),
          configMap(namespace, "c", { open: "1", closed: secret("2") }),
        );
        expect(isSecret(at(map.state, "data", "closed"))).to.equal(true);
        expect(isSecret(at(map.state, "data"))).to.equal(false);
      });

      it("makes a whole list secret that has a secret in it, since a list may come back in another order", async () => {
        const spec = {
          selector: { matchLabels: { app: "a" } },
          template: {
            metadata: { labels: { app: "a" } },
            spec: { containers: [{ name: "a", image: "a", env: [{ name: "P", value: secret("hunter2") }] }] },
          },
        };
        const type = "kubernetes:apps/v1:Deployment";
        const metadata = { namespace, name: "a", annotations: { "pulumi.com/skipAwait": "true" } };
        const { state } = await client.create(urnOf(type, "a"), { metadata, spec });
        expect(isSecret(at(state, "spec", "template", "spec", "containers"))).to.equal(true);
      });
    });

    describe("update", () => {
      it("changes what it created, takes away what the program no longer has, and leaves the fields of others", async () => {
        const urn = urnOf(CONFIG_MAP, "settings");
        const created = await client.create(urn, configMap(namespace, "settings", { a: "1", b: "1" }));
        await kubectl(["label", "configmap", "settings", "-n", namespace, "--field-manager=controller", "team=theirs"]);
        const updated = await client.update(created, configMap(namespace, "settings", { a: "2" }));
        expect(at(updated.state, "data")).to.deep.equal({ a: "2" });
        const now = await live("configmap", namespace, "settings");
        expect(at(now, "data")).to.deep.equal({ a: "2" });
        expect(at(now, "metadata", "labels")).to.deep.equal({ team: "theirs" });
      });

      it("takes over, and so drops, what was set with plain kubectl", async () => {
        const urn = urnOf(CONFIG_MAP, "settings");
        const created = await client.create(urn, configMap(namespace, "settings", { a: "1" }));
        await kubectl(["label", "configmap", "settings", "-n", namespace, "by=hand"]);
        await client.update(created, configMap(namespace, "settings", { a: "2" }));
        expect(at(await live("configmap", namespace, "settings"), "metadata", "labels")).to.equal(undefined);
      });

      it("previews by a dry run", async () => {
        const created = await client.create(
          urnOf(CONFIG_MAP, "settings"),
          configMap(namespace, "settings", { a: "1" }),
        );
        const previewed = await client.update(created, configMap(namespace, "settings", { a: "2" }), { preview: true });
        expect(at(previewed.state, "data")).to.deep.equal({ a: "2" });
        expect(at(await live("configmap", namespace, "settings"), "data")).to.deep.equal({ a: "1" });
      });

      it("names manager and field of a conflict, and takes the field over when told to", async () => {
        const created = await client.create(
          urnOf(CONFIG_MAP, "settings"),
          configMap(namespace, "settings", { a: "1" }),
        );
        await client.update(created, configMap(namespace, "settings", { a: "2" }));
        const theirs = { apiVersion: "v1", kind: "ConfigMap", ...configMap(namespace, "settings", { a: "theirs" }) };
        await kubectl(["apply", "--server-side", "--force-conflicts", "--field-manager=other-team", "-f", "-"], theirs);

        const error = await rejection(client.update(created, configMap(namespace, "settings", { a: "3" })));
        expect(error.message).to.contain("conflict").and.contain("other-team").and.contain(".data.a");
        expect(at(await live("configmap", namespace, "settings"), "data", "a")).to.equal("theirs");

        const metadata = { namespace, name: "settings", annotations: { "pulumi.com/patchForce": "true" } };
        await client.update(created, { metadata, data: { a: "3" } });
        expect(at(await live("configmap", namespace, "settings"), "data", "a")).to.equal("3");
      });

      it("fails when the object is gone", async () => {
        const created = await client.create(
          urnOf(CONFIG_MAP, "settings"),
          configMap(namespace, "settings", { a: "1" }),
        );
        await kubectl(["delete", "configmap", "settings", "-n", namespace]);
        const error = await rejection(client.update(created, configMap(namespace, "settings", { a: "2" })));
        expect(error.message).to.contain("not found");
      });
    });

    describe("read", () => {
      it("imports by id: inputs are what a program would have to say", async () => {
        await kubectl(["create", "configmap", "found", "-n", namespace, "--from-literal=a=1"]);
        await kubectl(["annotate", "configmap", "found", "-n", namespace, "note=kept"]);
        const imported = await client.import(urnOf(CONFIG_MAP, "found"), `${namespace}/found`);
        expect(imported?.id).to.equal(`${namespace}/found`);
        expect(imported?.inputs).to.deep.equal({
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: "found", namespace, annotations: { note: "kept" } },
          data: { a: "1" },
        });
        expect(at(imported?.state, "metadata", "uid")).to.be.a("string");
      });

      it("imports the inputs of a Secret as secrets", async () => {
        await kubectl(["create", "secret", "generic", "found", "-n", namespace, "--from-literal=password=hunter2"]);
        const imported = await client.import(urnOf(SECRET, "found"), `${namespace}/found`);
        expect(isSecret(imported?.inputs["data"]) && isSecret(imported?.state["data"])).to.equal(true);
      });

      it("imports and then updates an object that somebody else made", async () => {
        await kubectl(["create", "configmap", "found", "-n", namespace, "--from-literal=a=1"]);
        const imported = await client.import(urnOf(CONFIG_MAP, "found"), `${namespace}/found`);
        if (!imported) throw new Error("not found");
        const force = { "pulumi.com/patchForce": "true" };
        await client.update(imported, { metadata: { namespace, name: "found", annotations: force }, data: { a: "2" } });
        expect(at(await live("configmap", namespace, "found"), "data", "a")).to.equal("2");
      });

      it("knows a missing object, and a missing kind, by an empty id", async () => {
        expect(await client.import(urnOf(CONFIG_MAP, "x"), `${namespace}/x`)).to.equal(undefined);
        expect(await client.import(urnOf("kubernetes:not-yet.example/v1:Widget", "x"), `${namespace}/x`)).to.equal(
          undefined,
        );
      });

      it("shows on refresh what others changed in the fields of the program, and those only", async () => {
        const created = await client.create(
          urnOf(CONFIG_MAP, "settings"),
          configMap(namespace, "settings", { a: "1" }),
        );
        await kubectl([
          "patch",
          "configmap",
          "settings",
          "-n",
          namespace,
          "-p",
          '{"data":{"a":"drifted","z":"theirs"}}',
        ]);
        const refreshed = await client.read(created);
        expect(at(refreshed?.inputs, "data")).to.deep.equal({ a: "drifted" });
        expect(at(refreshed?.state, "data")).to.deep.equal({ a: "drifted", z: "theirs" });
        if (refreshed)
          expect((await client.plan(refreshed, configMap(namespace, "settings", { a: "1" }))).changes).to.equal(true);
      });
    });

    describe("delete", () => {
      it("returns when the object is really gone, finalizers included", async () => {
        const created = await client.create(urnOf(CONFIG_MAP, "held"), {
          metadata: { namespace, name: "held", finalizers: ["example.com/hold"] },
        });
        const deletion = client.delete(created);
        const outcome = await Promise.race([
          deletion.then(() => "done"),
          new Promise((r) => setTimeout(() => r("waiting"), 1500)),
        ]);
        expect(outcome).to.equal("waiting");
        await kubectl(["patch", "configmap", "held", "-n", namespace, "-p", '{"metadata":{"finalizers":null}}']);
        await deletion;
        expect(await live("configmap", namespace, "held")).to.equal(undefined);
      });

      it("gives up after the timeout", async () => {
        const created = await client.create(urnOf(CONFIG_MAP, "held"), {
          metadata: { namespace, name: "held", finalizers: ["example.com/hold"] },
        });
        await rejection(client.delete(created, { timeout: 1 }));
        await kubectl(["patch", "configmap", "held", "-n", namespace, "-p", '{"metadata":{"finalizers":null}}']);
      });

      it("takes an object that is gone, or a kind that is gone, for deleted", async () => {
        const created = await client.create(urnOf(SERVICE_ACCOUNT, "a"), { metadata: { namespace, name: "a" } });
        await client.delete(created);
        await client.delete(created);
        const metadata = { name: "x", namespace };
        const widget = { apiVersion: "not-yet.example/v1", kind: "Widget", metadata };
        await client.delete({
          urn: urnOf("kubernetes:not-yet.example/v1:Widget", "x"),
          id: `${namespace}/x`,
          inputs: widget,
          state: widget,
        });
      });
    });
  });
}
