import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { secret } from "../../../sandbox/engine";
import { mustSucceed, RELEASE_NAMESPACE, World } from "../world/world";

const PLANTED = "planted-hunter2-secret";

describe("a secret value", function () {
  this.timeout(300_000);
  let world: World;

  before(async () => {
    world = await World.open();
    await world.helmInstall("0.1.0");
    await world.useVersion("0.2.0", {
      secretValues: secret({ postgresAuth: { password: PLANTED } }),
      values: { authService: { replicaCount: 2 } },
    });
  });
  after(async () => world?.close());

  it("reaches the chart and nothing else: no preview, no output, no state, no file of the stack", async () => {
    const preview = mustSucceed(await world.preview(["--diff"]));
    const up = mustSucceed(await world.up(["--diff"]));
    const state = await world.engine.pulumi(["stack", "export", "--stack", world.stack]);
    for (const text of [preview.text, up.text, state.all]) expect(text).not.to.contain(PLANTED);
    for (const file of files(world.scratch)) expect(readFileSync(file, "latin1"), file).not.to.contain(PLANTED);
    // What is no secret stays readable beside it.
    expect(preview.text).to.contain("replicaCount").and.to.contain("[secret]");

    const values = await world.helm("get", "values", "casa", "-n", RELEASE_NAMESPACE);
    expect(values).to.contain(PLANTED).and.to.contain("replicaCount: 2");
  });

  it("and the one before it show in no review, where a chart puts them into readable objects, too", async () => {
    const copy = world.chartCopy("casa-runtime-0.2.0");
    writeFileSync(join(copy, "templates", "dsn.yaml"), READABLE);
    await world.config({ chart: copy });
    mustSucceed(await world.up());
    await world.config({ secretValues: secret({ postgresAuth: { password: `${PLANTED}-changed` } }) });
    const out = join(world.scratch, "review");
    const plan = await world.cli("plan", "--out", out);
    expect(plan.code, plan.text).to.equal(2);
    const markdown = readFileSync(join(out, "plan.md"), "utf8");
    expect(markdown).to.match(/auth:\\?\[secret\\?\]@db/);
    const preview = mustSucceed(await world.preview(["--diff"]));
    for (const text of [plan.text, preview.text]) expect(text).not.to.contain(PLANTED);
    for (const file of files(world.scratch)) expect(readFileSync(file, "latin1"), file).not.to.contain(PLANTED);
  });

  it("shows in no refusal of the API server that repeats it", async () => {
    await world.kubectl(["apply", "-f", "-"], TELLTALE);
    let text = "";
    for (let i = 0; i < 20 && !text.includes("refuse"); i++) text = (await world.preview()).text;
    expect(text).to.contain("the cluster would refuse this upgrade").and.to.contain("[secret]");
    expect(text).not.to.contain(PLANTED);
    await world.kubectl(["delete", "-f", "-"], TELLTALE);
  });

  it("shows in no error of helm that repeats it", async () => {
    const pattern = { type: "object", properties: { password: { type: "string", pattern: "^[0-9]+$" } } };
    const schema = JSON.stringify({ type: "object", properties: { postgresAuth: pattern } });
    const broken: [file: string, content: string, said: string][] = [
      ["values.schema.json", schema, "does not match pattern"],
      ["templates/z.yaml", '{{ fail (printf "not %s" .Values.postgresAuth.password) }}', "not "],
    ];
    for (const [file, content, said] of broken) {
      const copy = world.chartCopy("casa-runtime-0.2.0");
      writeFileSync(join(copy, file), content);
      await world.config({ chart: copy });
      const run = await world.preview();
      expect(run.ok, content).to.equal(false);
      expect(run.text).to.contain(said).and.to.contain("[secret]").and.not.to.contain(PLANTED);
    }
  });

  it("shows in no error either", async () => {
    await world.config({ timeouts: { release: 0 } });
    const run = await world.preview();
    expect(run.ok).to.equal(false);
    expect(run.text).not.to.contain(PLANTED);
  });
});

const READABLE = `
apiVersion: v1
kind: ConfigMap
metadata: {name: readable}
data:
  dsn: "postgres://auth:{{ .Values.postgresAuth.password }}@db"
`;

/** An admission policy that repeats what it refuses. */
const TELLTALE = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: telltale}
spec:
  failurePolicy: Fail
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [UPDATE], resources: [configmaps]}]}
  validations: [{expression: "object.metadata.name != 'readable'", messageExpression: "'not this: ' + object.data.dsn"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: telltale}
spec: {policyName: telltale, validationActions: [Deny]}
`;

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
