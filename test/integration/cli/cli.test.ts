import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parseReview } from "../../../review/report/json";
import type { Review } from "../../../review/report/schema";
import { mustSucceed, RELEASE_NAMESPACE, ROOT, World } from "../world/world";

describe("casa-upgrade plan and up --plan", function () {
  this.timeout(600_000);
  let world: World;
  let out: string;
  const planted = "planted-secret-7f3a91";
  /** Policies that read the review's facts; what the first test plans is fine with them. */
  const pack = join(ROOT, "test/fixtures/policies/review-facts");

  before(async () => {
    world = await World.open();
    out = join(world.scratch, "review");
    await world.helmInstall("0.1.0", "--set", `postgresAuth.password=${planted}-old`);
    await world.useVersion("0.1.0", { values: { postgresAuth: { password: `${planted}-old` } } });
    mustSucceed(await world.up());
    await world.useVersion("0.2.0", { values: { postgresAuth: { password: `${planted}-new` } } });
  });
  after(async () => world?.close());

  const cli = (...args: string[]) => world.cli(...args);

  /** Quota and admission policy take effect a moment after they are created. */
  async function obstaclesWork(): Promise<void> {
    const refused = (args: string[]) =>
      world.kubectl([...args, "--dry-run=server", "-n", RELEASE_NAMESPACE]).then(
        () => false,
        () => true,
      );
    for (let i = 0; i < 60; i++) {
      const both = await Promise.all([
        refused(["create", "configmap", "probe"]),
        refused(["create", "service", "clusterip", "not-wanted", "--tcp=1:1"]),
      ]);
      if (both.every(Boolean)) return;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error("quota and admission policy never took effect");
  }
  const review = (): Review => parseReview(readFileSync(join(out, "plan.json"), "utf8"));
  const planFile = () => join(out, "plan.json");

  it("plan: exit code 2, Markdown, JSON and timeline written, nothing changed on the cluster", async () => {
    const before = await world.fingerprint();
    const run = await cli("plan", "--out", out, "--policy-pack", pack);
    expect(run.code, run.text).to.equal(2);
    expect(await world.fingerprint()).to.deep.equal(before);
    expect(readFileSync(join(out, "plan.md"), "utf8"))
      .to.contain("0.1.0")
      .and.to.contain("0.2.0")
      .and.to.contain("casa-keycloak");
    expect(readFileSync(join(out, "plan.svg"), "utf8")).to.match(/^<svg|^<\?xml/);
    expect(readFileSync(join(out, "plan.html"), "utf8")).to.contain("Deployment casa-runtime/casa-keycloak");
    expect(review().verdict).to.equal("changes");
  });

  it("shows a changed password nowhere, and says that it changes", () => {
    for (const file of ["plan.md", "plan.html", "plan.json", "plan.svg"]) {
      expect(readFileSync(join(out, file), "utf8"), file).not.to.contain(planted);
    }
    const secret = review().objects.find(({ kind, name }) => kind === "Secret" && name === "casa-postgres-auth");
    expect(secret?.fields).to.deep.equal([
      { path: "data.password", before: "[secret]", after: "[secret]", cause: "values" },
    ]);
  });

  it("up asks, and where nobody can be asked says what to type", async () => {
    const run = await cli("up", "--plan", planFile());
    expect(run.code).to.equal(1);
    expect(run.text).to.contain("--yes");
  });

  it("policies see the facts: a violation stops plan, preview and up, and the cluster stays as it is", async () => {
    await world.kubectl(["scale", "deployment/casa-ui-explorer", "--replicas=2", "-n", RELEASE_NAMESPACE]);
    await world.kubectl(["rollout", "status", "deployment/casa-ui-explorer", "-n", RELEASE_NAMESPACE]);
    const before = await world.fingerprint();
    const violation = "Deployment casa-ui-explorer was changed by hand";
    const plan = await cli("plan", "--out", join(out, "violated"), "--policy-pack", pack);
    expect(plan.code, plan.text).to.equal(1);
    expect(plan.text).to.contain(violation);
    for (const run of [await world.preview(["--policy-pack", pack]), await world.up(["--policy-pack", pack])]) {
      expect(run.ok).to.equal(false);
      expect(run.text).to.contain(violation);
    }
    expect(await world.fingerprint()).to.deep.equal(before);
    await world.kubectl(["scale", "deployment/casa-ui-explorer", "--replicas=1", "-n", RELEASE_NAMESPACE]);
  });

  it("up --plan refuses when an object was changed on the cluster since, and names it", async () => {
    const before = (await world.helmVersions()).length;
    await world.kubectl(["label", "deployment/casa-operator", "by=hand", "-n", RELEASE_NAMESPACE]);
    const run = await cli("up", "--plan", planFile(), "--yes");
    expect(run.code, run.text).to.equal(1);
    expect(run.text).to.contain(`Deployment ${RELEASE_NAMESPACE}/casa-operator: is different`);
    expect(run.text.match(/Fix:/g)).to.have.length(1);
    expect((await world.helmVersions()).length).to.equal(before);
    await world.kubectl(["label", "deployment/casa-operator", "by-", "-n", RELEASE_NAMESPACE]);
  });

  it("up --plan refuses another config, another chart and another stack, and names each", async () => {
    await world.config({ restarts: { maxConcurrent: 7 } });
    const config = await cli("up", "--plan", planFile(), "--yes");
    expect(config.text).to.contain("config restarts: is different");
    await world.config({ restarts: undefined, values: { postgresAuth: { password: `${planted}-other` } } });
    const values = await cli("up", "--plan", planFile(), "--yes");
    expect(values.text).to.contain("the values: is different");
    expect(values.text).not.to.contain(planted);
    await world.useVersion("0.2.1", { values: { postgresAuth: { password: `${planted}-new` } } });
    const chart = await cli("up", "--plan", planFile(), "--yes");
    expect(chart.text).to.contain("chart: reviewed casa-runtime 0.2.0, now casa-runtime 0.2.1");
    const copy = world.chartCopy("casa-runtime-0.2.0");
    const file = join(copy, "templates", "ui-explorer.yaml");
    writeFileSync(
      file,
      `${readFileSync(file, "utf8")}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: slipped-in}\n`,
    );
    await world.config({ chart: copy, version: "0.2.0" });
    expect((await cli("up", "--plan", planFile(), "--yes")).text).to.contain("the chart's rendering: is different");
    await world.useVersion("0.2.0");

    const other = join(world.scratch, "other.json");
    const changed = { ...review(), identity: { ...review().identity, stack: "elsewhere" } };
    writeFileSync(other, JSON.stringify(changed));
    expect((await cli("up", "--plan", other, "--yes")).text).to.contain("stack: reviewed elsewhere, now test");
  });

  it("refuses a file that is no plan, with the way to a good one", async () => {
    const file = join(world.scratch, "no-plan.json");
    writeFileSync(file, readFileSync(planFile(), "utf8").slice(0, 500));
    const truncated = await cli("up", "--plan", file, "--yes");
    expect(truncated.code).to.equal(1);
    expect(truncated.text).to.contain("no-plan.json").and.to.contain("casa-upgrade plan");
    const missing = await cli("up", "--plan", join(world.scratch, "nowhere.json"), "--yes");
    expect(missing.text).to.contain("cannot be read").and.to.contain("casa-upgrade plan");
  });

  it("up --plan upgrades what was reviewed; after that plan says that nothing is to do, with exit code 0", async () => {
    const run = await cli("up", "--plan", planFile(), "--yes");
    expect(run.code, run.text).to.equal(0);
    expect((await world.helmVersions()).at(-1)).to.equal("casa-runtime-0.2.0 deployed");
    const again = await cli("plan", "--json", "--out", out);
    expect(again.code, again.text).to.equal(0);
    expect(review()).to.include({ verdict: "unchanged" });
    expect(JSON.parse(again.stdout)).to.deep.include({ verdict: "unchanged", errors: [] });
    expect(again.text).to.contain("Nothing to do");
    const idle = await cli("up", "--yes");
    expect(idle.code, idle.text).to.equal(0);
    expect(idle.text).to.contain("Nothing to do").and.to.contain("unchanged");
  });

  it("a refused upgrade: exit code 1, every refused object with its fix, in the report and in pulumi preview", async () => {
    const copy = world.chartCopy("casa-runtime-0.2.1");
    const file = join(copy, "templates", "ui-explorer.yaml");
    const extra = [
      "apiVersion: batch.example/v9\nkind: Unheard\nmetadata: {name: of-a-kind}",
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one-too-many}",
      "apiVersion: v1\nkind: Service\nmetadata: {name: not-wanted}\nspec: {ports: [{port: 1}]}",
      "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: casa-postgres-auth-2}\nspec: {accessModes: [Sometimes], resources: {requests: {storage: 1Gi}}}",
    ];
    writeFileSync(file, `${readFileSync(file, "utf8")}\n---\n${extra.join("\n---\n")}\n`);
    // The selector of a Deployment cannot change.
    writeFileSync(join(copy, "templates", "zz-selector.yaml"), SELECTOR);
    await world.kubectl(["apply", "-n", RELEASE_NAMESPACE, "-f", "-"], OWN_DEPLOYMENT + OBSTACLES);
    await obstaclesWork();
    await world.config({ chart: copy, version: "0.2.1" });
    const before = await world.fingerprint();
    const run = await cli("plan", "--out", out);
    expect(run.code, run.text).to.equal(1);
    const refusals = review().refusals;
    expect(refusals.map(({ object }) => object)).to.have.members([
      `Unheard ${RELEASE_NAMESPACE}/of-a-kind`,
      `PersistentVolumeClaim ${RELEASE_NAMESPACE}/casa-postgres-auth-2`,
      `Deployment ${RELEASE_NAMESPACE}/selects`,
      `ConfigMap ${RELEASE_NAMESPACE}/one-too-many`,
      `Service ${RELEASE_NAMESPACE}/not-wanted`,
    ]);
    const fixOf = (name: string) => refusals.find(({ object }) => object.endsWith(name))?.fix;
    expect(fixOf("one-too-many")).to.contain("describe resourcequota");
    expect(fixOf("not-wanted")).to.contain("admission policy");
    expect(fixOf("of-a-kind")).to.contain("install what brings Unheard");
    const selector = refusals.find(({ object }) => object.endsWith("/selects"));
    expect(selector?.problem).to.contain("immutable");
    expect(selector?.fix).to.contain("--cascade=orphan");
    expect(readFileSync(join(out, "plan.md"), "utf8"))
      .to.contain("selects")
      .and.to.contain("--cascade=orphan");
    const preview = await world.preview();
    expect(preview.ok).to.equal(false);
    expect(preview.text).to.contain("the cluster would refuse this upgrade").and.to.contain("immutable");
    expect(await world.fingerprint()).to.deep.equal(before);
  });

  it("the API server down: exit code 1, one error with its fix, no report", async () => {
    const none = join(world.scratch, "none");
    await world.config({ kubeconfig: undefined, context: "nowhere" });
    const run = await cli("plan", "--out", none);
    expect(run.code).to.equal(1);
    expect(run.text.match(/Fix:/g)).to.have.length(1);
    expect(existsSync(join(none, "plan.json"))).to.equal(false);
  });
});

const OWN_DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: selects
  labels: {app.kubernetes.io/managed-by: Helm}
  annotations: {meta.helm.sh/release-name: casa, meta.helm.sh/release-namespace: ${RELEASE_NAMESPACE}}
spec:
  replicas: 0
  selector: {matchLabels: {app: old}}
  template: {metadata: {labels: {app: old}}, spec: {containers: [{name: a, image: "registry.example/a:1"}]}}
`;
const OBSTACLES = `
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: small}
spec: {hard: {count/configmaps: "0"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-such-service}
spec:
  failurePolicy: Fail
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [services]}]}
  validations: [{expression: "object.metadata.name != 'not-wanted'", message: "this service is not wanted"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-such-service}
spec: {policyName: no-such-service, validationActions: [Deny]}
`;
const SELECTOR = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: selects}
spec:
  replicas: 0
  selector: {matchLabels: {app: new}}
  template: {metadata: {labels: {app: new}}, spec: {containers: [{name: a, image: "registry.example/a:1"}]}}
`;
