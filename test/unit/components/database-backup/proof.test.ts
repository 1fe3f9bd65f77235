import { expect } from "chai";
import { certainFailure, type ServerChecks, warningsOf } from "../../../../components/database-backup/checks";
import { discoverDatabases } from "../../../../components/database-backup/discover";
import { backupSummary, type BackupPlan } from "../../../../components/database-backup/plan";
import { neededLibraries, proofArguments, roleStatements } from "../../../../components/database-backup/proof";
import { proofOwner, proofPod } from "../../../../components/database-backup/proof-pod-spec";
import { asAdmin } from "../../../../components/database-backup/references";

describe("how backups are tried", () => {
  const traits = { encoding: "UTF8", locale: "LC_COLLATE 'C'", extensions: ["pg_cron", "hstore"], timescale: null };

  it("the libraries of the database's extensions are loaded, and no others of the server", () => {
    expect(neededLibraries({ ...traits, preloaded: 'pg_stat_statements, "$libdir/pg_cron"' })).to.deep.equal([
      "$libdir/pg_cron",
    ]);
    expect(neededLibraries({ ...traits, preloaded: "" })).to.deep.equal([]);
    // Where the user may not know what is loaded, those without which the extension cannot be.
    expect(neededLibraries({ ...traits, preloaded: null })).to.deep.equal(["pg_cron"]);
    const last = (tables: number, more = {}) =>
      proofArguments("auth", "15", { ...traits, preloaded: "", ...more }, tables).at(-1);
    expect(proofArguments("auth", "15", { ...traits, preloaded: "pg_cron" }, 9)).to.deep.equal([
      ...["auth", "15", "UTF8", "LC_COLLATE 'C'", "pg_cron", "", "", "once"],
    ]);
    // Each object is a lock in one transaction.
    expect([last(4001), last(9, { timescale: { schema: "s", version: "2" } })]).to.deep.equal(["", ""]);
  });

  it("roles by any name", () => {
    expect(roleStatements(["a", 'b"c', "two\nlines"])).to.equal('CREATE ROLE "a";\nCREATE ROLE "b""c";\n-- the dump\n');
  });

  it("a pod like the server's, without what belongs to the server", () => {
    const server = {
      metadata: { labels: { app: "db" } },
      spec: {
        containers: [
          { name: "metrics", image: "exporter" },
          {
            ...{ name: "postgres", image: "postgres:15.8", securityContext: { runAsUser: 70 } },
            ...{ env: [{ name: "POSTGRES_PASSWORD", value: "x" }], volumeMounts: [{ name: "data", mountPath: "/d" }] },
          },
        ],
        ...{ serviceAccountName: "db", imagePullSecrets: [{ name: "pull" }], tolerations: [{ key: "db" }] },
        ...{ volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }], nodeName: "one" },
      },
    };
    const pod = proofPod(server, "postgres", "n", proofOwner({ stack: "s", release: "r" }), 60);
    expect(pod.spec).to.include({ serviceAccountName: "db", automountServiceAccountToken: false });
    expect(pod.spec).to.deep.include({ imagePullSecrets: [{ name: "pull" }], tolerations: [{ key: "db" }] });
    expect(pod.spec.containers).to.have.length(1);
    expect(pod.spec.containers[0]).to.deep.include({ image: "postgres:15.8", securityContext: { runAsUser: 70 } });
    expect(JSON.stringify(pod)).not.to.match(/PASSWORD|claimName|nodeName|"app"/);
    expect(pod.spec.volumes).to.deep.equal([{ name: "proof", emptyDir: {} }]);
  });

  it("the preview says which it will be", () => {
    const plan = {
      willRun: true,
      destination: "b",
      databases: ["auth", "keycloak"].map((name) => ({ name, server: "w" })),
    };
    const summary = (proof: BackupPlan["proof"]) => backupSummary({ ...plan, proof } as unknown as BackupPlan);
    expect(summary({ auth: "server", keycloak: "server" })).to.match(
      /each verified by a restore into a throw-away server of the same version$/,
    );
    expect(summary({ auth: "database", keycloak: "database" })).to.match(
      /each verified by a restore into a scratch database$/,
    );
    expect(summary({ auth: "server", keycloak: "database" })).to.match(
      /a throw-away server of the same version, or \(keycloak\) into a scratch database$/,
    );
  });

  it("the superuser's password beside the user's is known, and used for what the user may not do", () => {
    const env = [
      { name: "POSTGRES_USER", value: "casa" },
      { name: "POSTGRES_PASSWORD_FILE", value: "/run/user" },
      { name: "POSTGRES_POSTGRES_PASSWORD_FILE", value: "/run/admin" },
    ];
    const server = {
      ...{ kind: "StatefulSet", metadata: { name: "db" } },
      spec: { template: { spec: { containers: [{ name: "main", image: "bitnami/postgresql:15.8.0", env }] } } },
    };
    const [target] = discoverDatabases([server], "n");
    expect(target?.at).to.include({ passwordFile: "/run/user" });
    const admin = target && asAdmin(target);
    expect(admin?.at).to.include({ passwordFile: "/run/admin" });
    expect(admin)
      .to.deep.include({ user: [{ value: "postgres" }], password: [] })
      .and.not.to.have.property("admin");
    expect(asAdmin({ ...admin, name: "x" } as NonNullable<typeof admin>)).to.equal(undefined);
  });

  describe("what would fail is known before", () => {
    const fine: ServerChecks = {
      ...{
        user: "casa",
        serverVersion: "15.8",
        clientVersion: "15.8 (Debian 15.8-1)",
        standby: false,
        createdb: false,
        readOnly: false,
      },
      ...{ bytes: 100, unreadable: [], hidden: [], locks: [] },
    };
    const lock = { table: "public.t", holder: "pid 7", end: "SELECT pg_terminate_backend(7);", prepared: false };

    it("versions: only an older pg_dump is refused", () => {
      expect(certainFailure(fine, "server")).to.equal(undefined);
      expect(certainFailure({ ...fine, clientVersion: "18.1" }, "server")).to.equal(undefined);
      expect(certainFailure({ ...fine, serverVersion: "17.2" }, "server")?.fix).to.contain("postgresql-client-17");
      expect(certainFailure({ ...fine, clientVersion: "" }, "server")).to.equal(undefined);
    });

    it("a scratch database needs CREATEDB, a primary and room; a throw-away server does not", () => {
      const may = { ...fine, createdb: true };
      expect(certainFailure(may, "database")).to.equal(undefined);
      expect(certainFailure(fine, "database")?.fix).to.contain("CREATEDB");
      expect(certainFailure({ ...may, standby: true }, "database")?.problem).to.contain("in recovery");
      expect(certainFailure({ ...may, free: 99 }, "database")?.problem).to.contain("1 MiB left");
      expect(certainFailure({ ...may, readOnly: true }, "database")?.problem).to.contain("takes no writes");
      const elsewhere = { ...fine, standby: true, free: 99, readOnly: true };
      expect(certainFailure(elsewhere, "server")).to.equal(undefined);
    });

    it("a dump takes two sessions", () => {
      const left = (many: number) => certainFailure({ ...fine, sessions: { left: many, lift: "ALTER …" } }, "server");
      expect(left(2)).to.equal(undefined);
      expect(left(1)?.problem).to.contain("casa may open 1 more");
      expect(left(-1)?.problem).to.contain("may open 0 more");
      expect(left(0)?.fix).to.contain("ALTER …");
    });

    it("a lock that nobody will give back is refused, any other is told", () => {
      expect(certainFailure({ ...fine, locks: [lock] }, "server")).to.equal(undefined);
      expect(warningsOf({ locks: [lock] }, "auth")).to.have.length(1);
      const prepared = {
        ...lock,
        holder: "the prepared transaction 'x'",
        end: "ROLLBACK PREPARED 'x';",
        prepared: true,
      };
      expect(certainFailure({ ...fine, locks: [lock, prepared] }, "server")?.fix).to.contain("ROLLBACK PREPARED 'x';");
    });
  });
});
