import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { HistoryRow } from "../../../history/table";
import { secret } from "../../../sandbox/engine";
import { S3_KEYS, S3Server } from "../world/s3";
import { mustSucceed, RELEASE_NAMESPACE, World } from "../world/world";

const PASSWORD = "s3cret-of-version-one";
const CRD = "multiagentsystems.casa.io";

for (const backend of ["file", "S3"] as const) {
  // The backend makes a difference to what is read and written only; what is decided from it is tried once.
  const versions = backend === "file" ? ["0.1.0", "0.2.0", "0.3.0"] : ["0.1.0", "0.3.0"];
  describe(`history and rollback, ${backend} backend`, function () {
    this.timeout(300_000);
    let world: World;
    let s3: S3Server | undefined;
    const scratchFolders = () => readdirSync(tmpdir()).filter((name) => name.startsWith("casa-upgrade-rollback-"));
    const scratchBefore = new Set(scratchFolders());
    let firstChart: string;
    /** All that casa-upgrade printed. */
    let printed = "";

    before(async () => {
      s3 = backend === "S3" ? await S3Server.start("stacks") : undefined;
      const query = `region=us-east-1&endpoint=${encodeURIComponent(s3?.endpoint ?? "")}&use_path_style=true&request_checksum_calculation=when_required`;
      const env = {
        PULUMI_BACKEND_URL: `s3://stacks?${query}`,
        ...S3_KEYS,
        AWS_EC2_METADATA_DISABLED: "true",
      };
      world = await World.open(s3 ? { env } : {});
      await world.helmInstall("0.1.0");
      await world.config({
        restarts: { enabled: false },
        values: { authService: { tokenCacheSeconds: 31 } },
        secretValues: secret({ keycloak: { adminPassword: PASSWORD } }),
      });
      firstChart = world.chartCopy("casa-runtime-0.1.0");
      await upgradeTo("0.1.0", { chart: firstChart });
      await world.config({ secretValues: secret({ keycloak: { adminPassword: "another-s3cret" } }) });
      const values = { authService: { tokenCacheSeconds: 32 } };
      for (const version of versions.slice(1)) await upgradeTo(version, { values });
    });
    after(async () => {
      await world?.close();
      await s3?.stop();
    });

    async function upgradeTo(version: string, more: Record<string, unknown> = {}): Promise<void> {
      await world.useVersion(version, more);
      mustSucceed(await world.up(["--message", `to ${version}`]));
    }
    async function cli(...args: string[]): Promise<{ code: number; text: string }> {
      const run = await world.cli(...args);
      printed += run.text;
      return run;
    }
    const config = () => readFileSync(world.engine.configFile(world.stack), "utf8");
    const rows = async () => JSON.parse((await cli("history", "--json")).text) as HistoryRow[];
    const schema = async () => JSON.stringify((await world.json<{ spec: unknown }>("crd", CRD)).spec);
    const revision = async () => (await world.helmVersions()).at(-1);
    const adminPassword = () => world.helm("get", "values", "casa", "-n", RELEASE_NAMESPACE, "-o", "json");

    it("history: update, time, result, chart version, revision and message, the newest first", async () => {
      const all = await rows();
      expect(
        all.map(({ update, result, chartVersion, revisions, message }) => [
          update,
          result,
          chartVersion,
          revisions,
          message,
        ]),
      ).to.deep.equal(versions.map((version, i) => [i + 1, "succeeded", version, [i + 2], `to ${version}`]).reverse());
      for (const { time } of all) expect(Math.abs(Date.parse(time) - Date.now())).to.be.below(600_000);
      const { text } = await cli("history");
      expect(text).to.match(
        /^UPDATE +TIME +KIND +RESULT +CHART +REVISION +WHO +MESSAGE\n[23] +2\S+Z +update +succeeded +0\.3\.0 +[34] /,
      );
    });

    if (backend === "file") {
      it("refused without a terminal: nothing is changed, the configuration included", async () => {
        const [before, fingerprint] = [config(), await world.fingerprint()];
        const run = await cli("rollback");
        expect(run.code).to.equal(1);
        expect(run.text).to.contain("back to update 2").and.contain("casa-runtime 0.3.0 -> 0.2.0");
        expect(run.text).to.contain("casa-upgrade rollback --to 2 --yes");
        expect(config()).to.equal(before);
        expect(await world.fingerprint()).to.deep.equal(fingerprint);
      });

      it("history takes no passphrase, as pulumi's own; rollback names the variable", async () => {
        const { environment } = world.engine;
        const file = environment["PULUMI_CONFIG_PASSPHRASE_FILE"] ?? "";
        renameSync(file, `${file}.away`);
        writeFileSync(file, "wrong");
        const [all, run] = [await cli("history"), await cli("rollback", "--json")];
        renameSync(`${file}.away`, file);
        expect(all.code, all.text).to.equal(0);
        expect(all.text).to.contain("succeeded  0.3.0").and.contain("incorrect passphrase");
        expect(run.code).to.equal(1);
        expect(run.text).to.contain("pulumi cannot read the stack: decrypting secrets: incorrect passphrase");
        expect(run.text).to.contain("export PULUMI_CONFIG_PASSPHRASE_FILE=").and.contain('"code": "stack"');
      });

      it("a chart that is gone since: what to bring back, as what is set now does not count", async () => {
        renameSync(firstChart, `${firstChart}-away`);
        const run = await cli("rollback", "--to", "1", "--yes");
        renameSync(`${firstChart}-away`, firstChart);
        expect(run.code).to.equal(1);
        expect(run.text)
          .to.contain("the configuration of update 1 cannot be reviewed: chart")
          .and.contain("does not exist");
        expect(run.text).to.match(/for update 1 what is set now does not count: bring back what is missing/);
      });

      it("an update that is none: refused, naming those that are", async () => {
        const run = await cli("rollback", "--to", "9", "--yes");
        expect(run.code).to.equal(1);
        expect(run.text).to.contain("update 9 does not exist").and.contain("one of: 3, 2, 1");
      });
    }

    if (backend === "file") {
      it("objects with fields that the old schema does not know: refused, unless that is accepted", async () => {
        await world.kubectl(["create", "namespace", "mas"]);
        const spec = { keycloakRealm: "casa", apps: [{ name: "a", kubernetesWorkloadName: "w" }] };
        const system = {
          apiVersion: "casa.io/v1alpha1",
          kind: "MultiAgentSystem",
          metadata: { name: "one", namespace: "mas" },
          spec,
        };
        await world.kubectl(["create", "-f", "-"], JSON.stringify(system));
        const [before, fingerprint] = [config(), await world.fingerprint()];
        const run = await cli("rollback", "--to", "1", "--yes");
        expect(run.code).to.equal(1);
        expect(run.text).to.contain("going back would lose data").and.contain("spec.keycloakRealm (1 object)");
        expect(run.text).to.contain("casa-upgrade rollback --accept-data-loss");
        expect(config()).to.equal(before);
        expect(await world.fingerprint()).to.deep.equal(fingerprint);
        await world.kubectl(["delete", CRD, "one", "-n", "mas"]);
      });
    }

    it("back to v1: the recorded configuration, CRDs and values; secrets stay secret", async () => {
      const run = await cli("rollback", "--to", "1", "--yes");
      expect(run.code, run.text).to.equal(0);
      expect(await revision()).to.equal("casa-runtime-0.1.0 deployed");
      expect(JSON.parse(await adminPassword())).to.deep.equal({
        authService: { tokenCacheSeconds: 31 },
        keycloak: { adminPassword: PASSWORD },
      });
      expect(config()).to.contain("casa-runtime-0.1.0").and.contain("tokenCacheSeconds: 31").and.contain("secure:");
      expect(run.text).to.contain("acknowledges for this run").and.to.contain("version-steps, crds-compatible");
      expect(run.text).to.contain("acknowledged: version-steps until");
      // The way forward is judged as ever.
      expect(config()).not.to.contain("version-steps").and.not.to.contain("crds-compatible");
      expect(await schema()).not.to.contain("keycloakRealm");
      expect(await world.kubectl(["get", "crd", "casapolicies.casa.io", "-o", "name"])).to.contain("casapolicies");
      const [newest] = await rows();
      expect(newest).to.deep.include({ update: versions.length + 1, result: "succeeded", chartVersion: "0.1.0" });
      expect(newest?.message).to.match(/^rollback to update 1: casa-runtime 0\.3\.0 -> 0\.1\.0, by /);
      expect(newest?.who).not.to.equal("");
    });

    if (backend === "file") {
      it("forward to v3 again; a run after either changes nothing", async () => {
        mustSucceed(await world.up(["--expect-no-changes"]));
        const run = await cli("rollback", "--to", "3", "--yes");
        expect(run.code, run.text).to.equal(0);
        expect(run.text).not.to.contain("already exists");
        expect(await revision()).to.equal("casa-runtime-0.3.0 deployed");
        expect(await schema()).to.contain("keycloakRealm");
        mustSucceed(await world.up(["--expect-no-changes"]));
      });
    }

    if (backend === "file") {
      it("a release that was rolled back by hand: told by history, preview and rollback; up repairs it", async () => {
        await world.helm("rollback", "casa", "3", "-n", RELEASE_NAMESPACE, "--wait", "--timeout", "60s");
        const manual =
          /release (casa-runtime\/)?casa was changed by hand .*revision 7 \(0\.2\.0, deployed: Rollback to 3\)/;
        expect((await cli("history")).text).to.match(manual);
        const preview = mustSucceed(await world.preview());
        expect(preview.text).to.match(manual);
        mustSucceed(await world.up());
        expect(await revision()).to.equal("casa-runtime-0.3.0 deployed");
        mustSucceed(await world.up(["--expect-no-changes"]));
        expect((await cli("history")).text).not.to.contain("by hand");
      });
    }

    if (backend === "file") {
      it("after an update that failed: back to the last that did not", async () => {
        const values = {
          authService: {
            tokenCacheSeconds: 33,
            podAnnotations: { "sandbox.casa-upgrade.dev/behavior": "never-ready" },
          },
        };
        await world.config({ values, timeouts: { release: 10 } });
        expect((await world.up()).ok).to.equal(false);
        expect((await rows())[0]).to.deep.include({ result: "failed" });
        const run = await cli("rollback", "--yes");
        expect(run.code, run.text).to.equal(0);
        expect(config()).to.contain("tokenCacheSeconds: 32").and.not.contain("never-ready");
        expect(config(), "where and how careful stays").to.contain("release: 10");
        expect(run.text).to.match(/revision 9 failed.* taken back to revision 8/);
        expect(await revision()).to.equal("casa-runtime-0.3.0 deployed");
      });
    }

    it("no secret was ever in clear: printed, in the stack's file, in the state", () => {
      expect(printed).not.to.contain(PASSWORD).and.not.contain("another-s3cret");
      expect(config()).not.to.contain(PASSWORD).and.not.contain("another-s3cret");
      const stored = filesBelow(s3 ? s3.file("") : join(world.scratch, "state"));
      expect(stored.length).to.be.greaterThan(5);
      for (const content of stored)
        expect(content.includes(PASSWORD) || content.includes("another-s3cret")).to.equal(false);
      expect(scratchFolders().filter((name) => !scratchBefore.has(name))).to.deep.equal([]);
    });
  });
}

function filesBelow(folder: string): Buffer[] {
  const names = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)));
  return names.filter((name) => statSync(name).isFile()).map((name) => readFileSync(name));
}
