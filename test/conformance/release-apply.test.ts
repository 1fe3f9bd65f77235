import * as fs from "node:fs";
import * as path from "node:path";
import { expect } from "chai";
import {
  at,
  expectInitFailed,
  InitFailed,
  isSecret,
  type PluginClient,
  pluginsUnderTest,
  rejection,
  reveal,
  secret,
  urnOf,
  type Values,
} from "./client";
import { kubectl, live, newNamespace } from "./kubernetes-world";
import {
  helm,
  history,
  RELEASE,
  scratchFolder,
  startForReleases,
  startHelm,
  untilStatus,
  writeChart,
} from "./release-world";

const urn = urnOf(RELEASE, "app");

for (const plugin of pluginsUnderTest("kubernetes", "4.34.2")) {
  const embedded = plugin.title.startsWith("embedded");

  describe(`${plugin.title}: helm installs and upgrades`, function () {
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
    const stuck = { workload: true, behavior: "never-ready" };

    describe("create", () => {
      it("installs the chart and tells what helm recorded", async () => {
        const release = await client.create(urn, args({ values: { settings: { greeting: "hi" }, workload: true } }));
        expect(release.id).to.equal(`${namespace}/app`);
        expect(release.state["status"]).to.deep.equal({
          appVersion: "app-1.0.0",
          chart: "tiny",
          name: "app",
          namespace,
          revision: 1,
          status: "deployed",
          version: "1.0.0",
        });
        expect(release.state["resourceNames"]).to.deep.equal({
          "ConfigMap/v1": ["app-settings"],
          "Deployment.apps/apps/v1": [`${namespace}/app-web`],
        });
        const settings = await live("configmap", namespace, "app-settings");
        expect(at(settings, "data")).to.deep.equal({ greeting: "hi", extra: "from the chart" });
        expect(at(await live("deployment", namespace, "app-web"), "status", "availableReplicas")).to.equal(2);
      });

      it("removes a chart's default by a null", async () => {
        await client.create(urn, args({ values: { settings: { extra: null } } }));
        expect(at(await live("configmap", namespace, "app-settings"), "data")).to.deep.equal({ greeting: "hello" });
      });

      it("keeps secret values secret in the state, and off the command line", async () => {
        const script = path.join(folder, "post-render.sh");
        const seen = path.join(folder, "command-line");
        fs.writeFileSync(script, `#!/bin/sh\ntr '\\0' ' ' < /proc/$PPID/cmdline > ${seen}\nexec cat\n`, {
          mode: 0o755,
        });
        const values = { settings: { password: secret("hunter2"), greeting: "hi" } };
        const release = await client.create(urn, args({ values, postrender: script }));
        expect(isSecret(at(release.state, "values", "settings", "password"))).to.equal(true);
        expect(reveal(at(release.state, "values", "settings"))).to.deep.equal({ password: "hunter2", greeting: "hi" });
        expect(fs.readFileSync(seen, "utf8")).not.to.be.empty.and.not.to.contain("hunter2");
      });

      it("refuses a name that is in use", async () => {
        await helm(namespace, ["install", "app", v1]);
        const error = await rejection(client.create(urn, args()));
        expect(error).not.to.be.instanceOf(InitFailed);
        expect(error.message).to.contain("cannot re-use a name that is still in use");
        expect(await history(namespace, "app")).to.deep.equal(["1 deployed tiny-1.0.0"]);
      });

      it("makes the namespace when told to", async () => {
        const fresh = `${namespace}-fresh`;
        expect((await rejection(client.create(urn, args({ namespace: fresh })))).message).to.contain("not found");
        await client.create(urn, args({ namespace: fresh, createNamespace: true }));
        expect(await history(fresh, "app")).to.have.length(1);
      });

      it("installs the chart's CRDs unless told not to; an upgrade never touches them", async () => {
        const group = `${namespace}.example.test`;
        const first = writeChart(path.join(folder, `${namespace}-1`), { crd: { group, description: "first" } });
        const second = writeChart(path.join(folder, `${namespace}-2`), {
          version: "2.0.0",
          crd: { group, description: "second" },
        });
        const crds = async () =>
          (await kubectl(["get", "crd", "-o", "yaml"])).split("\n").filter((line) => line.includes(group));
        const without = await client.create(urn, args({ chart: first, skipCrds: true }));
        expect(await crds()).to.deep.equal([]);
        await client.delete(without);

        const release = await client.create(urn, args({ chart: first }));
        await client.update(release, args({ chart: second }));
        const crd = await live("crd", namespace, `things.${group}`);
        const schema = at(crd, "spec", "versions", 0, "schema", "openAPIV3Schema");
        expect(at(schema, "description")).to.equal("first");
      });

      it("that runs out of time leaves a failed release in the state, which the next update repairs", async () => {
        const failed = expectInitFailed(await rejection(client.create(urn, args({ values: stuck, timeout: 2 }))));
        expect(failed.resource.id).to.equal(`${namespace}/app`);
        expect(failed.resource.reasons).to.have.length(1);
        expect(failed.resource.reasons[0]).to.match(
          /was created, but failed to initialize completely\. .*context deadline exceeded/s,
        );
        expect(at(failed.resource.state, "status")).to.include({ status: "failed", revision: 1 });

        const { inputs } = await client.check(urn, args({ values: stuck, timeout: 2 }));
        const old = { urn, id: failed.resource.id, inputs, state: failed.resource.state };
        const repaired = await client.update(old, args({ values: { ...stuck, behavior: "" } }));
        expect(at(repaired.state, "status")).to.include({ status: "deployed", revision: 2 });
      });

      it("leaves nothing behind when it is atomic and fails", async () => {
        const error = await rejection(client.create(urn, args({ values: stuck, timeout: 2, atomic: true })));
        expect(error).not.to.be.instanceOf(InitFailed);
        expect(error.message).to.contain("has been uninstalled due to atomic being set");
        expect(await helm(namespace, ["list", "--all", "--short"])).to.equal("");
      });

      it("does not wait when told so", async () => {
        const release = await client.create(urn, args({ values: stuck, skipAwait: true }));
        expect(at(release.state, "status", "status")).to.equal("deployed");
      });

      it("stops helm when the run is cancelled, and leaves a failed release instead of a pending one", async () => {
        const other = await startForReleases(plugin);
        try {
          const creation = rejection(other.create(urn, args({ values: stuck, timeout: 50 })));
          await untilStatus(namespace, "app", "pending-install");
          await other.cancel();
          expectInitFailed(await creation);
          expect(await history(namespace, "app")).to.deep.equal(["1 failed tiny-1.0.0"]);
        } finally {
          await other.stop();
        }
      });

      if (embedded) {
        it("tells which workload it waits for", async () => {
          await rejection(client.create(urn, args({ values: stuck, timeout: 6 })));
          expect(client.said({ urn }, "status")).to.contain("waiting for Deployment app-web: 0 of 2 available");
        });
      }
    });

    describe("update", () => {
      it("upgrades, and helm's history tells it", async () => {
        const release = await client.create(urn, args());
        const updated = await client.update(release, args({ chart: v2, values: { settings: { greeting: "two" } } }));
        expect(at(updated.state, "status")).to.include({ revision: 2, version: "2.0.0", status: "deployed" });
        expect(await history(namespace, "app")).to.deep.equal(["1 superseded tiny-1.0.0", "2 deployed tiny-2.0.0"]);
      });

      it("keeps all revisions unless maxHistory bounds them", async () => {
        let release = await client.create(urn, args());
        for (const greeting of ["a", "b", "c"])
          release = await client.update(release, args({ values: { settings: { greeting } } }));
        expect(await history(namespace, "app")).to.have.length(4);
        await client.update(release, args({ maxHistory: 2, values: { settings: { greeting: "d" } } }));
        expect(await history(namespace, "app")).to.deep.equal(["4 superseded tiny-1.0.0", "5 deployed tiny-1.0.0"]);
      });

      it("forgets values of earlier revisions unless reuseValues is set", async () => {
        const release = await client.create(urn, args({ values: { settings: { one: "1" } } }));
        const settings = async () => at(await live("configmap", namespace, "app-settings"), "data");
        const base = { greeting: "hello", extra: "from the chart" };
        const reused = await client.update(release, args({ reuseValues: true, values: { settings: { two: "2" } } }));
        expect(await settings()).to.deep.equal({ ...base, one: "1", two: "2" });
        await client.update(reused, args({ values: { settings: { three: "3" } } }));
        expect(await settings()).to.deep.equal({ ...base, three: "3" });
      });

      it("that runs out of time leaves a failed revision, which the next update repairs", async () => {
        const release = await client.create(urn, args());
        const failed = expectInitFailed(await rejection(client.update(release, args({ values: stuck, timeout: 2 }))));
        expect(failed.resource.reasons[0]).to.match(
          /failed to initialize completely\. .*error running update: .*context deadline exceeded/s,
        );
        expect(at(failed.resource.state, "status")).to.include({ status: "failed", revision: 2 });

        const old = { ...release, state: failed.resource.state };
        const repaired = await client.update(old, args({ chart: v2 }));
        expect(at(repaired.state, "status")).to.include({ status: "deployed", revision: 3 });
      });

      it("goes back to the last good revision when it is atomic and fails", async () => {
        const release = await client.create(urn, args());
        const error = await rejection(client.update(release, args({ values: stuck, timeout: 2, atomic: true })));
        const failed = expectInitFailed(error);
        expect(failed.message).to.contain("has been rolled back due to atomic being set");
        expect(at(failed.resource.state, "status")).to.include({ status: "failed", revision: 2 });
        expect((await history(namespace, "app")).at(-1)).to.equal("3 deployed tiny-1.0.0");
      });

      it("passes on helm's refusal when another operation is pending", async () => {
        const release = await client.create(urn, args());
        const { process } = await startHelm(namespace, [
          "upgrade",
          "app",
          v1,
          "--wait",
          "--set",
          "workload=true,behavior=never-ready",
        ]);
        await untilStatus(namespace, "app", "pending-upgrade");
        process.kill("SIGKILL");
        await rejection(process);
        const error = await rejection(client.update(release, args({ chart: v2 })));
        expect(error).not.to.be.instanceOf(InitFailed);
        expect(error.message).to.contain("another operation (install/upgrade/rollback) is in progress");
      });

      it("passes on what is wrong with a template, and changes nothing", async () => {
        const release = await client.create(urn, args());
        const broken = writeChart(path.join(folder, "broken"), { version: "3.0.0" });
        fs.writeFileSync(path.join(broken, "templates/broken.yaml"), `{{ fail "this chart needs a password" }}`);
        const error = await rejection(client.update(release, args({ chart: broken })));
        expect(error).not.to.be.instanceOf(InitFailed);
        expect(error.message).to.contain("this chart needs a password");
        expect(await history(namespace, "app")).to.have.length(1);
      });
    });
  });
}
