import { createHash } from "node:crypto";
import { expect } from "chai";
import { risksByObject } from "../../../../review/report/object-risks";
import { renderPage } from "../../../../review/report/page/page";
import { type Row, sideBySide } from "../../../../review/report/page/side-by-side";
import { rankRisks } from "../../../../review/report/risks";
import { bigReview, field, object, reviewOf, roll, sampleReview, unchangedReview } from "../../../fixtures/review";

describe("page of a review", () => {
  it("allows its own styles and its own script by their hashes, and nothing else", () => {
    const page = renderPage(sampleReview());
    const policy = (/Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? "").replaceAll("&#39;", "'");
    const hashes = (element: string) =>
      [...page.matchAll(new RegExp(`<${element}>([^]*?)</${element}>`, "g"))].map(
        ([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`,
      );
    expect(policy.split("; ")).to.deep.equal([
      "default-src 'none'",
      `style-src ${hashes("style").join(" ")}`,
      `script-src ${hashes("script").join(" ")}`,
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    expect(hashes("style")).to.have.length(2);
    expect(page).not.to.match(/ style=| on\w+=|src=|url\(|@import/);
  });

  it("shows names and values as text, whatever is in them", () => {
    const evil = `</script><script>alert(1)</script><img src=x onerror='a'>"\u2028\u202e`;
    const page = renderPage(
      reviewOf({
        verdict: "changes",
        objects: [object("<script>", evil, { fields: [field(evil, { before: evil, after: `${evil}\n${evil}` })] })],
        rolls: [{ ...roll(`Deployment/${evil}/${evil}`, "deadlock"), strategy: evil }],
        refusals: [{ object: evil, problem: evil, fix: evil }],
        warnings: [evil],
        reviewed: { [evil]: evil },
      }),
      [{ policy: evil, mandatory: true, text: `${evil}\n${evil}` }],
    );
    expect([...page.matchAll(/<script|<\/script/g)]).to.have.length(2);
    expect(page).not.to.match(/<img|[\u2028\u202e]/);
    expect(page).to.contain("&#60;U+2028&#62;");
  });

  it("names every object, also of an upgrade that is refused or does nothing", () => {
    const page = renderPage(sampleReview());
    for (const { name, writer } of sampleReview().objects) if (writer !== "restart") expect(page).to.contain(name);
    expect(renderPage(unchangedReview())).to.contain("No object changes").and.to.contain("nothing to do");
  });

  it("stays readable with very many objects", () => {
    const page = renderPage(bigReview(6000));
    expect(page).to.contain("… and 1000 more objects, which plan.json holds");
    expect(page.length).to.be.below(25_000_000);
  });
});

describe("risks of one object", () => {
  it("are those that the whole review has because of it", () => {
    const review = sampleReview();
    const of = risksByObject(review);
    const byName = Object.fromEntries(review.objects.map((one) => [one.name, of(one).map(({ id }) => id)]));
    expect(byName["casa-keycloak"]).to.deep.equal(["drift-overwritten", "downtime-brief", "images-moving"]);
    expect(byName["casa-old"]).to.deep.equal(["objects-deleted"]);
    expect(byName["casa-postgres"]).to.deep.equal(["data-loss"]);
    expect(byName["multiagentsystems.casa.io"]).to.include("custom-resources-pruned");
    const all = new Set(rankRisks(review).map(({ id }) => id));
    for (const id of Object.values(byName).flat()) expect(all).to.include(id);
  });
});

describe("side by side", () => {
  const words = (rows: Row[]) =>
    rows.map((row) => {
      if (row.kind === "same") return `${row.lines.length} same`;
      const side = (pieces?: { text: string; changed: boolean }[]) =>
        pieces?.map(({ text, changed }) => (changed ? `[${text}]` : text)).join("") ?? "-";
      return `${side(row.before)} | ${side(row.after)}`;
    });

  it("marks what differs within a line", () =>
    expect(words(sideBySide('"kc:24"', '"kc:25"'))).to.deep.equal(['"kc:[24]" | "kc:[25]"']));

  it("has one side only for what is set anew or removed", () => {
    expect(words(sideBySide(undefined, "a\nb"))).to.deep.equal(["- | [a]", "- | [b]"]);
    expect(words(sideBySide("a", undefined))).to.deep.equal(["[a] | -"]);
    expect(words(sideBySide(undefined, undefined))).to.deep.equal(["- | []"]);
  });

  it("folds the lines that stay, but not those around a change", () => {
    const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`);
    const before = [...lines(0, 10), "old", ...lines(10, 20), "gone"].join("\n");
    const after = [...lines(0, 10), "new", "more", ...lines(10, 20)].join("\n");
    expect(words(sideBySide(before, after))).to.deep.equal([
      "8 same",
      "line 8 | line 8",
      "line 9 | line 9",
      "[old] | [new]",
      "- | [more]",
      "line 10 | line 10",
      "line 11 | line 11",
      "6 same",
      "line 18 | line 18",
      "line 19 | line 19",
      "[gone] | -",
    ]);
  });

  it("loses no line", () => {
    const [before, after] = ["a\n\nb\n\n\nc\n", "\na\nb\n\nc\n\n"];
    const rows = sideBySide(before, after);
    const side = (of: "before" | "after") =>
      rows.flatMap((row) =>
        row.kind === "same" ? row.lines : row[of] ? [row[of].map(({ text }) => text).join("")] : [],
      );
    expect(side("before").join("\n")).to.equal(before);
    expect(side("after").join("\n")).to.equal(after);
  });
});
