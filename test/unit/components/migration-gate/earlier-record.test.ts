import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect } from "chai";
import { findEarlierRecord, passedEarlier } from "../../../../components/migration-gate/earlier-record";
import { gateSettings } from "../../../../components/migration-gate/settings";

const STATE = resolve(__dirname, "../../../fixtures/stack-before-0.2.0.json");
const COMMAND = "casa-migration-passed";

describe("a gate that an earlier version recorded", () => {
  const resources = JSON.parse(readFileSync(STATE, "utf8")) as { urn: string; outputs?: object }[];
  const answer = {
    outputs: Object.fromEntries(resources.map(({ urn, outputs }) => [urn, { outputs: outputs ?? {} }])),
  };
  const record = findEarlierRecord(answer, COMMAND);
  const settings = gateSettings.parse(JSON.parse(record?.environment.MIGRATION_GATE ?? "null"));
  const wanted = { settings, digest: record?.environment.CHART ?? "", revision: 2 };

  it("counts as passed for the same settings, chart and revision", () =>
    expect(passedEarlier(record, wanted)).to.equal(true));

  it("does not for any other", () => {
    expect(passedEarlier(record, { ...wanted, revision: 3 })).to.equal(false);
    expect(passedEarlier(record, { ...wanted, revision: undefined })).to.equal(false);
    expect(passedEarlier(record, { ...wanted, digest: "other" })).to.equal(false);
    expect(passedEarlier(record, { ...wanted, settings: { ...settings, checkLogs: false } })).to.equal(false);
    expect(passedEarlier(record, { ...wanted, settings: undefined })).to.equal(false);
    expect(passedEarlier(undefined, wanted)).to.equal(false);
  });

  it("is not found where the state has none, or the command of this version", () => {
    expect(findEarlierRecord({ outputs: {} }, COMMAND)).to.equal(undefined);
    expect(findEarlierRecord(undefined, COMMAND)).to.equal(undefined);
    expect(findEarlierRecord({ outputs: { [`urn::${COMMAND}`]: { outputs: { stdin: "{}" } } } }, COMMAND)).to.equal(
      undefined,
    );
    const damaged = { environment: { MIGRATION_GATE: "{", CHART: wanted.digest, REVISION: "2" } };
    expect(passedEarlier(damaged, wanted)).to.equal(false);
  });
});
