import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import execa from "execa";
import { at, PluginClient, pluginsUnderTest, rejection, UNKNOWN, urnOf, type Values } from "./client";
import { kubectl, live, newNamespace, startConfigured, world } from "./kubernetes-world";

const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";

/** A kubeconfig for a port where nobody listens. */
const nobody = (port: number): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server: `https://127.0.0.1:${port}` } }],
    users: [{ name: "u", user: {} }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  });

for (const plugin of pluginsUnderTest("kubernetes", "4.34.2")) {
  describe(`${plugin.title}: provider`, function () {
    this.timeout(60_000);
    const clients: PluginClient[] = [];

    before(async function () {
      this.timeout(0);
      await world();
    });
    afterEach(() => Promise.all(clients.splice(0).map((client) => client.stop())));

    async function start(env: NodeJS.ProcessEnv = {}): Promise<PluginClient> {
      const client = await PluginClient.start(plugin, "kubernetes", env);
      clients.push(client);
      return client;
    }
    async function configured(args: Values): Promise<PluginClient> {
      const client = await start();
      await client.configure(args);
      return client;
    }
    const configMap = (namespace: string | undefined, name: string): Values => ({
      metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
      data: { a: "1" },
    });

    it("is of the version that it stands for and can keep secrets and preview", async () => {
      const client = await start();
      expect(await client.version()).to.equal("4.34.2");
      const response = await client.configure({ kubeconfig: nobody(1) });
      expect(response.getAcceptsecrets() && response.getSupportspreview()).to.equal(true);
    });

    it("takes a kubeconfig by path, by its contents, and from the environment", async () => {
      const { cluster } = await world();
      const namespace = await newNamespace();
      const contents = fs.readFileSync(cluster.kubeconfig, "utf8");
      const fromEnvironment = await start({ KUBECONFIG: cluster.kubeconfig });
      await fromEnvironment.configure({});
      const byPath = await configured({ kubeconfig: cluster.kubeconfig });
      const byContents = await configured({ kubeconfig: contents });
      for (const [name, client] of Object.entries({ fromEnvironment, byPath, byContents })) {
        const created = await client.create(urnOf(CONFIG_MAP, "c"), configMap(namespace, name.toLowerCase()));
        expect(created.id).to.equal(`${namespace}/${name.toLowerCase()}`);
      }
    });

    it("puts objects into its default namespace", async () => {
      const namespace = await newNamespace();
      const { cluster } = await world();
      const client = await configured({ kubeconfig: cluster.kubeconfig, namespace });
      const created = await client.create(urnOf(CONFIG_MAP, "c"), configMap(undefined, "here"));
      expect(created.id).to.equal(`${namespace}/here`);
      expect(await live("configmap", namespace, "here")).to.be.an("object");
    });

    it("can do without server-side apply: others' fields stay, and no manager of its own is kept", async () => {
      const { cluster } = await world();
      const namespace = await newNamespace();
      const client = await configured({
        kubeconfig: cluster.kubeconfig,
        enableServerSideApply: "false",
        enableConfigMapMutable: "true",
      });
      const created = await client.create(urnOf(CONFIG_MAP, "c"), configMap(namespace, "c"));
      await kubectl(["patch", "configmap", "c", "-n", namespace, "-p", '{"data":{"theirs":"1"}}']);
      await client.update(created, { metadata: { namespace, name: "c" }, data: { b: "2" } });
      expect(at(await live("configmap", namespace, "c"), "data")).to.deep.equal({ b: "2", theirs: "1" });
      await rejection(client.check(urnOf("kubernetes:core/v1:ConfigMapPatch", "p"), configMap(namespace, "c")));
    });

    describe("with a cluster that does not answer", () => {
      it("previews new and known objects as if all were well", async () => {
        const namespace = await newNamespace();
        const { cluster } = await world();
        const reachable = await configured({ kubeconfig: cluster.kubeconfig });
        const known = await reachable.create(urnOf(CONFIG_MAP, "c"), configMap(namespace, "c"));
        const client = await configured({ kubeconfig: nobody(1) });
        const previewed = await client.create(urnOf(CONFIG_MAP, "n"), configMap("default", "n"), { preview: true });
        expect(at(previewed.state, "data", "a")).to.equal("1");
        expect((await client.plan(known, configMap(namespace, "c"))).changes).to.equal(false);
      });

      it("fails updates, imports, refreshes and deletes, and says so", async () => {
        const client = await configured({ kubeconfig: nobody(1) });
        const urn = urnOf(CONFIG_MAP, "c");
        const words = "configured Kubernetes cluster is unreachable";
        expect((await rejection(client.create(urn, configMap("default", "c")))).message).to.contain(words);
        const { inputs } = await client.check(urn, configMap("default", "c"));
        const known = { urn, id: "default/c", inputs, state: { ...inputs, __inputs: inputs } };
        const changed = { ...configMap("default", "c"), data: { a: "2" } };
        expect((await rejection(client.update(known, changed))).message).to.contain(words);
        expect((await rejection(client.import(urn, "default/c"))).message).to.contain("unreachable");
        expect((await rejection(client.delete(known))).message).to.contain(words);
        expect(client.said({ urn }, "warning").join()).to.contain(words);
      });

      it("does so for an unknown context and a missing kubeconfig too", async () => {
        const { cluster } = await world();
        for (const args of [
          { kubeconfig: cluster.kubeconfig, context: "no-such-context" },
          { kubeconfig: path.join(os.tmpdir(), "no-such-kubeconfig") },
        ]) {
          const client = await configured(args);
          const error = await rejection(client.create(urnOf(CONFIG_MAP, "c"), configMap("default", "c")));
          expect(error.message).to.contain("configured Kubernetes cluster is unreachable");
        }
      });
    });

    describe("when its arguments change", () => {
      it("replaces everything for another cluster, and nothing for another spelling of the same", async () => {
        const client = await start();
        const olds = { kubeconfig: nobody(1) };
        expect((await client.diffConfig(olds, { kubeconfig: nobody(2) })).getReplacesList()).to.include("kubeconfig");
        expect((await client.diffConfig(olds, { kubeconfig: `${nobody(1)}\n` })).getReplacesList()).to.deep.equal([]);
        expect((await client.diffConfig(olds, { ...olds, namespace: "n" })).getReplacesList()).to.deep.equal([]);
        expect((await client.diffConfig(olds, { kubeconfig: UNKNOWN })).getReplacesList()).to.deep.equal([
          "kubeconfig",
        ]);
      });

      it("goes by the cluster identifier alone once that is set", async () => {
        const client = await start();
        const olds = { kubeconfig: nobody(1), clusterIdentifier: "a" };
        const moved = await client.diffConfig(olds, { kubeconfig: nobody(2), clusterIdentifier: "a" });
        expect(moved.getReplacesList()).to.deep.equal([]);
        const other = await client.diffConfig(olds, { kubeconfig: nobody(1), clusterIdentifier: "b" });
        expect(other.getReplacesList()).to.deep.equal(["clusterIdentifier"]);
      });
    });

    describe("as a process", () => {
      it("ends when its starter is killed", async function () {
        // The official plugin goes when the engine kills its group; the embedded one must see to it itself.
        if (plugin.title.startsWith("official")) this.skip();
        const starter = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "casa-starter-")), "starter.js");
        fs.writeFileSync(
          starter,
          `const { spawn } = require("node:child_process");
           const child = spawn(process.argv[2], ["127.0.0.1:1"], { stdio: ["pipe", "pipe", "inherit"], detached: true });
           child.stdout.once("data", () => console.log(child.pid));`,
        );
        const parent = execa(process.execPath, [starter, plugin.executable], { reject: false });
        const pid = await new Promise<number>((resolve) =>
          parent.stdout?.once("data", (data: Buffer) => resolve(Number(data.toString()))),
        );
        expect(isAlive(pid)).to.equal(true);
        parent.kill("SIGKILL");
        await parent;
        for (let i = 0; i < 50 && isAlive(pid); i++) await sleep(100);
        expect(isAlive(pid)).to.equal(false);
        fs.rmSync(path.dirname(starter), { recursive: true });
      });

      it("serves many requests at once", async () => {
        const namespace = await newNamespace();
        const client = await startConfigured(plugin);
        clients.push(client);
        const names = Array.from({ length: 40 }, (_, i) => `c${i}`);
        await Promise.all(names.map((name) => client.create(urnOf(CONFIG_MAP, name), configMap(namespace, name))));
        const found = await kubectl(["get", "configmaps", "-n", namespace, "-o", "name"]);
        expect(names.filter((name) => found.split("\n").includes(`configmap/${name}`))).to.deep.equal(names);
      });
    });
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A killed child of a container without an init stays as a zombie.
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
