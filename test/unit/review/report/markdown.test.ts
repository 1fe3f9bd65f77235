import { expect } from "chai";
import { renderMarkdown } from "../../../../review/report/markdown";
import { bigReview, object, refusedReview, reviewOf, sampleReview, unchangedReview } from "../../../fixtures/review";

const GITHUB_LIMIT = 60_000;

/** The rows of the table that has this text in its head or first column. */
const row = (text: string, what: string) => text.split("\n").find((line) => line.startsWith(`| ${what} |`));

describe("review as Markdown", () => {
  it("begins with verdict, versions, cluster and figures", () => {
    const text = renderMarkdown(sampleReview());
    expect(text.split("\n")[0]).to.equal("## Upgrade of `casa-runtime` `0.1.14` → `0.1.18`: changes to review");
    expect(text).to.contain("Stack `production`, release `casa-runtime/casa` (revision 7), cluster `prod-eu`");
    expect(row(text, "objects")).to.equal("| objects | 1 create, 3 update, 2 delete |");
    expect(row(text, "workloads that roll")).to.contain("4, 3 of them with downtime");
    expect(row(text, "custom resources")).to.contain("12 would lose fields, 2 would not fit");
    expect(row(text, "MAS restarts")).to.contain("6, 1 at a time, about 3 min");
    expect(row(text, "dry-runs")).to.contain("6 accepted, 0 rejected, 1 not asked");
  });

  it("then the risks in their order, each with its fix, before all details", () => {
    const review = sampleReview();
    const text = renderMarkdown(review);
    const risks = text
      .slice(0, text.indexOf("<details>"))
      .split("\n")
      .filter((line) => /^\d+\. /.test(line));
    expect(risks).to.have.length(review.risks.length);
    expect(risks[0]).to.match(/^1\. \*\*high\*\*: \*\*1 volume claim will be deleted\*\*: /);
    expect(text).to.contain("   - Fix: put what must stay into the values");
  });

  it("a refused upgrade begins with the refusals, each with its fix", () => {
    const text = renderMarkdown(refusedReview());
    expect(text.split("\n")[0]).to.match(/: refused$/);
    expect(text.indexOf("### Refused")).to.be.within(1, text.indexOf("### Risks"));
    expect(text).to.contain(
      "- `Deployment casa-runtime/casa-operator`: field is immutable\n  - Fix: delete it with --cascade=orphan\n",
    );
  });

  it("folds every section of the review that holds something, and no empty one", () => {
    const titles = (text: string) => [...text.matchAll(/<summary>(.*)<\/summary>/g)].map(([, title]) => title);
    expect(titles(renderMarkdown(sampleReview()))).to.deep.equal([
      "Warnings (1)",
      "Objects (6)",
      "What rolls (4)",
      "Images that do not say which bytes run (2)",
      "CRDs and custom resources (2)",
      "Values that do not fit the new chart (2)",
      "The chart's own notes (3)",
      "Restart plan (6 to restart, 0 left alone)",
      "Not accepted in a dry-run, or not asked (1 of 8 changes)",
      "Bookkeeping: helm's revisions and the restart records (1)",
      "What was reviewed (3)",
    ]);
    expect(titles(renderMarkdown(unchangedReview()))).to.deep.equal(["What was reviewed (3)"]);
  });

  it("shows each changed field with its cause, and secrets as given", () => {
    const text = renderMarkdown(sampleReview());
    expect(text)
      .to.contain('  - chart: `spec.template.spec.containers[keycloak].image`: `"kc:24"` → `"kc:25"`')
      .and.to.contain("  - drift: `spec.replicas`: `2` → `1`")
      .and.to.contain("  - generated: `data.password`: `[secret]` → `[secret]`");
    const fields = [
      { path: "spec.a", after: "1", cause: "chart" as const },
      { path: "spec.b", before: "2", cause: "chart" as const },
    ];
    const other = renderMarkdown(reviewOf({ verdict: "changes", objects: [object("Service", "a", { fields })] }));
    expect(other).to.contain("`spec.a`: not set → `1`").and.to.contain("`spec.b`: `2` → removed");
  });

  it("says of an install that it is one", () => {
    const { identity } = reviewOf();
    const text = renderMarkdown(
      reviewOf({
        identity: {
          ...identity,
          release: { ...identity.release, revision: null },
          chart: { ...identity.chart, before: null },
        },
      }),
    );
    expect(text.split("\n")[0]).to.equal("## Upgrade of `casa-runtime` `0.1.18` (install): nothing to do");
    expect(text).not.to.contain("revision");
  });

  it("5,000 objects stay below the limit; figures and risks are whole, what is left out is counted", () => {
    const review = bigReview();
    const text = renderMarkdown(review);
    expect(text.length).to.be.within(50_000, GITHUB_LIMIT);
    expect(text.split("\n").filter((line) => /^\d+\. /.test(line))).to.have.length(review.risks.length);
    for (const { title } of review.risks) expect(text).to.contain(title);
    const left = Number(/… (\d+) of 5000 objects are left out here; plan.json holds all of them/.exec(text)?.[1]);
    const shown = text.split("\n").filter((line) => /^- update `(ConfigMap|Deployment) /.test(line)).length;
    expect(shown).to.be.greaterThan(10);
    expect(left + shown).to.equal(5000);
    expect(text.match(/<details>/g)?.length).to.equal(text.match(/<\/details>/g)?.length);
  });

  it("cuts the hashes first, then from the less important parts on; what rolls stays longest", () => {
    const text = renderMarkdown(bigReview());
    expect(text).to.match(/… \d+ of 5000 hashes are left out/);
    expect(text).to.match(/… \d+ of 1005 workloads are left out/);
    expect(text).not.to.contain("of 100 workloads are left out");
    const small = renderMarkdown({ ...bigReview(20), reviewed: bigReview().reviewed });
    expect(small)
      .to.match(/… \d+ of 5000 hashes are left out/)
      .and.not.to.contain("objects are left out");
  });

  it("thousands of refusals with endless texts: still below the limit, the first with their fix, the others counted", () => {
    const refusals = Array.from({ length: 5000 }, (_, i) => ({
      object: `ConfigMap casa-runtime/object-${i}`,
      problem: `<quota ${"exceeded ".repeat(200)}`,
      fix: `raise quota ${i}`,
    }));
    const text = renderMarkdown(reviewOf({ ...bigReview(), verdict: "refused", refusals }));
    expect(text.length).to.be.lessThan(GITHUB_LIMIT);
    expect(text).to.contain("- `ConfigMap casa-runtime/object-0`: ").and.to.contain("  - Fix: raise quota 0\n");
    const shown = text.split("\n").filter((line) => line.startsWith("- `ConfigMap casa-runtime/object-")).length;
    expect(text).to.contain(`- … and ${5000 - shown} more, which plan.json holds`);
    expect(text).to.contain("### Risks, the worst first");
  });

  it("an object with thousands of fields shows the first and counts the others", () => {
    const fields = Array.from({ length: 3000 }, (_, i) => ({
      path: `data.key-${i}`,
      after: "1",
      cause: "chart" as const,
    }));
    const text = renderMarkdown(reviewOf({ verdict: "changes", objects: [object("ConfigMap", "big", { fields })] }));
    expect(text).to.contain("  - … and 2960 more fields, which plan.json holds");
    expect(text.length).to.be.lessThan(10_000);
  });

  it("answers of the API server that many changes have in common are told once", () => {
    const check = { result: "unchecked" as const, message: "50 of them were tried" };
    const objects = Array.from({ length: 950 }, (_, i) =>
      object("Deployment", `agent-${i}`, { writer: "restart", check }),
    );
    const text = renderMarkdown(reviewOf({ verdict: "changes", objects }));
    expect(text.match(/50 of them were tried/g)).to.have.length(1);
    expect(text).to.contain("(950 of 950 changes)").and.to.contain("  - … and 910 more changes");
  });
});

describe("what policies said, in the Markdown", () => {
  const text = "Keycloak <b>rolls</b>\n  Why it matters: @everyone\n  Fix: pulumi up";
  const violation = (mandatory: boolean) => ({ policy: "keycloak-highly-available", mandatory, text });

  it("refusals stand before the risks, advice is folded, and nothing in them is markup", () => {
    const markdown = renderMarkdown(sampleReview(), [violation(true), violation(false)]);
    expect(markdown.indexOf("### Refused by policies")).to.be.greaterThan(0);
    expect(markdown.indexOf("### Refused by policies")).to.be.lessThan(markdown.indexOf("### Risks"));
    expect(markdown).to.contain("<summary>Advice of policies (1)</summary>");
    expect(markdown).not.to.contain("<b>").and.not.to.contain(" @everyone");
    expect(renderMarkdown(sampleReview())).not.to.contain("by policies");
  });

  it("stays a comment with thousands of them", () => {
    const many = Array.from({ length: 5000 }, () => ({ ...violation(true), text: "x".repeat(2000) }));
    expect(renderMarkdown(sampleReview(), many).length).to.be.lessThan(65_536);
  });
});
