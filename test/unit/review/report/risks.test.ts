import type { SkipCode } from "../../../../components/workload-restarts/skipped";
import { expect } from "chai";
import { rankRisks } from "../../../../review/report/risks";
import type { Review, Risk } from "../../../../review/report/schema";
import { bigReview, field, group, image, object, restarts, reviewOf, roll, sampleCrd } from "../../../fixtures/review";
import { refusedReview, sampleReview, unchangedReview } from "../../../fixtures/review";

/** The one risk of a kind; fails when there is none or more. */
function only(sections: Partial<Review>, id: string): Risk {
  const found = rankRisks(reviewOf(sections)).filter((risk) => risk.id === id);
  expect(found, id).to.have.length(1);
  return found[0] as Risk;
}
const ids = (sections: Partial<Review>) => rankRisks(reviewOf(sections)).map(({ id }) => id);

describe("risks of a review", () => {
  it("an upgrade that changes nothing has none", () => expect(rankRisks(unchangedReview())).to.deep.equal([]));

  it("come by severity, and within one the worst kind first", () => {
    expect(rankRisks(sampleReview()).map(({ severity, id }) => `${severity} ${id}`)).to.deep.equal([
      "high data-loss",
      "high custom-resources-pruned",
      "high custom-resources-rejected",
      "high downtime-deadlock",
      "high crd-breaking",
      "high downtime-until-ready",
      "medium generated-values",
      "medium drift-overwritten",
      "medium objects-deleted",
      "medium values-dropped",
      "medium version-distance",
      "medium chart-notes",
      "medium custom-resources-unchecked",
      "medium crd-warning",
      "medium downtime-brief",
      "medium images-not-rolled",
      "low values-unknown",
      "low chart-deprecations",
      "low images-moving",
      "low unchecked",
      "low crd-accepted",
    ]);
  });

  it("do not depend on the order in which the review found things", () => {
    const sample = sampleReview();
    const turned = reviewOf({ ...sample, rolls: [...sample.rolls].reverse(), objects: [...sample.objects].reverse() });
    expect(rankRisks(turned).map(({ id }) => id)).to.deep.equal(rankRisks(sample).map(({ id }) => id));
  });

  it("the rejected changes come before everything, those without a refusal of their own included", () => {
    const refused = refusedReview();
    expect(rankRisks(refused)[0]?.title).to.equal("2 changes would be refused");
    const more = object("Service", "odd", { check: { result: "rejected", message: "port taken" } });
    const risk = only({ ...refused, objects: [...refused.objects, more], claims: sampleReview().claims }, "refused");
    expect(risk.title).to.equal("3 changes would be refused");
    expect(risk.detail).to.contain("casa-operator: field is immutable").and.to.contain("odd: port taken");
  });

  it("a claim that goes is data loss, and not a deleted object once more", () => {
    const { claims, objects } = sampleReview();
    const claim = objects.filter(({ kind }) => kind === "PersistentVolumeClaim");
    expect(ids({ claims, objects: claim })).to.deep.equal(["data-loss"]);
    const risk = only({ claims }, "data-loss");
    expect(risk.detail).to.contain("casa-runtime/casa-postgres (8Gi)").and.to.contain("the data is lost");
    expect(risk.fix).to.contain("--namespace casa-runtime annotate pvc casa-postgres helm.sh/resource-policy=keep");
  });

  it("a namespace or a CRD that helm deletes takes all that is in it along", () => {
    const crd = { apiVersion: "apiextensions.k8s.io/v1", namespace: undefined, action: "delete" as const };
    const objects = [
      object("CustomResourceDefinition", "multiagentsystems.casa.io", crd),
      object("ConfigMap", "old", { action: "delete" }),
      object("Secret", "sh.helm.release.v1.casa.v1", { action: "delete", writer: "record" }),
    ];
    const contents = [
      { kind: "CustomResourceDefinition", name: "multiagentsystems.casa.io", why: "it goes", fix: "no" },
    ];
    expect(only({ objects, contents }, "contents-deleted")).to.include({
      severity: "high",
      detail: "CustomResourceDefinition multiagentsystems.casa.io",
    });
    expect(only({ objects, contents }, "objects-deleted").detail).to.equal("ConfigMap casa-runtime/old");
  });

  it("a CRD without objects is an object like others", () => {
    const crd = { apiVersion: "apiextensions.k8s.io/v1", namespace: undefined, action: "delete" as const };
    const objects = [object("CustomResourceDefinition", "multiagentsystems.casa.io", crd)];
    expect(ids({ objects })).to.deep.equal(["objects-deleted"]);
  });

  it("what somebody changed by hand is named by field", () => {
    const fields = [field("spec.replicas", { cause: "drift" }), field("spec.paused", { cause: "chart" })];
    const risk = only({ objects: [object("Deployment", "casa-keycloak", { fields })] }, "drift-overwritten");
    expect(risk.detail).to.equal("Deployment casa-runtime/casa-keycloak: spec.replicas");
  });

  it("downtime is one risk for each kind, and none for what stays up", () => {
    expect(ids({ rolls: [roll("Deployment/a/b", "none")] })).to.deep.equal([]);
    const rolls = (["brief", "until-ready", "deadlock"] as const).map((kind) => roll(`Deployment/a/${kind}`, kind));
    expect(rankRisks(reviewOf({ rolls })).map(({ severity, id }) => [severity, id])).to.deep.equal([
      ["high", "downtime-deadlock"],
      ["high", "downtime-until-ready"],
      ["medium", "downtime-brief"],
    ]);
  });

  it("an accepted rule is low, with the reason; the same rule not accepted is high", () => {
    const crd = sampleCrd();
    const accepted = crd.findings.map((one) => ({ ...one, severity: "none" as const, accepted: "nobody reads it" }));
    const customResources = { ...crd.customResources, pruned: 0, rejected: 0, unchecked: [] };
    expect(ids({ crds: [{ ...crd, findings: accepted, customResources }] })).to.deep.equal(["crd-accepted"]);
    expect(only({ crds: [{ ...crd, findings: accepted }] }, "crd-accepted").detail).to.contain(
      "existingFieldRemoval: removed (accepted: nobody reads it)",
    );
    expect(only({ crds: [crd] }, "crd-breaking")).to.include({ severity: "high", title: "1 breaking schema change" });
  });

  it("custom resources are counted over all CRDs; those not among the examples are counted, too", () => {
    const crds = [sampleCrd(), { ...sampleCrd(), name: "casapolicies.casa.io" }];
    expect(only({ crds }, "custom-resources-pruned")).to.include({
      title: "24 custom resources would lose fields",
      detail: "multiagentsystems.casa.io spec.realm (12 objects); casapolicies.casa.io spec.realm (12 objects)",
    });
    const rejected = only({ crds }, "custom-resources-rejected");
    expect(rejected.title).to.equal("4 custom resources would not fit the new schema");
    expect(rejected.detail).to.match(/; and 2 more$/);
  });

  it("a CRD that stays is low, and says what stays with it", () => {
    const customResources = { ...sampleCrd().customResources, pruned: 0, rejected: 0, unchecked: [] };
    const crds = [{ ...sampleCrd(), action: "retained" as const, findings: [], customResources }];
    expect(only({ crds }, "crd-retained")).to.include({
      severity: "low",
      title: "1 CRD that the chart no longer ships stays",
      detail: "multiagentsystems.casa.io with 40 objects",
    });
  });

  it("values: dropped ones are medium, ones never known low", () => {
    const { values } = sampleReview().breaking;
    const breaking = { ...reviewOf().breaking, values };
    expect(rankRisks(reviewOf({ breaking })).map(({ severity, id }) => [severity, id])).to.deep.equal([
      ["medium", "values-dropped"],
      ["low", "values-unknown"],
    ]);
    expect(only({ breaking }, "values-dropped").detail).to.contain("(nearest: llm.key)");
  });

  it("a downgrade is high; skipped versions and a major step are medium; a patch is none", () => {
    const distance = (kind: Review["breaking"]["distance"]["kind"], ...skipped: string[]) => ({
      breaking: { ...reviewOf().breaking, distance: { kind, skipped, text: "from to" } },
    });
    expect(only(distance("downgrade"), "downgrade").severity).to.equal("high");
    expect(only(distance("minor", "minor version 0.2 is skipped"), "version-distance")).to.include({
      severity: "medium",
      detail: "from to; minor version 0.2 is skipped",
    });
    expect(ids(distance("major"))).to.deep.equal(["version-distance"]);
    expect(ids(distance("patch"))).to.deep.equal([]);
    expect(ids(distance("minor"))).to.deep.equal([]);
  });

  it("of the chart's notes only those that warn", () => {
    const { notes } = sampleReview().breaking;
    const breaking = { ...reviewOf().breaking, notes };
    expect(only({ breaking }, "chart-notes").detail).to.equal("0.3.0 breaking: realm was renamed");
    expect(only({ breaking }, "chart-deprecations").detail).to.equal("0.2.0 deprecated: jwtToken");
  });

  it("a moving tag that rolls nothing is worse than one that rolls", () => {
    const images = [image("Deployment/a/b", "x:latest", true), image("Deployment/a/c", "y:latest", false)];
    expect(only({ images }, "images-not-rolled")).to.include({ severity: "medium" });
    expect(only({ images }, "images-not-rolled").detail).to.contain("Deployment/a/c main: y:latest");
    expect(only({ images }, "images-moving").detail).to.contain("Deployment/a/b main: x:latest");
  });

  it("skipped workloads are a risk when they keep something old", () => {
    const skipped = (code: SkipCode | undefined) =>
      ids({ restarts: { ...restarts([]), skipped: [{ workload: "a/b", reason: "any words", code }] } });
    expect(skipped("unchanged")).to.deep.equal([]);
    expect(skipped("no-replicas")).to.deep.equal([]);
    expect(skipped("excluded")).to.deep.equal(["restarts-skipped"]);
    expect(skipped("paused")).to.deep.equal(["restarts-skipped"]);
    expect(skipped("on-delete")).to.deep.equal(["restarts-skipped"]);
    expect(skipped("not-restartable")).to.deep.equal(["restarts-skipped"]);
    expect(skipped("not-found")).to.deep.equal(["restarts-not-found"]);
    expect(skipped(undefined), "a review of 0.1 has no code").to.deep.equal(["restarts-skipped"]);
  });

  it("restarts that are switched off are a risk when something changes", () => {
    const off = { ...restarts([]), enabled: false };
    expect(ids({ restarts: off })).to.deep.equal([]);
    expect(ids({ restarts: off, objects: [object("ConfigMap", "casa")] })).to.deep.equal(["restarts-off"]);
  });

  it("restarts that take long say how long", () => {
    expect(ids({ restarts: restarts([group("short", 10)]) })).to.deep.equal([]);
    expect(only({ restarts: restarts([group("long", 100)]) }, "restarts-long")).to.include({
      severity: "low",
      title: "the restarts take about 52 min",
    });
    const years = only({ restarts: restarts([group("longer", 1000), group("more", 1)]) }, "restarts-long");
    expect(years.severity).to.equal("medium");
    expect(years.detail).to.contain("1 at a time, 2 systems one after the other; at the latest 86.2 h");
  });

  it("thousands of one kind are one risk: the first ten named, the others counted", () => {
    const risks = rankRisks(bigReview());
    expect(new Set(risks.map(({ id }) => id)).size).to.equal(risks.length);
    const drift = risks.find(({ id }) => id === "drift-overwritten");
    expect(drift?.title).to.equal("5000 objects changed by hand, and the upgrade takes that back");
    expect(drift?.detail.split("; ")).to.have.length(11);
    expect(drift?.detail).to.match(/; and 4990 more$/);
  });

  it("an endless text does not make an endless risk", () => {
    const objects = [object("Service", "odd", { check: { result: "rejected", message: "x".repeat(100_000) } })];
    expect(only({ objects }, "refused").detail.length).to.be.lessThan(400);
  });
});
