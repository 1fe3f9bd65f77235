import { expect } from "chai";
import { formatDescription } from "../../../history/recorded-texts";
import { decideRollback, inputsWarning, type RollbackSnapshot } from "../../../history/rollback";
import { parseHistory } from "../../../history/updates";
import { reviewOf } from "../../fixtures/review";

const TODAY = new Date("2026-11-26T12:00:00Z");

function entry(version: string, at: string, more: object = {}) {
  const value = (text: string) => ({ value: text, secret: false });
  const config = { "casa-upgrade:chart": value("oci://x/y"), "casa-upgrade:version": value(version) };
  const times = { startTime: `2026-11-${at}T10:00:00.000Z`, endTime: `2026-11-${at}T10:05:00.000Z` };
  return { kind: "update", result: "succeeded", message: `casa ${version}, by ann`, ...times, config, ...more };
}

function revision(number: number, chartVersion: string, at: string, description: string) {
  return { revision: number, status: "deployed", chartVersion, description, deployedAt: `2026-11-${at}T10:01:00Z` };
}

/** 0.1.0 on the 20th, 0.2.0 on the 21st. */
function snapshot(more: Partial<RollbackSnapshot> = {}): RollbackSnapshot {
  const updates = parseHistory([entry("0.2.0", "21"), entry("0.1.0", "20")], "casa-upgrade");
  const described = (version: string) => formatDescription({ version, digest: `${version} `.replace(/\W/g, "0") });
  const revisions = [revision(1, "0.1.0", "20", described("0.1.0")), revision(2, "0.2.0", "21", described("0.2.0"))];
  return { updates, revisions, present: updates[0]?.config ?? new Map(), defaults: {}, release: "ns/casa", ...more };
}

describe("what a rollback does", () => {
  it("goes to the last good update that runs something else, and says so", () => {
    const { goal, lines } = decideRollback(snapshot(), undefined, TODAY);
    expect(goal.number).to.equal(1);
    expect(lines).to.deep.equal(["back to update 1 of 2026-11-20T10:00:00.000Z: chart 0.1.0, casa 0.1.0, by ann"]);
  });

  it("acknowledges for today what is about going back as such, and nothing on the way forward", () => {
    expect(decideRollback(snapshot(), 1, TODAY).acknowledge).to.deep.equal({
      "version-steps": "2026-11-26 rollback to update 1",
      "crds-compatible": "2026-11-26 rollback to update 1",
    });
    expect(decideRollback(snapshot(), 2, TODAY).acknowledge).to.deep.equal({});
  });

  it("tells of a change by hand before", () => {
    const { revisions } = snapshot();
    const manual = revision(3, "0.1.0", "22", "Rollback to 1");
    const { lines } = decideRollback(snapshot({ revisions: [...revisions, manual] }), 1, TODAY);
    expect(lines[1]).to.contain("note: release ns/casa was changed by hand").and.contain("revision 3");
  });

  it("refuses an update that there is not", () =>
    expect(() => decideRollback(snapshot(), 9, TODAY)).to.throw("update 9 does not exist"));

  it("warns when the chart renders otherwise than then, and only then", () => {
    const { revisions, updates } = snapshot();
    const { goal } = decideRollback(snapshot(), 1, TODAY);
    const { identity } = reviewOf();
    const rendering = (digest: string) => ({ identity: { ...identity, chart: { ...identity.chart, digest } } });
    expect(inputsWarning(goal, revisions, rendering("00100"))).to.match(
      /^the chart renders otherwise than in update 1/,
    );
    const digest = /rendered (\S+)/.exec(revisions[0]?.description ?? "")?.[1] ?? "";
    expect(inputsWarning(goal, revisions, rendering(digest))).to.equal(undefined);
    expect(inputsWarning(goal, [], rendering("x"))).to.equal(undefined);
    const files = parseHistory(
      [{ ...entry("0.1.0", "20"), config: { "casa-upgrade:valueFiles": { objectValue: ["a.yaml"] } } }],
      "casa-upgrade",
    );
    expect(updates).to.have.lengthOf(2);
    expect(files[0] && inputsWarning(files[0], [], rendering("x"))).to.contain("value files are read as they are now");
  });
});
