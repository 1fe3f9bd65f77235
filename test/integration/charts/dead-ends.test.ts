import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { RunError } from "@pulumi/pulumi";
import { expect } from "chai";
import { prepareConfig } from "../../../config/config-load";
import { showUserErrors } from "../../../config/show-errors";
import { planFor } from "../../../upgrade/plan";
import { writeFiles } from "../../fixtures/write-files";
import { ClusterFixture } from "../world/cluster-fixture";
import { SidecarInjector } from "../world/sidecar-injector";
import { eventually } from "../world/eventually";
import { CASES, type Files } from "./dead-end-cases";
import { DATABASE_CASES } from "./dead-end-databases";
import { POD_CASES } from "./dead-end-pods";
import { TWIN_CASES } from "./dead-end-twins";

describe("dead ends and data that goes: told by the plan, before anything changes", function () {
  this.timeout(120_000);
  let fixture: ClusterFixture;
  let injector: SidecarInjector;
  const path = process.env["PATH"];

  before(async () => {
    fixture = await ClusterFixture.start();
    process.env["PATH"] = `${fixture.tools.binDir}:${path ?? ""}`;
    injector = await SidecarInjector.start(fixture.scratch);
    await fixture.apply(injector.webhook("injects"));
  });
  after(async () => {
    process.env["PATH"] = path;
    injector.stop();
    await fixture.stop();
  });

  const chart = (files: Files, version: string, into: string) =>
    writeFiles(join(fixture.scratch, into, version), {
      "Chart.yaml": `apiVersion: v2\nname: ends\nversion: ${version}\n`,
      ...files,
    });

  for (const [i, one] of [...CASES, ...TWIN_CASES, ...POD_CASES, ...DATABASE_CASES].entries()) {
    it(one.name, async () => {
      const namespace = `ends-${i}`;
      await fixture.kubectl("create", "namespace", namespace);
      const manifest = (text: string) => {
        const file = join(fixture.scratch, `${namespace}.yaml`);
        writeFileSync(file, text.replaceAll("NS", namespace));
        return file;
      };
      if (one.live) await fixture.kubectl("apply", "--server-side", "--namespace", namespace, "-f", manifest(one.live));
      if (one.before)
        await fixture.helm(["install", "ends", chart(one.before, "0.1.0", namespace), "--namespace", namespace]);
      for (const args of one.byHand ?? []) {
        const given = args.map((arg) =>
          arg.startsWith("FILE:") ? manifest(arg.slice(5)) : arg === "NS" ? namespace : arg,
        );
        await fixture.kubectl(...given, "--namespace", namespace);
      }
      const after = chart(one.after, "0.2.0", namespace);
      const config = {
        ...{ chart: after, version: "0.2.0", release: "ends", namespace, values: one.values ?? {} },
        ...{ context: fixture.cluster.context, kubeconfig: fixture.cluster.kubeconfig },
        ...{ backup: { enabled: false }, migrationGate: { enabled: false }, restarts: { enabled: false } },
        ...one.config,
      };
      const all = Object.fromEntries(
        Object.entries(config).map(([key, value]) => [
          `p:${key}`,
          typeof value === "string" ? value : JSON.stringify(value),
        ]),
      );
      const outcome = await showUserErrors(() => planFor(prepareConfig("p", all, []), "s")).catch((error: unknown) => {
        if (error instanceof RunError) return error.message;
        throw error;
      });
      if (one.review) {
        if (typeof outcome === "string") throw new Error(`it was refused: ${outcome}`);
        one.review(outcome.review);
      }
      for (const text of one.says ?? []) {
        expect(outcome, "refused").to.be.a("string");
        if (typeof text === "string") expect(outcome, outcome as string).to.contain(text);
        else expect(outcome).to.match(text);
      }
      if (!one.helm) return;
      const valuesFile = join(fixture.scratch, `${namespace}.json`);
      writeFileSync(valuesFile, JSON.stringify(one.values ?? {}));
      const plain = await fixture
        .helm([
          ...["upgrade", "--install", "ends", after, "--namespace", namespace, "--values", valuesFile],
          ...(one.helmWaits ? ["--wait", "--timeout", "5s"] : []),
        ])
        .then(() => "succeeds", String);
      if (one.seen) {
        const { args, text } = one.seen;
        await eventually(async () => expect(await fixture.kubectl(...args, "--namespace", namespace)).to.match(text));
      }
      if (one.helm === "succeeds") expect(plain).to.equal("succeeds");
      else expect(plain).to.match(one.helm);
    });
  }
});
