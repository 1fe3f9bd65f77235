import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect } from "chai";
import { findEarlierRecord, passedEarlier } from "../../../../components/migration-gate/earlier-record";
import { gateSettings, type GateJob } from "../../../../components/migration-gate/settings";

const STATE = resolve(__dirname, "../../../fixtures/stack-before-0.2.0.json");
const COMMAND = "casa-migration-passed";

describe("a gate that an earlier version recorded", () => {
  const resources = JSON.parse(readFileSync(STATE, "utf8")) as { urn: string; outputs?: object }[];
  const answer = {
    outputs: Object.fromEntries(resources.map(({ urn, outputs }) => [urn, { outputs: outputs ?? {} }])),
  };
  const record = findEarlierRecord(answer, COMMAND);
  const settings = gateSettings.parse(record?.settings);
  const wanted = { settings, digest: record?.chart ?? "", revision: 2 };

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

  it("counts as well when this version recorded it, wherever the program was then", () => {
    const job: GateJob = { settings, secrets: ["s"], chart: wanted.digest, revision: 2, backups: [] };
    const find = (stdin: object) =>
      findEarlierRecord({ outputs: { [`urn::${COMMAND}`]: { outputs: { stdin: JSON.stringify(stdin) } } } }, COMMAND);
    const now = { ...wanted, secrets: ["s"] };
    expect(passedEarlier(find(job), now)).to.equal(true);
    expect(passedEarlier(find({ ...job, acceptsLoss: true }), { ...now, acceptsLoss: true })).to.equal(true);
    expect(passedEarlier(find(job), { ...now, acceptsLoss: true })).to.equal(false);
    expect(passedEarlier(find(job), { ...now, secrets: ["s", "another"] })).to.equal(false);
    expect(passedEarlier(find(job), { ...now, revision: 3 })).to.equal(false);
    expect(passedEarlier(find({ ...job, another: true }), now)).to.equal(false);
  });

  it("is not found where the state has none, or one that cannot be read", () => {
    expect(findEarlierRecord({ outputs: {} }, COMMAND)).to.equal(undefined);
    expect(findEarlierRecord(undefined, COMMAND)).to.equal(undefined);
    const find = (outputs: object) => findEarlierRecord({ outputs: { [`urn::${COMMAND}`]: { outputs } } }, COMMAND);
    expect(find({ stdin: "{}" })).to.equal(undefined);
    expect(find({ stdin: "{" })).to.equal(undefined);
    const damaged = find({ environment: { MIGRATION_GATE: "{", CHART: wanted.digest, REVISION: "2" } });
    expect(passedEarlier(damaged, wanted)).to.equal(false);
  });
});
