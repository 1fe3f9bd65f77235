import { expect } from "chai";
import { renderTimeline } from "../../../../review/report/timeline";
import type { Review } from "../../../../review/report/schema";
import {
  bigReview,
  group,
  restarts,
  reviewOf,
  roll,
  sampleCrd,
  sampleReview,
  unchangedReview,
} from "../../../fixtures/review";
import { parseXml, type XmlElement } from "../../../fixtures/xml";

const drawn = (review: Review) => parseXml(renderTimeline(review));
const all = (root: XmlElement, name: string): XmlElement[] => [
  ...(root.name === name ? [root] : []),
  ...root.children.flatMap((child) => all(child, name)),
];
const number = (element: XmlElement, key: string) => Number(element.attributes[key]);
const bars = (root: XmlElement) => all(root, "g").map((g) => ({ g, rect: all(g, "rect")[0] as XmlElement }));
const words = (root: XmlElement) => all(root, "text").map(({ text }) => text);

describe("timeline of a review", () => {
  it("is well-formed XML with title, description and both colour schemes", () => {
    const root = drawn(sampleReview());
    expect(root.name).to.equal("svg");
    expect(root.attributes).to.include({ xmlns: "http://www.w3.org/2000/svg", role: "img" });
    const named = (root.attributes["aria-labelledby"] ?? "").split(" ");
    const labels = [...all(root, "title"), ...all(root, "desc")].filter(({ attributes }) =>
      named.includes(attributes["id"] ?? ""),
    );
    expect(labels.map(({ name }) => name)).to.deep.equal(["title", "desc"]);
    expect(labels[1]?.text).to.contain("6 MAS workloads in 3 groups").and.to.contain("downtime: deadlock");
    expect(all(root, "style")[0]?.text).to.contain("@media(prefers-color-scheme:dark)");
  });

  it("loads nothing from elsewhere", () =>
    expect(renderTimeline(bigReview(100))).not.to.match(/href|url\(|@import|<script/));

  it("goes CRDs, chart, canaries, then system by system", () => {
    const lanes = all(drawn(sampleReview()), "text").filter(({ attributes }) => attributes["class"] === "lane");
    expect(lanes.map(({ text }) => text)).to.deep.equal([
      "CRDs",
      "Chart",
      "canaries",
      "MultiAgentSystem mas-1/travel",
      "MultiAgentSystem mas-2/finance",
    ]);
    const ys = lanes.map((lane) => number(lane, "y"));
    expect(ys).to.deep.equal([...ys].sort((a, b) => a - b));
  });

  it("begins with the backup where one is made, and says where it goes", () => {
    const review = sampleReview();
    const backup = { missing: [], planned: true, needed: true, why: "auth to pvc://backups/x, each verified" };
    const root = drawn({ ...review, runtime: { ...review.runtime, backup } });
    const [first, second] = bars(root);
    expect(first?.rect.attributes["class"]).to.equal("backup");
    expect(number(first?.rect as XmlElement, "x")).to.be.lessThan(number(second?.rect as XmlElement, "x"));
    expect(words(root)).to.include("Backup").and.to.include("verified backup").and.to.include(backup.why);
    expect(bars(drawn(review)).map(({ rect }) => rect.attributes["class"])).not.to.include("backup");
  });

  it("draws the restarts to scale: start and length by the estimate, one below the other", () => {
    const restart = bars(drawn(sampleReview())).filter(({ rect }) => rect.attributes["class"] === "restart");
    expect(restart).to.have.length(6);
    const zero = number((restart[0] as (typeof restart)[number]).rect, "x");
    const unit = (948 - zero) / (6 * 31);
    restart.forEach(({ rect }, i) => {
      expect(number(rect, "x")).to.be.closeTo(zero + i * 31 * unit, 0.2);
      expect(number(rect, "width")).to.be.closeTo(31 * unit, 0.2);
    });
    const ys = restart.map(({ rect }) => number(rect, "y"));
    expect(new Set(ys).size).to.equal(6);
  });

  it("CRDs and rolls stand before the first restart, and say how they go in words", () => {
    const root = drawn(sampleReview());
    const before = bars(root).filter(({ rect }) => rect.attributes["class"] !== "restart");
    const first = Math.min(
      ...bars(root).flatMap(({ rect }) => (rect.attributes["class"] === "restart" ? [number(rect, "x")] : [])),
    );
    for (const { rect } of before) expect(number(rect, "x") + number(rect, "width")).to.be.at.most(first);
    expect(words(root))
      .to.include("Deployment/casa-runtime/casa-postgres, 1 replica, downtime: deadlock")
      .and.to.include("Deployment/casa-runtime/casa-auth-service, 3 replicas, no downtime")
      .and.to.include("before (not to scale)");
  });

  it("everything is on the page", () => {
    for (const review of [sampleReview(), bigReview(500), unchangedReview()]) {
      const root = drawn(review);
      const [, , width, height] = (root.attributes["viewBox"] ?? "").split(" ").map(Number) as [0, 0, number, number];
      for (const rect of all(root, "rect")) {
        const [x, y] = [Number(rect.attributes["x"] ?? 0), Number(rect.attributes["y"] ?? 0)];
        expect(number(rect, "width")).to.be.greaterThan(0);
        expect(x).to.be.at.least(0);
        expect(x + number(rect, "width")).to.be.at.most(width);
        expect(y + number(rect, "height")).to.be.at.most(height);
      }
      for (const label of all(root, "text")) {
        // 6 per letter is less than any usual font takes.
        const length = label.text.length * 6;
        const [x, anchor] = [number(label, "x"), label.attributes["text-anchor"]];
        const from = anchor === "end" ? x - length : anchor === "middle" ? x - length / 2 : x;
        expect(from, label.text).to.be.at.least(0);
        expect(from + length, label.text).to.be.at.most(width + 12);
        expect(number(label, "y")).to.be.within(0, height);
      }
    }
  });

  it("1,000 workloads stay readable: canaries one by one, then a bar for each system, small", () => {
    const review = bigReview();
    const text = renderTimeline(review);
    expect(text.length).to.be.lessThan(100_000);
    expect(bars(parseXml(text)).length).to.be.lessThan(80);
    expect(words(parseXml(text)))
      .to.include("Deployment/mas/canaries-4, 3 replicas, 31 s")
      .and.to.include("10 workloads, 5 min")
      .and.to.include("61 more groups")
      .and.to.include("33 workloads, 33 replicas, downtime: brief");
  });

  it("10,000 workloads in one system, 300 CRDs and 1,000 rolls, too", () => {
    const review = reviewOf({
      verdict: "changes",
      crds: Array.from({ length: 300 }, (_, i) => ({ ...sampleCrd(), name: `crd-${i}` })),
      rolls: Array.from({ length: 1000 }, (_, i) => roll(`Deployment/a/b-${i}`, "none")),
      restarts: restarts([group("one", 10_000)]),
    });
    const text = renderTimeline(review);
    expect(text.length).to.be.lessThan(100_000);
    expect(words(parseXml(text)))
      .to.include("289 more CRDs")
      .and.to.include("1000 workloads, 3000 replicas, no downtime")
      .and.to.include("10000 workloads, 86.1 h");
  });

  it("an axis in the unit that fits, without two equal marks", () => {
    const marks = (workloads: number) =>
      words(drawn(reviewOf({ restarts: restarts([group("x", workloads)]) }))).filter((text) =>
        /^\d+ (s|min|h)$/.test(text),
      );
    expect(marks(1)).to.include("0 s").and.to.include("30 s");
    expect(marks(10)).to.include("5 min");
    expect(marks(1000)).to.include("8 h");
    for (const workloads of [1, 2, 5, 10, 37, 100, 1000, 5000]) {
      expect(new Set(marks(workloads)).size).to.equal(marks(workloads).length);
      expect(marks(workloads).length).to.be.within(2, 9);
    }
  });

  it("says that nothing happens", () =>
    expect(words(drawn(unchangedReview()))).to.include("no CRD changes, no workload rolls, none is restarted"));

  it("leaves out what is restarted already", () => {
    const groups = [group("done", 2), group("left", 1)];
    for (const one of groups[0]?.workloads ?? []) one.done = true;
    const text = renderTimeline(reviewOf({ restarts: restarts(groups) }));
    expect(text).to.contain("1 MAS workload in 1 group").and.not.to.contain("done");
  });

  it("is the same picture for the same review", () =>
    expect(renderTimeline(bigReview(100))).to.equal(renderTimeline(bigReview(100))));
});
