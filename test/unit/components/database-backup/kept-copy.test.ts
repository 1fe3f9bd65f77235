import { expect } from "chai";
import { isKeptCopy, keptName } from "../../../../components/database-backup/kept-copy";

describe("the name that a replaced database is kept under", () => {
  const at = new Date("2026-11-26T10:00:59Z");
  const name = (database: string, ...taken: string[]) => keptName(database, new Set(taken), at);

  it("is the database's, with the time", () => {
    expect(name("auth")).to.equal("auth_before_restore_20261126t100059z");
    expect(isKeptCopy(name("auth"))).to.equal(true);
  });

  it("is a later one where it is taken", () => {
    const [first, second] = ["auth_before_restore_20261126t100059z", "auth_before_restore_20261126t100100z"];
    expect(name("auth", first)).to.equal(second);
    expect(name("auth", first, second)).to.equal("auth_before_restore_20261126t100101z");
  });

  it("fits into PostgreSQL's 63 bytes, of whole characters", () => {
    for (const database of ["x".repeat(63), "ж".repeat(31), "日".repeat(21), "😀".repeat(15)]) {
      const kept = name(database);
      expect(Buffer.byteLength(kept)).to.be.within(59, 63);
      expect(Buffer.from(kept).toString()).to.equal(kept);
      expect(isKeptCopy(kept)).to.equal(true);
    }
  });
});
