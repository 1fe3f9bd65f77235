import { expect } from "chai";
import { contentDifferences } from "../../plan/backup/compare";
import { DESTINATION, destinationText, parseDestination } from "../../plan/backup/destination";
import { explainFailure } from "../../plan/backup/failures";
import { backupId, type BackupManifest, isLeftOver, newRun, parseManifest } from "../../plan/backup/manifest";
import { backupsOf, surplus } from "../../plan/backup/retention";

const owner = { stack: "prod", cluster: "c", name: "auth", release: { name: "casa", namespace: "casa-runtime" } };

function backup(run: number, more: Partial<BackupManifest> = {}, status = "deployed"): BackupManifest {
  const id = `2026010${run}T000000Z-00000${run}`;
  return {
    schemaVersion: 1,
    stack: "prod",
    cluster: "c",
    release: { ...owner.release, chartVersion: "0.1.0", revision: run, status },
    run: id,
    name: "auth",
    database: "auth",
    server: "Deployment/casa-runtime/db",
    serverVersion: "15.8",
    at: "2026-01-01T00:00:00.123Z",
    file: `auth-${id}.dump`,
    bytes: 10,
    sha256: "0".repeat(64),
    tables: [{ table: "public.t", rows: 3 }],
    alembic: null,
    verified: true,
    ...more,
  };
}
const revisions = (list: BackupManifest[]) => list.map(({ release }) => release.revision);

describe("retention of backups", () => {
  const five = [3, 1, 5, 2, 4].map((run) => backup(run));

  it("leaves the newest ones", () => {
    expect(revisions(surplus(owner, five, 2))).to.deep.equal([3, 2, 1]);
    expect(surplus(owner, five, 5)).to.deep.equal([]);
    expect(surplus(owner, [], 1)).to.deep.equal([]);
  });

  it("never removes the last one, whatever it is told", () => {
    for (const keep of [1, 0, -3]) expect(revisions(surplus(owner, five, keep))).to.deep.equal([4, 3, 2, 1]);
  });

  it("keeps the last one from before a failed upgrade, however often that is tried again", () => {
    const tries = [backup(1), backup(2), ...[3, 4, 5, 6].map((run) => backup(run, {}, "failed"))];
    expect(revisions(surplus(owner, tries, 2))).to.deep.equal([4, 3, 1]);
  });

  it("counts each database, release, stack and cluster alone", () => {
    const others = [
      backup(6, { name: "keycloak" }),
      backup(7, { stack: "test" }),
      backup(8, { cluster: "d" }),
      backup(9, { release: { ...backup(9).release, namespace: "elsewhere" } }),
    ];
    expect(revisions(backupsOf(owner, [...others, ...five]))).to.deep.equal([5, 4, 3, 2, 1]);
    expect(revisions(surplus(owner, [...others, ...five], 4))).to.deep.equal([1]);
  });
});

describe("comparison of a restored database", () => {
  const content = {
    tables: [
      { table: "a", rows: 1 },
      { table: "b", rows: 2 },
    ],
    alembic: "x",
  };

  it("finds nothing in an equal one, in whatever order its tables come", () => {
    expect(contentDifferences(content, { ...content, tables: [...content.tables].reverse() })).to.deep.equal([]);
  });

  it("finds a missing table, an additional one, other rows and another revision", () => {
    const found = {
      tables: [
        { table: "b", rows: 0 },
        { table: "c", rows: 0 },
      ],
      alembic: null,
    };
    expect(contentDifferences(content, found)).to.deep.equal([
      "table a is missing",
      "table b has 0 rows instead of 2",
      "table c was not in the database that was dumped",
      "the Alembic revision is absent instead of x",
    ]);
  });
});

describe("manifest of a backup", () => {
  it("is read as it was written; anything else is no manifest", () => {
    const text = JSON.stringify(backup(1));
    expect(parseManifest(text)).to.deep.equal(backup(1));
    const wrong = [
      "",
      "null",
      text.slice(0, -20),
      JSON.stringify({ ...backup(1), verified: false }),
      JSON.stringify({ ...backup(1), bytes: 0 }),
      JSON.stringify({ ...backup(1), sha256: "x" }),
      JSON.stringify({ ...backup(1), more: 1 }),
    ];
    for (const other of wrong) expect(parseManifest(other), other).to.equal(undefined);
  });

  it("belongs to a file whose left-overs are known from those of others", () => {
    const run = newRun(new Date("2026-01-02T03:04:05.678Z"), "0a1b2c");
    expect(run).to.equal("20260102T030405Z-0a1b2c");
    const id = backupId("auth", run);
    expect(isLeftOver(`${id}.dump.partial`, "auth")).to.equal(true);
    expect(isLeftOver(`${id}.json.partial`, "auth")).to.equal(true);
    const others = [`${id}.dump`, `${id}.json`, "auth-mine.dump.partial", `x${id}.dump.partial`, "auth.partial"];
    for (const file of others) expect(isLeftOver(file, "auth"), file).to.equal(false);
    expect(isLeftOver(`${backupId("auth-old", run)}.dump.partial`, "auth")).to.equal(false);
  });
});

describe("destination of backups", () => {
  it("is a folder or a bucket", () => {
    const s3 = { endpoint: "http://minio:9000", region: "eu-central-1" };
    expect(parseDestination("s3://bucket/a/b/", s3)).to.deep.equal({
      kind: "s3",
      bucket: "bucket",
      prefix: "a/b",
      ...s3,
    });
    expect(parseDestination("s3://bucket", { region: "r" })).to.deep.equal({
      kind: "s3",
      bucket: "bucket",
      prefix: "",
      region: "r",
    });
    expect(parseDestination("./a b", s3)).to.deep.equal({ kind: "folder", path: "./a b" });
    for (const text of ["s3://bucket/a/b", "s3://bucket", "/srv/backups"]) {
      expect(destinationText(parseDestination(text, { region: "r" }))).to.equal(text);
    }
  });

  it("is no other URL and holds no credentials", () => {
    for (const good of ["backups", "./b", "/srv/b", "../b", "s3://my.bucket", "s3://bucket/prefix"]) {
      expect(DESTINATION.test(good), good).to.equal(true);
    }
    for (const bad of [
      "",
      " ",
      "s3://",
      "s3://a/b?x=1",
      "s3://key:secret@bucket/x",
      "pvc://claim",
      "https://x/y",
      "s3:bucket",
    ]) {
      expect(DESTINATION.test(bad), bad).to.equal(false);
    }
  });
});

describe("explanation of a failed step", () => {
  const explain = (...messages: string[]) => explainFailure({ step: "the dump", code: 1, messages });

  it("says cause and fix of what is known", () => {
    const denied = explain('psql: error: FATAL:  password authentication failed for user "postgres"');
    expect(denied.problem).to.contain("refuses the password");
    expect(denied.fix).to.contain("Secret");
    expect(explain("ERROR:  permission denied to create database").fix).to.contain("CREATEDB");
    expect(explain("sh: 1: pg_dump: not found").problem).to.contain("client programs are missing");
    expect(explain("aborting because of server version mismatch").fix).to.contain("major version");
  });

  it("repeats the end of what is not known, and the exit code when nothing was said", () => {
    expect(explain("a", "b", "c", "d", "e", "f").problem).to.equal(
      "the dump failed with exit code 1: b / c / d / e / f",
    );
    expect(explain().problem).to.contain("exit code 1");
    expect(explainFailure({ step: "the dump", code: null, messages: [] }).problem).to.contain("was killed");
  });
});
