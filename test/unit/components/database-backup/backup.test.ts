import { expect } from "chai";
import { contentDifferences } from "../../../../components/database-backup/compare";
import { destinationText, parseDestination } from "../../../../components/database-backup/destination";
import { DESTINATION } from "../../../../config/backup-destination";
import { discoverDatabases } from "../../../../components/database-backup/discover";
import { explainFailure } from "../../../../components/database-backup/failures";
import {
  backupId,
  type BackupManifest,
  isLeftOver,
  newRun,
  parseManifest,
} from "../../../../components/database-backup/manifest";
import { type BackupPlan, backupFact } from "../../../../components/database-backup/plan";
import { backupsOf, surplus } from "../../../../components/database-backup/retention";

function manifest(run: string, over: Partial<BackupManifest> = {}): BackupManifest {
  return {
    ...{ schemaVersion: 1, stack: "s", cluster: "c", run, name: "auth", database: "auth", server: "Deployment/n/w" },
    release: { name: "casa", namespace: "casa-runtime", chartVersion: "0.1.0", revision: 1, status: "deployed" },
    ...{ serverVersion: "15.8", at: "2026-11-23T10:00:00.000Z", file: `auth-${run}.dump`, bytes: 10 },
    ...{ sha256: "0".repeat(64), tables: [{ table: "public.t", rows: 3 }], alembic: "a1", verified: true },
    ...over,
  };
}

describe("database backups: decisions", () => {
  it("differences of a restored database, in words", () => {
    const wanted = {
      tables: [
        { table: "t", rows: 3 },
        { table: "u", rows: 1 },
      ],
      alembic: "a1",
    };
    expect(contentDifferences(wanted, wanted)).to.deep.equal([]);
    expect(
      contentDifferences(wanted, {
        tables: [
          { table: "t", rows: 2 },
          { table: "v", rows: 0 },
        ],
        alembic: null,
      }),
    ).to.deep.equal([
      "table t has 2 rows instead of 3",
      "table u is missing",
      "table v was not in the database that was dumped",
      "the Alembic revision is absent instead of a1",
    ]);
  });

  it("retention: by count, never the newest, never the newest of a release in order, never another's", () => {
    const all = ["1", "2", "3", "4"].map((run) => manifest(run));
    const own = manifest("4");
    expect(surplus(own, all, 2).map(({ run }) => run)).to.deep.equal(["2", "1"]);
    expect(surplus(own, all, 9)).to.deep.equal([]);
    expect(surplus(own, all, 0).map(({ run }) => run)).to.deep.equal(["3", "2", "1"]);
    const failed = (run: string) => manifest(run, { release: { ...own.release, status: "failed" } });
    expect(surplus(own, [manifest("1"), failed("2"), failed("3"), failed("4")], 1).map(({ run }) => run)).to.deep.equal(
      ["3", "2"],
    );
    const others = [
      manifest("9", { name: "keycloak" }),
      manifest("9", { stack: "t" }),
      manifest("9", { cluster: "d" }),
    ];
    expect(backupsOf(own, [...others, ...all]).map(({ run }) => run)).to.deep.equal(["4", "3", "2", "1"]);
  });

  it("files: what a killed run left is known, everything else is not ours", () => {
    const run = newRun(new Date("2026-11-23T10:00:00.123Z"), "abc123");
    const id = backupId("auth", run);
    expect(run).to.equal("20261123T100000Z-abc123");
    expect(isLeftOver(`${id}.dump.partial`, "auth")).to.equal(true);
    expect(isLeftOver(`${id}.dump`, "auth")).to.equal(false);
    expect(isLeftOver(`${id}.dump.partial`, "auth-2")).to.equal(false);
    expect(isLeftOver("auth-notes.partial", "auth")).to.equal(false);
    expect(parseManifest(JSON.stringify(manifest(run)))?.run).to.equal(run);
    for (const text of ["", "{}", "[1]", JSON.stringify({ ...manifest(run), verified: false })]) {
      expect(parseManifest(text)).to.equal(undefined);
    }
  });

  it("destinations: folders, buckets and claims, no other URL, no password in one", () => {
    const settings = { region: "r", namespace: "ns", image: "busybox:1" };
    const read = (text: string) => destinationText(parseDestination(text, settings));
    const claims = ["pvc://backups", "pvc://casa.backups-1/a/b.c/..d"];
    for (const text of ["backups", "/srv/backups", "../up", "C backups", "s3://bucket", "s3://bucket/a/b", ...claims]) {
      expect(DESTINATION.test(text), text).to.equal(true);
      expect(read(text)).to.equal(text);
    }
    const noClaims = [
      "pvc://",
      "pvc:///x",
      "pvc://a_b/c",
      "pvc://a/../b",
      "pvc://a/b/..",
      "pvc://a/./b",
      "pvc://a//b",
      "pvc://a/b c",
    ];
    for (const text of ["https://x/y", "file:///x", "s3://u:p@bucket", "s3://", " x", ...noClaims]) {
      expect(DESTINATION.test(text), text).to.equal(false);
    }
    expect(parseDestination("s3://b/p/", { ...settings, endpoint: "http://e" })).to.deep.equal({
      ...{ kind: "s3", bucket: "b", prefix: "p", endpoint: "http://e", region: "r" },
    });
    expect(parseDestination("pvc://backups/a/b/", settings)).to.deep.equal({
      ...{ kind: "pvc", namespace: "ns", claim: "backups", folder: "a/b", image: "busybox:1" },
    });
    expect(parseDestination("pvc://backups", settings)).to.include({ claim: "backups", folder: "" });
  });

  it("a failed step: the cause a person would name, and its fix", () => {
    const of = (message: string, code: number | null = 1) =>
      explainFailure({ step: "the dump", code, messages: [message] });
    expect(of('FATAL:  password authentication failed for user "x"').problem).to.contain("refuses the password");
    expect(of("pg_restore: error: could not extend file: No space left on device").fix).to.contain("scratch database");
    expect(of("ERROR:  permission denied to create database").fix).to.contain("CREATEDB");
    expect(of("sh: pg_dump: not found").fix).to.contain("image with psql");
    expect(of("something else")).to.deep.equal({
      problem: "the dump failed with exit code 1: something else",
      fix: "repair what the message names, then repeat",
    });
    expect(of("", null).problem).to.equal("the dump was killed: exit code none");
  });

  describe("finding the databases", () => {
    const server = (name: string, image: string, env: object[] = [], kind = "Deployment") => ({
      ...{ apiVersion: "apps/v1", kind, metadata: { name } },
      spec: { template: { spec: { containers: [{ name: "main", image, env }] } } },
    });
    const names = (...objects: object[]) => discoverDatabases(objects, "n").map(({ name }) => name);

    it("by image or by a variable that only servers have, whatever the chart calls them", () => {
      const db = [{ name: "POSTGRES_DB", value: "auth" }];
      expect(names(server("a", "registry.example/library/postgres:15.8", db))).to.deep.equal(["auth"]);
      expect(names(server("b", "bitnami/postgresql@sha256:0", [], "StatefulSet"))).to.deep.equal(["postgres"]);
      expect(names(server("c", "timescale/timescaledb-ha:pg15"))).to.deep.equal(["postgres"]);
      expect(names(server("d", "mine/store:1", [{ name: "PGDATA", value: "/d" }]))).to.deep.equal(["postgres"]);
      expect(
        names(server("e", "quay.io/prometheuscommunity/postgres-exporter:1"), server("f", "keycloak:25")),
      ).to.deep.equal([]);
      expect(names(server("a", "postgres", db), server("b", "postgres", db))).to.deep.equal(["a", "b"]);
      expect(names({ kind: "Service" }, { kind: "Deployment" })).to.deep.equal([]);
    });

    it("credentials are references; the password itself is never read here", () => {
      const ref = (key: string) => ({ secretKeyRef: { name: "s", key } });
      const env = [
        { name: "POSTGRES_USER", valueFrom: ref("username") },
        { name: "POSTGRES_PASSWORD", valueFrom: ref("password") },
      ];
      const [target] = discoverDatabases([server("a", "postgres", env)], "n");
      expect(target?.password).to.deep.equal([{ kind: "Secret", name: "s", key: "password" }]);
      expect(target?.user).to.deep.equal([{ kind: "Secret", name: "s", key: "username" }, { value: "postgres" }]);
      expect(target?.at).to.deep.equal({ kind: "Deployment", namespace: "n", workload: "a", container: "main" });
    });
  });

  it("what policies read: planned, or why not", () => {
    const plan = {
      enabled: true,
      releaseWillChange: true,
      willRun: true,
      databases: [{ name: "auth", server: "w" }],
      destination: "b",
      servers: 0,
      missing: [],
    };
    const fact = (over: object, needed = true) => backupFact({ ...plan, ...over } as unknown as BackupPlan, { needed });
    expect(fact({})).to.include({ planned: true, needed: true });
    expect(fact({ enabled: false, willRun: false, databases: [] })).to.deep.include({ planned: false, needed: true });
    expect(fact({ enabled: false, willRun: false, databases: [] }).why).to.contain("backup.enabled");
    expect(fact({ willRun: false, databases: [] }).why).to.contain("backup.databases");
    expect(fact({ willRun: false, releaseWillChange: false }, false)).to.deep.equal({
      ...{ planned: false, needed: false, why: "nothing changes", missing: [] },
    });
    // Live servers of a release whose record is lost need a backup, too.
    expect(fact({ enabled: false, willRun: false, servers: 1 }, false)).to.include({ needed: true });
    const missing = [{ what: "database x", fix: "name it" }];
    expect(fact({ missing }).missing).to.deep.equal(missing);
    // A server outside counts, too, when backups are off.
    const off = { enabled: false, willRun: false, databases: [], missing };
    expect(fact(off, false)).to.deep.include({ planned: false, needed: true, missing });
    expect(fact({ ...off, releaseWillChange: false }, false)).to.include({ needed: false });
  });
});
