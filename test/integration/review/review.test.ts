import { expect } from "chai";
import { demoObjects, toYaml } from "../../fixtures/mas";
import { changeOf, previewed, reviewedUpgrade } from "../world/reviews";
import { mustSucceed, RELEASE_NAMESPACE, World } from "../world/world";

describe("the review of an upgrade, against what the upgrade really changes", function () {
  this.timeout(600_000);
  let world: World;

  before(async () => {
    world = await World.open();
    await world.helmInstall("0.1.0", "--set", "openai.apiKey=sk-planted-key-123");
    await world.kubectl(["apply", "-f", "-"], toYaml(demoObjects({ policies: false, readyAfter: "0s" })));
    for (const namespace of ["mas-travel", "mas-finance"]) {
      await world.kubectl(["rollout", "status", "deployments,statefulsets", "-n", namespace, "--timeout=120s"]);
    }
    await world.config({ restarts: { maxConcurrent: 4 } });
  });
  after(async () => world?.close());

  it("0.1.0 -> 0.2.0: adoption, a new CRD, changes made by hand that are overwritten, a value that changes", async () => {
    await world.kubectl(["scale", "deployment/casa-operator", "--replicas=2", "-n", RELEASE_NAMESPACE]);
    await world.kubectl(["set", "env", "deployment/casa-auth-service", "BY_HAND=1", "-n", RELEASE_NAMESPACE]);
    await world.kubectl([
      "set",
      "image",
      "deployment/casa-ui-explorer",
      "*=registry.example/casa/ui-explorer:9.9.9",
      "-n",
      RELEASE_NAMESPACE,
    ]);
    await world.useVersion("0.2.0", { values: { authService: { tokenCacheSeconds: 60 } } });
    const { review, preview } = await reviewedUpgrade(world);
    const operator = changeOf(review, "Deployment", "casa-operator");
    expect(operator.fields).to.deep.include({ path: "spec.replicas", before: "2", after: "1", cause: "drift" });
    const image = changeOf(review, "Deployment", "casa-ui-explorer").fields.find(({ path }) => path.endsWith("image"));
    expect(image).to.include({ cause: "drift", before: '"registry.example/casa/ui-explorer:9.9.9"' });
    const keycloak = changeOf(review, "Deployment", "casa-keycloak").fields.find(({ path }) => path.endsWith("image"));
    expect(keycloak).to.include({ cause: "chart" });
    const settings = changeOf(review, "ConfigMap", "casa-auth-service");
    expect(settings.fields.map(({ cause }) => cause)).to.deep.equal(["values"]);
    // This chart has no checksum for it: the pods keep the old value, and a reviewer must know.
    expect(review.rolls.map(({ workload }) => workload)).not.to.include("Deployment/casa-runtime/casa-auth-service");
    expect(review.warnings.join("\n")).to.contain(
      "Deployment/casa-runtime/casa-auth-service is not restarted although ConfigMap casa-auth-service changes",
    );
    expect(changeOf(review, "Secret", "casa-operator-openai").action).to.equal("delete");
    expect(review.objects.map(({ check }) => check.result)).not.to.include("rejected");
    // What a reviewer reads without any further tool.
    expect(preview.text).to.contain("casa-review").and.to.contain("casa-keycloak");
    expect(preview.text).to.contain("openai");
    expect(preview.text + JSON.stringify(review)).not.to.contain("sk-planted-key");
  });

  it("says that nothing is to do when nothing is", async () => {
    const { review, run } = await previewed(world);
    mustSucceed(run);
    expect(review.verdict).to.equal("unchanged");
    expect(review.objects).to.deep.equal([]);
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("0.2.0 -> 0.2.1: nothing injected changes, no workload is restarted", async () => {
    await world.useVersion("0.2.1");
    const { review } = await reviewedUpgrade(world);
    expect(review.objects.filter(({ writer }) => writer === "restart")).to.deep.equal([]);
    expect(review.rolls.map(({ workload }) => workload)).to.include(`Deployment/${RELEASE_NAMESPACE}/casa-ui-explorer`);
  });

  it("0.2.1 -> 0.3.0: fields that custom resources lose are named", async () => {
    await world.useVersion("0.3.0");
    const { review } = await reviewedUpgrade(world);
    const crd = review.crds.find(({ name }) => name === "multiagentsystems.casa.io");
    expect(crd?.customResources.prunedFields.map(({ path }) => path)).to.include("spec.realm");
    expect(crd?.findings.map(({ rule }) => rule)).to.include("existingFieldRemoval");
    expect(review.restarts.estimate.seconds).to.be.greaterThan(0);
  });

  it("persistence switched off: the claims that helm deletes, and a second change of values only", async () => {
    await world.useVersion("0.3.0", { values: { postgresAuth: { persistence: { enabled: false } } } });
    const { review } = await reviewedUpgrade(world);
    expect(review.claims.map(({ name }) => name)).to.deep.equal(["casa-postgres-auth"]);
    expect(review.risks[0]).to.include({ severity: "high" });
  });

  it("0.3.0 -> 0.1.0: back, with the CRD that stays", async () => {
    await world.useVersion("0.1.0", { values: {} });
    const { review } = await reviewedUpgrade(world);
    expect(review.breaking.distance.kind).to.equal("downgrade");
    expect(review.crds).to.deep.include.members([
      { ...review.crds.find(({ name }) => name === "casapolicies.casa.io"), action: "retained" },
    ]);
  });
});
