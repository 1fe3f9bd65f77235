import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { UserError } from "../../../shared/user-error";
import { expect } from "chai";
import type { ReleaseState } from "../../../helm/release";
import { parseCommand } from "../../../cli/arguments";
import { sampleReview } from "../../fixtures/review";
import { differencesFrom, writeReport } from "../../../review/handover";
import { recordChanges, type RecordInput } from "../../../review/records";
import { reviewedDifferences, reviewedHashes } from "../../../review/reviewed";
import type { Review } from "../../../review/report/schema";

const KEY = Buffer.from("key of this release");

describe("a report", () => {
  it("is of one upgrade: another one of the same program is refused, by name", () => {
    const file = join(mkdtempSync(join(tmpdir(), "report-")), "plan.json");
    writeReport(sampleReview(), "casa", file);
    writeReport(sampleReview(), "casa", file);
    expect(() => writeReport(sampleReview(), "casa-two", file)).to.throw(UserError, "casa and casa-two");
    rmSync(dirname(file), { recursive: true });
  });
});

describe("what a review is bound to", () => {
  const identity: Review["identity"] = {
    stack: "prod",
    cluster: { context: "prod", id: "c-1", version: "v1.34.4" },
    release: { name: "casa", namespace: "casa-runtime", revision: 4 },
    chart: { name: "casa-runtime", before: "0.1.0", after: "0.2.0", digest: "d" },
  };
  const review = (change: object = {}, reviewed: Record<string, string> = { "the values": "1" }) =>
    ({ identity: { ...identity, ...change }, reviewed }) as Review;

  it("differs by name: another value, something new, something gone", () => {
    const then = reviewedHashes({ same: 1, changed: { a: 1 }, gone: 1 }, KEY);
    const now = reviewedHashes({ same: 1, changed: { a: 2 }, fresh: 1 }, KEY);
    expect(reviewedDifferences(then, now)).to.deep.equal([
      "changed: is different",
      "fresh: was not there",
      "gone: is gone",
    ]);
  });

  it("does not depend on the order of keys, and cannot be found out without the key", () => {
    const a = reviewedHashes({ values: { x: 1, y: "secret" } }, KEY);
    expect(reviewedHashes({ values: { y: "secret", x: 1 } }, KEY)).to.deep.equal(a);
    expect(reviewedHashes({ values: { x: 1, y: "secret" } }, Buffer.from("another"))).not.to.deep.equal(a);
  });

  it("says the identity first: with another cluster or revision no hash could be equal", () => {
    const elsewhere = review({ cluster: { ...identity.cluster, id: "c-2" } }, { "the values": "2" });
    expect(differencesFrom(review(), elsewhere)).to.deep.equal(["cluster: reviewed c-1, now c-2"]);
    const upgraded = review({ release: { ...identity.release, revision: 5 } });
    expect(differencesFrom(review(), upgraded)).to.deep.equal(["installed revision: reviewed 4, now 5"]);
    const removed = review({ release: { ...identity.release, revision: null } });
    expect(differencesFrom(review(), removed)).to.deep.equal(["installed revision: reviewed 4, now none"]);
  });

  it("is the same when nothing differs, whatever the context is called here", () => {
    const renamed = review({ cluster: { ...identity.cluster, context: "other-name" } });
    expect(differencesFrom(review(), renamed)).to.deep.equal([]);
  });
});

describe("bookkeeping of an upgrade", () => {
  const recorded = { stamp: "old", stale: [] };
  const state = (...statuses: string[]): ReleaseState => {
    const revisions = statuses.map((status, i) => ({
      revision: i + 1,
      status,
    })) as unknown as ReleaseState["revisions"];
    return { name: "casa", namespace: "ns", revisions, latest: revisions[revisions.length - 1]! };
  };
  const changes = (input: Partial<RecordInput>) =>
    recordChanges({
      release: { name: "casa", namespace: "ns" },
      newRevision: true,
      maxHistory: 10,
      records: { before: recorded, after: recorded, exists: { before: true, after: true } },
      wanted: { before: recorded, after: recorded },
      ...input,
    }).map(({ action, kind, name }) => `${action} ${kind} ${name.replace("sh.helm.release.v1.casa.", "")}`);

  it("makes a revision and supersedes the deployed one", () => {
    expect(changes({ installed: state("superseded", "deployed") })).to.deep.equal([
      "create Secret v3",
      "update Secret v2",
    ]);
  });

  it("leaves a failed revision as it is, and supersedes the one that was deployed before", () => {
    expect(changes({ installed: state("deployed", "failed") })).to.deep.equal(["create Secret v3", "update Secret v1"]);
  });

  it("deletes the oldest revisions beyond the limit, never the deployed one", () => {
    const full = state("superseded", "superseded", "deployed");
    expect(changes({ installed: full, maxHistory: 3 })).to.deep.equal([
      "create Secret v4",
      "update Secret v3",
      "delete Secret v1",
    ]);
    expect(changes({ installed: state("deployed", "failed", "failed"), maxHistory: 2 })).to.deep.equal([
      "create Secret v4",
      "update Secret v1",
      "delete Secret v2",
      "delete Secret v3",
    ]);
  });

  it("writes the restart records only where they change", () => {
    const wanted = { before: recorded, after: { stamp: "new", stale: ["Deployment/a/b"] } };
    expect(changes({ newRevision: false, wanted })).to.deep.equal(["update ConfigMap casa-upgrade-casa-after"]);
    const none = { exists: { before: false, after: false } };
    expect(changes({ newRevision: false, records: none })).to.deep.equal([
      "create ConfigMap casa-upgrade-casa-before",
      "create ConfigMap casa-upgrade-casa-after",
    ]);
    expect(changes({ newRevision: false })).to.deep.equal([]);
  });
});

describe("the command line", () => {
  const refusal = (...argv: string[]) => {
    try {
      parseCommand(argv);
    } catch (error) {
      if (error instanceof UserError) return error.message;
      throw error;
    }
    return "";
  };

  it("reads plan and up with their options", () => {
    const given = { cwd: "dir", stack: "prod", policyPacks: ["a", "b"] };
    const target = { ...given, ownPolicies: true, policyConfig: undefined, json: false };
    const common = ["-C", "dir", "-s", "prod", "--policy-pack", "a", "--policy-pack", "b"];
    expect(parseCommand(["plan", "--out", "o", ...common])).to.deep.equal({ name: "plan", target, out: "o" });
    expect(parseCommand(["up", "--plan", "f", "-y", ...common])).to.deep.equal({
      name: "up",
      target,
      plan: "f",
      yes: true,
    });
    const help = parseCommand(["plan", "--help"]);
    expect(help.name === "help" && help.text)
      .to.contain("--out <dir>")
      .and.contain("--stack <name>");
    expect(parseCommand([])).to.include({ name: "help" });
  });

  it("says what is wrong and what to type", () => {
    expect(refusal("plna")).to.contain("casa-upgrade plan");
    expect(refusal("plan", "--plan", "x")).to.contain("casa-upgrade up --plan");
    expect(refusal("up", "--out", "x")).to.contain("casa-upgrade plan --out");
    expect(refusal("plan", "production")).to.contain('"production" is not expected');
    expect(refusal("plan", "--stak", "x")).to.contain("--help");
  });
});
