import { expect } from "chai";
import {
  formatDescription,
  formatMessage,
  parseDescription,
  parseMessage,
  type RevisionRecord,
  type UpdateRecord,
} from "../../../history/recorded-texts";

describe("texts that are read back from histories", () => {
  const revisions: [text: string, record: RevisionRecord][] = [
    // As versions from 0.1.0 on wrote them; these must stay readable.
    ["casa-upgrade 0.2.0 rendered 2bd9a456e9690c37", { version: "0.2.0", digest: "2bd9a456e9690c37" }],
    [
      "casa-upgrade 0.3.0-rc.1+b7 rendered fe5bb40bfa1ba5b4, after revision 12",
      { version: "0.3.0-rc.1+b7", digest: "fe5bb40bfa1ba5b4", afterRevision: 12 },
    ],
  ];
  for (const [text, record] of revisions) {
    it(`a revision's description: ${text}`, () => {
      expect(formatDescription(record)).to.equal(text);
      expect(parseDescription(text)).to.deep.equal(record);
    });
  }

  for (const text of [
    "Install complete",
    "Upgrade complete",
    "Rollback to 2",
    "",
    "casa-upgrade",
    "casa-upgrade by hand",
  ]) {
    it(`a description of somebody else: "${text}"`, () => expect(parseDescription(text)).to.equal(undefined));
  }

  const updates: [text: string, record: UpdateRecord][] = [
    ["casa-runtime 0.1.0 -> 0.2.0, by ann", { chart: "casa-runtime", before: "0.1.0", after: "0.2.0", user: "ann" }],
    ["casa-runtime 0.2.0, by uid-1000", { chart: "casa-runtime", after: "0.2.0", user: "uid-1000" }],
    [
      "rollback to update 7: casa-runtime 0.3.0 -> 0.1.0, by ann",
      { chart: "casa-runtime", before: "0.3.0", after: "0.1.0", user: "ann", rollbackTo: 7 },
    ],
    [
      "rollback to update 7: casa-runtime 0.2.0, by ann",
      { chart: "casa-runtime", after: "0.2.0", user: "ann", rollbackTo: 7 },
    ],
  ];
  for (const [text, record] of updates) {
    it(`an update's message: ${text}`, () => {
      expect(formatMessage(record)).to.equal(text);
      expect(parseMessage(text)).to.deep.equal(record);
    });
  }

  it("a message names the version before only where it was another one, and a user in one word", () => {
    const record = { chart: "casa", before: "1", after: "1", user: "Ann Smith" };
    expect(formatMessage(record)).to.equal("casa 1, by Ann-Smith");
    expect(parseMessage(formatMessage(record))).to.deep.equal({ chart: "casa", after: "1", user: "Ann-Smith" });
  });

  for (const text of ["", "fix the values", "rollback to update 7", "rollback to update x: casa 1, by ann"]) {
    it(`a message of somebody else: "${text}"`, () => expect(parseMessage(text)).to.equal(undefined));
  }
});
