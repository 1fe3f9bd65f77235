import { expect } from "chai";
import { dataLoss, type FoundData, lossText } from "../../../../components/migration-gate/kept-data";
import { comparableBackup, type ComparableBackup } from "../../../../components/database-backup/job";

const backup: ComparableBackup = comparableBackup.parse({
  name: "auth",
  location: "/backups/my stack/auth-20261126T100000Z-abcdef.dump",
  bytes: 1000,
  sha256: "0".repeat(64),
  at: "2026-11-26T10:00:00.000Z",
  alembic: "a1",
  verified: true,
  tables: 3,
  rows: 1001,
  comparison: {
    target: {
      name: "auth",
      database: [{ value: "auth" }],
      user: [{ value: "casa" }],
      password: [],
      at: { kind: "Deployment", namespace: "casa", workload: "pg", container: "postgres" },
    },
    systemIdentifier: "1",
    dataRows: 1000,
  },
});
const whole: FoundData = { tables: 3, alembic: "b2", anyRows: true };

describe("data after the chart", () => {
  it("that is there is no loss, however a migration changed it", () => {
    expect(dataLoss(backup, whole)).to.equal(undefined);
    expect(dataLoss(backup, { ...whole, tables: 1 })).to.equal(undefined);
  });

  it("lost its tables, its revision, all its rows", () => {
    expect(dataLoss(backup, { tables: 0, alembic: null, anyRows: false })).to.equal(
      "database auth has no tables any more (3 before), has no Alembic revision any more (a1 before), " +
        "has no rows any more (1000 before)",
    );
    // Alembic made its tables anew.
    expect(dataLoss(backup, { ...whole, anyRows: false })).to.equal("database auth has no rows any more (1000 before)");
    expect(dataLoss(backup, { ...whole, alembic: null })).to.contain("no Alembic revision any more (a1 before)");
  });

  it("of a database that had nothing cannot be lost", () => {
    const empty = { ...backup, tables: 0, rows: 0, alembic: null, comparison: { ...backup.comparison, dataRows: 0 } };
    expect(dataLoss(empty, { tables: 0, alembic: null, anyRows: false })).to.equal(undefined);
  });

  it("on a server that was set up anew must be the data of before, not what the service creates by itself", () => {
    expect(dataLoss(backup, { ...whole, rows: 40 })).to.contain("set up anew, and holds 40 of 1001 rows");
    expect(dataLoss(backup, { ...whole, rows: 990 })).to.equal(undefined);
    expect(dataLoss(backup, { ...whole, rows: 2000 })).to.equal(undefined);
  });

  it("comes with the line that brings it back", () => {
    const text = lossText([{ loss: "database auth has no rows any more", backup }]);
    expect(text).to.contain(
      "npx casa-upgrade restore --database auth --from '/backups/my stack/auth-20261126T100000Z-abcdef.dump' --yes",
    );
    expect(text).to.contain("migrationGate.compareData false");
  });
});
