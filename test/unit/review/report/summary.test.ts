import { expect } from "chai";
import { summarize } from "../../../../review/report/summary";
import { bigReview, object, refusedReview, reviewOf, sampleReview, unchangedReview } from "../../../fixtures/review";

describe("summary of a review", () => {
  it("says in one line that there is nothing to do", () => {
    expect(summarize(unchangedReview())).to.equal(
      "Nothing to do: casa-runtime 0.1.14 -> 0.1.18, release casa-runtime/casa, cluster prod-eu",
    );
  });

  it("names versions, objects, what rolls with its downtime, CRDs, restarts and the risks that matter", () => {
    const lines = summarize(sampleReview()).split("\n");
    expect(lines[0]).to.equal("Review: casa-runtime 0.1.14 -> 0.1.18, release casa-runtime/casa, cluster prod-eu");
    expect(lines[1]).to.equal("objects: 1 create, 3 update, 2 delete");
    expect(lines[2]).to.equal("rolls: Deployment/casa-runtime/casa-postgres (image), downtime: deadlock");
    expect(lines[6]).to.match(
      /^CRD multiagentsystems.casa.io: update, 1 breaking, 1 to look at, 12 of 40 objects lose/,
    );
    expect(lines).to.include("restarts: 6 workloads, 1 at a time, about 3 min");
    expect(lines.filter((line) => line.startsWith("high risk: "))).to.have.length(6);
    expect(lines).to.include("and 10 more");
    expect(lines.at(-1)).to.contain("npx casa-upgrade plan");
  });

  it("an upgrade with little to say still has a line for each question", () => {
    const lines = summarize(reviewOf({ verdict: "changes", objects: [object("ConfigMap", "casa")] })).split("\n");
    expect(lines.slice(1, -1)).to.deep.equal([
      "objects: 1 update",
      "rolls: none of the release's workloads",
      "restarts: none",
    ]);
  });

  it("a refused upgrade names the refusals first", () => {
    const lines = summarize(refusedReview()).split("\n");
    expect(lines.slice(0, 3)).to.deep.equal([
      "Refused: casa-runtime 0.1.14 -> 0.1.18, release casa-runtime/casa, cluster prod-eu",
      "refused: Deployment casa-runtime/casa-operator: field is immutable",
      "refused: Quota casa-runtime/all: exceeded quota",
    ]);
  });

  it("stays within 25 lines of less than 120 characters, whatever happens", () => {
    const big = bigReview();
    const refusals = big.objects.map(({ name }) => ({ object: name, problem: "no ".repeat(200), fix: "change it" }));
    const crds = big.crds.flatMap((crd) => Array.from({ length: 20 }, (_, i) => ({ ...crd, name: `crd-${i}` })));
    const lines = summarize(reviewOf({ ...big, verdict: "refused", refusals, crds })).split("\n");
    expect(lines.length).to.be.within(10, 25);
    for (const line of lines) expect(line.length, line).to.be.lessThan(120);
    expect(lines).to.include("rolls: and 96 more").and.to.include("refused: and 4996 more");
  });

  it("lets nothing reach the terminal that moves its cursor or hides text", () => {
    const objects = [{ object: "a\u001b[2K\u202eb", problem: "x\r\nfake: line\u0007", fix: "" }];
    const text = summarize(reviewOf({ verdict: "refused", refusals: objects }));
    expect(text).not.to.match(/[^\P{C}\n]/u);
    expect(text).to.contain("refused: a<U+001B>[2K<U+202E>b: x fake: line<U+0007>");
  });
});
