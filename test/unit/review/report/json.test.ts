import { UserError } from "../../../../shared/user-error";
import Ajv2020 from "ajv/dist/2020";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect } from "chai";
import { parseReview, renderJson } from "../../../../review/report/json";
import { isSchemaCurrent, reviewSchemaDocument, SCHEMA_FILE } from "../../../../scripts/review-schema";
import { bigReview, refusedReview, reviewOf, sampleReview, unchangedReview } from "../../../fixtures/review";

const ROOT = resolve(__dirname, "../../../..");

function problemOf(text: string): UserError {
  try {
    parseReview(text);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error(`taken for a review: ${text.slice(0, 80)}`);
}

describe("review as JSON", () => {
  it("comes back as it was", () => {
    for (const review of [sampleReview(), unchangedReview(), refusedReview(), bigReview(500)]) {
      expect(parseReview(renderJson(review))).to.deep.equal(review);
    }
  });

  it("is the same text for the same review, whatever the order of its keys", () => {
    const review = sampleReview();
    const turned = Object.fromEntries(Object.entries(review).reverse()) as typeof review;
    const reviewed = Object.fromEntries(Object.entries(review.reviewed).reverse());
    expect(renderJson({ ...turned, reviewed })).to.equal(renderJson(review));
    expect(renderJson(review)).to.match(/^\{\n {2}"schemaVersion": 1,\n {2}"identity": /);
    expect(renderJson(review)).to.match(/\}\n$/);
  });

  it("is refused when it is not as the schema says", () => {
    const wrong = { ...sampleReview(), verdict: "fine" } as unknown as ReturnType<typeof sampleReview>;
    expect(() => renderJson(wrong)).to.throw(/verdict/);
  });

  it("a byte order mark in front does no harm", () =>
    expect(parseReview(`\uFEFF${renderJson(sampleReview())}`)).to.deep.equal(sampleReview()));

  it("a truncated file is called that, wherever it was cut", () => {
    const text = renderJson(sampleReview());
    for (let length = 1; length < text.length - 2; length += 29) {
      const error = problemOf(text.slice(0, length));
      expect(error.problem, text.slice(Math.max(0, length - 30), length)).to.contain("truncated");
    }
    expect(problemOf(text.slice(0, 500)).fix).to.contain("npx casa-upgrade plan");
    expect(problemOf('{"schemaVersion": 1, "text": "a\\').problem).to.contain("truncated");
  });

  it("says what is wrong with a file that is no review", () => {
    expect(problemOf("").problem).to.equal("this file is empty");
    expect(problemOf("# Upgrade\n").problem).to.contain("not JSON");
    expect(problemOf('{"a": 1}}').problem).to.contain("not JSON");
    for (const other of ["[]", "null", "7", "{}", '{"apiVersion":"v1"}']) {
      expect(problemOf(other).problem, other).to.equal("this is not a review of casa-upgrade");
    }
  });

  it("a review of another schema version names both versions", () => {
    const error = problemOf(JSON.stringify({ ...sampleReview(), schemaVersion: 2 }));
    expect(error.problem).to.contain("schema version 2").and.to.contain("reads version 1");
    expect(error.message).to.contain("\n  Fix: use the version of casa-upgrade that made it");
  });

  it("a damaged review names the place", () => {
    const text = renderJson(sampleReview()).replace('"action": "delete"', '"action": "erase"');
    expect(problemOf(text).problem).to.match(/^this review is damaged: objects\.3\.action: /);
    const more = JSON.stringify({ ...sampleReview(), approved: true });
    expect(problemOf(more).problem).to.contain("approved");
  });
});

describe("docs/review.schema.json", () => {
  const schema = JSON.parse(readFileSync(resolve(ROOT, SCHEMA_FILE), "utf8")) as object;
  const validate = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true }).compile(schema);

  it("is up to date (else: node --import tsx scripts/review-schema.ts)", async () => {
    expect(readFileSync(resolve(ROOT, SCHEMA_FILE), "utf8")).to.equal(await reviewSchemaDocument());
    expect(await isSchemaCurrent()).to.equal(true);
    expect(await isSchemaCurrent(resolve(ROOT, "test"))).to.equal(false);
  });

  it("fits what is written", () => {
    for (const review of [sampleReview(), unchangedReview(), refusedReview(), bigReview(200)]) {
      expect(validate(JSON.parse(renderJson(review))), JSON.stringify(validate.errors)).to.equal(true);
    }
    const { identity } = reviewOf();
    const install = { ...identity, chart: { ...identity.chart, before: null } };
    expect(validate(JSON.parse(renderJson(reviewOf({ identity: install }))))).to.equal(true);
  });

  it("refuses what this program would refuse", () => {
    const sample = JSON.parse(renderJson(sampleReview())) as Record<string, unknown>;
    expect(validate({ ...sample, schemaVersion: 2 })).to.equal(false);
    expect(validate({ ...sample, approved: true })).to.equal(false);
    expect(validate({ ...sample, verdict: "fine" })).to.equal(false);
    expect(validate({ ...sample, requests: -1 })).to.equal(false);
    const { risks: _, ...rest } = sample;
    expect(validate(rest)).to.equal(false);
  });
});
