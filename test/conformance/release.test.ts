import * as fs from "node:fs";
import * as path from "node:path";
import { expect } from "chai";
import {
  at,
  isSecret,
  type PluginClient,
  pluginsUnderTest,
  rejection,
  reveal,
  secret,
  UNKNOWN,
  urnOf,
  type Values,
} from "./client";
import { live, newNamespace } from "./kubernetes-world";
import { helm, history, RELEASE, scratchFolder, startForReleases, writeChart } from "./release-world";

const urn = urnOf(RELEASE, "app");

for (const plugin of pluginsUnderTest("kubernetes", "4.34.2")) {
  const embedded = plugin.title.startsWith("embedded");

  describe(`${plugin.title}: helm releases`, function () {
    this.timeout(60_000);
    const folder = scratchFolder();
    let client: PluginClient;
    let namespace: string;
    let v1: string;
    let v2: string;

    before(async function () {
      this.timeout(0);
      client = await startForReleases(plugin);
      v1 = writeChart(path.join(folder, "v1"));
      v2 = writeChart(path.join(folder, "v2"), { version: "2.0.0" });
    });
    after(() => client?.stop());
    beforeEach(async () => {
      namespace = await newNamespace();
    });

    /** Arguments of a release named `app` in the case's namespace. */
    const args = (more: Values = {}): Values => ({ chart: v1, name: "app", namespace, ...more });

    describe("check", () => {
      it("fills in name, namespace, timeout and the chart's exact version", async () => {
        const { inputs, failures } = await client.check(urn, { chart: v1, version: ">0.1.0" });
        expect(failures).to.deep.equal([]);
        expect(inputs["name"]).to.match(/^app-[0-9a-f]{8}$/);
        expect(inputs).to.include({
          namespace: "default",
          timeout: 300,
          version: "1.0.0",
          atomic: false,
          skipCrds: false,
        });
        expect(inputs).not.to.have.any.keys("maxHistory", "repositoryOpts", "status", "resourceNames");
      });

      it("keeps a made-up name on later runs", async () => {
        const first = await client.check(urn, { chart: v1 });
        const second = await client.check(urn, { chart: v1 }, first.inputs);
        expect(second.inputs["name"]).to.equal(first.inputs["name"]);
      });

      it("sets no timeout for a release that is not waited for", async () => {
        expect((await client.check(urn, args({ skipAwait: true }))).inputs).to.include({ timeout: 0 });
      });

      it("rejects a chart that is not there, in a preview too", async () => {
        const { failures } = await client.check(urn, { chart: path.join(folder, "nowhere") });
        expect(failures).to.have.length(1);
        expect(failures[0]).to.include({ property: "chart" });
        expect(failures[0]?.reason).to.match(
          /"\/.*\/nowhere" not found; check the chart name and repository configuration\.$/,
        );
      });

      it("loads no chart while an input is unknown", async () => {
        const { inputs, failures } = await client.check(
          urn,
          args({ chart: "./nowhere", values: { settings: UNKNOWN } }),
        );
        expect(failures).to.deep.equal([]);
        expect(at(inputs, "values", "settings")).to.equal(UNKNOWN);
      });

      it("puts values files below the values, and keeps only the result", async () => {
        const file = path.join(folder, "more.yaml");
        fs.writeFileSync(file, "settings:\n  greeting: from file\n  other: from file\n");
        const asset = { "4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", path: file };
        const { inputs } = await client.check(
          urn,
          args({ valueYamlFiles: [asset], values: { settings: { greeting: "hi" } } }),
        );
        expect(inputs["values"]).to.deep.equal({ settings: { greeting: "hi", other: "from file" } });
        expect(inputs).not.to.have.property("valueYamlFiles");
      });
    });

    describe("preview", () => {
      it("contacts no cluster, echoes the inputs, and leaves what helm decides unknown", async () => {
        const kubeconfig = path.join(folder, "dead.kubeconfig");
        const cluster = { name: "dead", cluster: { server: "https://127.0.0.1:1" } };
        const context = { name: "dead", context: { cluster: "dead", user: "" } };
        const config = {
          apiVersion: "v1",
          kind: "Config",
          clusters: [cluster],
          contexts: [context],
          "current-context": "dead",
        };
        fs.writeFileSync(kubeconfig, JSON.stringify(config));
        const offline = await startForReleases(plugin, { kubeconfig, context: "dead" });
        try {
          const planned = await offline.create(urn, args({ values: { settings: { greeting: "hi" } } }), {
            preview: true,
          });
          expect(planned.state).to.include({
            name: "app",
            namespace,
            version: "1.0.0",
            status: UNKNOWN,
            resourceNames: UNKNOWN,
          });
          expect(planned.state["values"]).to.deep.equal({ settings: { greeting: "hi" } });
          const error = await rejection(offline.create(urn, args()));
          expect(error.message).to.contain("can't create Helm Release with unreachable cluster");
        } finally {
          await offline.stop();
        }
      });

      it("of an update changes nothing in the cluster", async () => {
        const release = await client.create(urn, args());
        await client.update(release, args({ chart: v2 }), { preview: true });
        expect(await history(namespace, "app")).to.deep.equal(["1 deployed tiny-1.0.0"]);
      });
    });

    describe("diff", () => {
      it("finds none between equal inputs, though outputs hold more", async () => {
        const release = await client.create(urn, args({ values: { settings: { greeting: "hi" } } }));
        expect((await client.plan(release, args({ values: { settings: { greeting: "hi" } } }))).changes).to.equal(
          false,
        );
      });

      it("tells changed, added and removed values apart", async () => {
        const release = await client.create(urn, args({ values: { settings: { greeting: "hi", old: "x" } } }));
        const { detailed } = await client.plan(release, args({ values: { settings: { greeting: "ho", new: "y" } } }));
        expect(detailed).to.deep.equal({
          "values.settings.greeting": "UPDATE",
          "values.settings.new": "ADD",
          "values.settings.old": "DELETE",
        });
      });

      it("replaces a release whose name or namespace changes", async () => {
        const release = await client.create(urn, args());
        const { replaces } = await client.plan(release, args({ name: "other", namespace: "elsewhere" }));
        expect(replaces).to.deep.equal(["name", "namespace"]);
      });

      it("sees a new version in the chart's folder, but not an edited template without one", async () => {
        const chart = writeChart(path.join(folder, "edited"));
        const release = await client.create(urn, args({ chart }));
        writeChart(chart, { label: "edited" });
        expect((await client.plan(release, args({ chart }))).changes).to.equal(false);
        writeChart(chart, { version: "1.0.1" });
        expect((await client.plan(release, args({ chart }))).detailed).to.deep.equal({ version: "UPDATE" });
      });
    });

    describe("read", () => {
      it("imports what someone installed by hand, so that an upgrade can follow", async () => {
        await helm(namespace, ["install", "app", v1, "--set", "settings.greeting=by hand"]);
        const imported = await client.import(urn, `${namespace}/app`);
        if (!imported) throw new Error("there is no release");
        expect(imported.inputs).to.include({ name: "app", namespace, chart: "tiny", version: "1.0.0" });
        expect(imported.inputs["values"]).to.deep.equal({ settings: { greeting: "by hand" } });
        expect(at(imported.state, "status")).to.include({ revision: 1, status: "deployed" });

        const wanted = args({ chart: v2, values: { settings: { greeting: "by hand" } } });
        const { detailed, replaces } = await client.plan(imported, wanted);
        expect(detailed).to.include({ chart: "UPDATE", version: "UPDATE" }).and.not.have.property("values");
        expect(replaces).to.deep.equal([]);
        await client.update(imported, wanted);
        expect(await history(namespace, "app")).to.deep.equal(["1 superseded tiny-1.0.0", "2 deployed tiny-2.0.0"]);
      });

      it("finds nothing where there is no release", async () => {
        expect(await client.import(urn, `${namespace}/app`)).to.equal(undefined);
      });

      it("of an unchanged release changes nothing", async () => {
        const release = await client.create(urn, args({ values: { settings: { password: secret("hunter2") } } }));
        const refreshed = await client.read(release);
        expect(refreshed?.inputs).to.deep.equal(release.inputs);
        expect(reveal(refreshed?.state)).to.deep.equal(reveal(release.state));
        expect(isSecret(at(refreshed?.state, "values", "settings", "password"))).to.equal(true);
      });

      it("sees an upgrade made behind its back, and the next plan takes it back", async () => {
        const wanted = args({ values: { settings: { greeting: "hi" } } });
        const release = await client.create(urn, wanted);
        await helm(namespace, ["upgrade", "app", v2, "--set", "settings.greeting=other"]);
        const refreshed = await client.read(release);
        if (!refreshed) throw new Error("there is no release");
        expect(at(refreshed.state, "status")).to.include({ revision: 2, version: "2.0.0" });
        const { detailed } = await client.plan(refreshed, wanted);
        expect(detailed).to.deep.equal({ version: "UPDATE", "values.settings.greeting": "UPDATE" });
      });

      it("sees that the release is gone", async () => {
        const release = await client.create(urn, args());
        await helm(namespace, ["uninstall", "app"]);
        expect(await client.read(release)).to.equal(undefined);
      });
    });

    describe("delete", () => {
      it("uninstalls, and the chart's objects are gone when it returns", async () => {
        const release = await client.create(urn, args({ values: { workload: true } }));
        await client.delete(release);
        expect(await helm(namespace, ["list", "--all", "--short"])).to.equal("");
        expect(await live("deployment", namespace, "app-web")).to.equal(undefined);
      });

      if (embedded) {
        it("of a release that is gone already succeeds", async () => {
          const release = await client.create(urn, args());
          await helm(namespace, ["uninstall", "app"]);
          await client.delete(release);
        });
      }
    });
  });
}
