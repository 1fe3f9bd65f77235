import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { expect } from "chai";
import { type ChartServer, makeCertificate, PASSWORD, serveRegistry, serveRepository, USER } from "./chart-servers";
import { type PluginClient, pluginsUnderTest, urnOf, type Values } from "./client";
import { newNamespace } from "./kubernetes-world";
import { helm, history, RELEASE, scratchFolder, startForReleases, writeChart } from "./release-world";

const urn = urnOf(RELEASE, "app");

for (const plugin of pluginsUnderTest("kubernetes", "4.34.2")) {
  describe(`${plugin.title}: where a release's chart comes from`, function () {
    this.timeout(60_000);
    const folder = scratchFolder();
    const servers: ChartServer[] = [];
    let client: PluginClient;
    let archive: string;
    let namespace: string;

    before(async function () {
      this.timeout(0);
      client = await startForReleases(plugin);
      await helm("default", ["package", writeChart(path.join(folder, "chart")), "--destination", folder]);
      archive = path.join(folder, "tiny-1.0.0.tgz");
    });
    after(async () => {
      await client?.stop();
      for (const server of servers) await server.close();
    });
    beforeEach(async () => {
      namespace = await newNamespace();
    });

    async function install(source: Values): Promise<void> {
      const release = await client.create(urn, { name: "app", namespace, ...source });
      expect(release.inputs["version"]).to.equal("1.0.0");
      expect(await history(namespace, "app")).to.deep.equal(["1 deployed tiny-1.0.0"]);
    }

    it("an archive", () => install({ chart: archive }));

    it("a repository, with user and password", async () => {
      const server = await serveRepository(archive, "tiny", "1.0.0");
      servers.push(server);
      await install({
        chart: "tiny",
        version: "^1.0.0",
        repositoryOpts: { repo: server.url, username: USER, password: PASSWORD },
      });
    });

    it("a repository comes before a folder of the chart's name", async () => {
      const server = await serveRepository(archive, "sandbox", "1.0.0"); // there is a folder `sandbox` where the plugin runs
      servers.push(server);
      const repositoryOpts = { repo: server.url, username: USER, password: PASSWORD };
      const { inputs, failures } = await client.check(urn, { chart: "sandbox", repositoryOpts });
      expect(failures).to.deep.equal([]);
      expect(inputs["version"]).to.equal("1.0.0");
    });

    it("a registry, with user, password and a certificate authority", async () => {
      const tls = await makeCertificate(folder);
      const server = await serveRegistry(archive, "tiny", "1.0.0", tls);
      servers.push(server);
      const repositoryOpts = { username: USER, password: PASSWORD, caFile: tls.certificate };
      await install({ chart: `${server.url}/charts/tiny`, version: "1.0.0", repositoryOpts });
    });

    it("a wrong password is refused, and shown nowhere", async () => {
      const server = await serveRepository(archive, "tiny", "1.0.0");
      servers.push(server);
      const repositoryOpts = { repo: server.url, username: USER, password: "guess-4711" };
      const { failures } = await client.check(urn, { chart: "tiny", repositoryOpts });
      expect(failures[0]?.property).to.equal("chart");
      expect(failures[0]?.reason).to.contain("401").and.not.contain("guess-4711");
    });

    it("passwords are not left in the user's helm files", () => {
      const registry = process.env.HELM_REGISTRY_CONFIG ?? path.join(os.homedir(), ".config/helm/registry/config.json");
      const repositories =
        process.env.HELM_REPOSITORY_CONFIG ?? path.join(os.homedir(), ".config/helm/repositories.yaml");
      for (const file of [registry, repositories]) {
        expect(fs.existsSync(file) && fs.readFileSync(file, "utf8").includes("127.0.0.1:"), file).to.equal(false);
      }
    });
  });
}
