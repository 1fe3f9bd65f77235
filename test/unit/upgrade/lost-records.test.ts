import { expect } from "chai";
import { lostRecords } from "../../../upgrade/lost-records";

describe("restart records that were deleted by hand", () => {
  const urn = (name: string, type = "kubernetes:core/v1:ConfigMap") => `urn:pulumi:dev::p::casa:x$${type}::${name}`;
  const state = { outputs: { [urn("casa-upgrade-casa-before")]: {}, [urn("casa-upgrade-casa-after", "other")]: {} } };

  it("are those that the state has", () => {
    expect(lostRecords(state, ["casa-upgrade-casa-before", "casa-upgrade-casa-after"])).to.deep.equal([
      "casa-upgrade-casa-before",
    ]);
    expect(lostRecords(state, [])).to.deep.equal([]);
  });

  it("nothing is lost where the engine does not say", () => {
    for (const none of [undefined, {}, { outputs: null }]) expect(lostRecords(none, ["a"])).to.deep.equal([]);
  });
});
