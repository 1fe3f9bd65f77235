import { expect } from "chai";
import { dataLoss, type FoundData, lossText, sortedAnew } from "../../../../components/migration-gate/kept-data";
import { C_LIBRARY, comparableBackup, type ComparableBackup } from "../../../../components/database-backup/job";

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
const whole: FoundData = { database: "auth", tables: 3, alembic: "b2", anyRows: true };

describe("data after the chart", () => {
  it("that is there is no loss, however a migration changed it", () => {
    expect(dataLoss(backup, whole)).to.equal(undefined);
    expect(dataLoss(backup, { ...whole, tables: 1 })).to.equal(undefined);
  });

  it("lost its tables, its revision, all its rows", () => {
    expect(dataLoss(backup, { ...whole, tables: 0, alembic: null, anyRows: false })).to.equal(
      "database auth has no tables any more (3 before), has no Alembic revision any more (a1 before), " +
        "has no rows any more (1000 before)",
    );
    // Alembic made its tables anew.
    expect(dataLoss(backup, { ...whole, anyRows: false })).to.equal("database auth has no rows any more (1000 before)");
    expect(dataLoss(backup, { ...whole, alembic: null })).to.contain("no Alembic revision any more (a1 before)");
  });

  it("of a database that had nothing cannot be lost", () => {
    const empty = { ...backup, tables: 0, rows: 0, alembic: null, comparison: { ...backup.comparison, dataRows: 0 } };
    expect(dataLoss(empty, { ...whole, tables: 0, alembic: null, anyRows: false })).to.equal(undefined);
  });

  it("on a server that was set up anew must be the data of before, not what the service creates by itself", () => {
    expect(dataLoss(backup, { ...whole, rows: 40 })).to.contain("set up anew, and holds 40 of 1001 rows");
    expect(dataLoss(backup, { ...whole, rows: 990 })).to.equal(undefined);
    expect(dataLoss(backup, { ...whole, rows: 2000 })).to.equal(undefined);
  });

  it("sorted by another version of a library is told, with the statements that build its indexes anew", () => {
    const made = (collations: Record<string, string | null>) => ({
      ...backup,
      comparison: { ...backup.comparison, collations },
    });
    const glibc = made({ default: "2.36", "de-x-icu": "153.120" });
    const found = (collations: Record<string, string | null>) => ({ ...whole, collations });
    expect(sortedAnew(glibc, found({ default: "2.36", "de-x-icu": "153.120" }))).to.equal(undefined);
    // Nothing is known of either side, or an index is gone.
    expect(sortedAnew(backup, found({ default: "2.36" }))).to.equal(undefined);
    expect(sortedAnew(glibc, whole)).to.equal(undefined);
    expect(sortedAnew(glibc, found({ default: "2.41", "de-x-icu": "153.128" })))
      .to.contain("WARNING: database auth")
      .and.contain("default: 2.36 before, 2.41 now; de-x-icu: 153.120 before, 153.128 now")
      .and.contain(
        'REINDEX DATABASE "auth"; ALTER DATABASE "auth" REFRESH COLLATION VERSION; ALTER COLLATION "de-x-icu"',
      );
    // PostgreSQL refuses to refresh to or from no version.
    const musl = sortedAnew(glibc, found({ default: null, "de-x-icu": "153.120" }));
    expect(musl).to.contain("default: 2.36 before, one without a version (musl) now").and.not.contain("REFRESH");
    // Before PostgreSQL 15 a database has no version.
    const older = sortedAnew(made({ [C_LIBRARY]: "2.31" }), found({ [C_LIBRARY]: "2.36" }));
    expect(older).to.contain("2.31 before, 2.36 now").and.contain("REINDEX").and.not.contain("REFRESH");
    expect(sortedAnew(made({ default: null }), found({ default: "2.36" }))).to.contain("musl) before, 2.36 now");
  });

  it("comes with the line that brings it back", () => {
    const text = lossText([{ loss: "database auth has no rows any more", backup }]);
    expect(text).to.contain(
      "npx casa-upgrade restore --database auth --from '/backups/my stack/auth-20261126T100000Z-abcdef.dump' --yes",
    );
    expect(text).to.contain("migrationGate.compareData false");
  });
});
