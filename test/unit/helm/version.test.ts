import { expect } from "chai";
import { helmVersionProblem } from "../../../helm/version";

describe("the helm on PATH", () => {
  const rows: [string, RegExp | undefined][] = [
    ["v3.14.0+g3fc9f4b", undefined],
    ["v3.22.0", undefined],
    ["v3.13.3+gc8b9489", /3\.13\.3, which is too old/],
    ["v2.17.0", /too old/],
    ["v4.3.1+g1234567", /is v4\.3\.1, and the upgrade is carried out by helm 3/],
    // As a build from source says it.
    ["v4.3", /is v4\.3, and/],
    ["something of somebody's own", undefined],
  ];
  for (const [printed, expected] of rows) {
    it(`${printed}: ${expected === undefined ? "is used" : "is refused"}`, () => {
      const problem = helmVersionProblem(printed);
      if (expected === undefined) expect(problem).to.equal(undefined);
      else expect(problem).to.match(expected);
    });
  }
});
