import { expect } from "chai";
import { allDatabases, type ServerAnswer } from "../../../../components/database-backup/all-databases";
import { externalDatabases, notCovered, operatorDatabases } from "../../../../components/database-backup/elsewhere";
import type { DatabaseTarget } from "../../../../components/database-backup/references";
import type { KubeObject } from "../../../../kubernetes/objects";

function target(name: string, workload = `pg-${name}`): DatabaseTarget {
  return {
    name,
    database: [{ value: name }],
    user: [{ value: "casa" }],
    password: [],
    at: { kind: "Deployment", namespace: "casa", workload, container: "postgres" },
  };
}

function answer(name: string, databases: string[], more: Partial<ServerAnswer> = {}): ServerAnswer {
  return {
    target: target(name),
    database: name,
    user: "casa",
    systemIdentifier: `of ${name}`,
    standby: false,
    databases: databases.map((one) => ({ name: one, connect: true, empty: false })),
    ...more,
  };
}

const names = (...answers: ServerAnswer[]) => allDatabases(answers).targets.map(({ name }) => name);

describe("all databases of a server", () => {
  it("are its own and those that somebody created there", () => {
    const { targets } = allDatabases([answer("auth", ["auth", "sessions"])]);
    expect(targets.map(({ name, database }) => [name, database])).to.deep.equal([
      ["auth", [{ value: "auth" }]],
      ["sessions", [{ value: "sessions" }]],
    ]);
    expect(targets[1]).to.deep.include({ at: target("auth").at });
  });

  it("are one each, though two workloads reach the server", () => {
    const same = { systemIdentifier: "1" };
    const list = ["auth", "keycloak", "sessions"];
    expect(names(answer("auth", list, same), answer("keycloak", list, same))).to.deep.equal([
      ...["auth", "keycloak", "sessions"],
    ]);
    // Two servers may each have one of the same name.
    expect(names(answer("auth", ["auth", "x"]), answer("keycloak", ["keycloak", "x", "auth"]))).to.deep.equal([
      ...["auth", "keycloak", "x", "pg-keycloak-x", "pg-keycloak-auth"],
    ]);
  });

  it("have names that are fit for files, and each its own", () => {
    expect(names(answer("auth", ["../x", "a b", "a_b", "\u00fcber"]))).to.deep.equal([
      ...["auth", "pg-auth-x", "pg-auth-a_b", "a_b", "pg-auth-ber"],
    ]);
    expect(names(answer("auth", ["a b", "a,b"]))).to.deep.equal(["auth", "pg-auth-a_b", "pg-auth-a_b-2"]);
  });

  it("without the empty maintenance database and what this program left; copies are named", () => {
    const databases = [
      { name: "postgres", connect: true, empty: true },
      { name: "casa_upgrade_scratch_0123456789_abcd", connect: true, empty: false },
      { name: "auth_before_restore_20261126t100000z", connect: true, empty: false },
    ];
    const found = allDatabases([answer("auth", [], { databases })]);
    expect(found.targets).to.have.length(1);
    expect(found.missing).to.deep.equal([]);
    expect(found.copies).to.deep.equal(["database auth_before_restore_20261126t100000z of Deployment/casa/pg-auth"]);
    const used = [{ name: "postgres", connect: true, empty: false }];
    expect(names(answer("auth", [], { databases: used }))).to.deep.equal(["auth", "postgres"]);
  });

  it("that the user may not connect to are named as missing, with the grant", () => {
    const databases = [{ name: "secret", connect: false, empty: false }];
    const { missing, targets } = allDatabases([answer("auth", [], { databases })]);
    expect(targets).to.have.length(1);
    expect(missing[0]?.what).to.contain("database secret of Deployment/casa/pg-auth: user casa may not connect");
    expect(missing[0]?.fix).to.contain('GRANT CONNECT ON DATABASE "secret" TO "casa"');
  });

  it("of a standby are its primary's; a standby alone is refused", () => {
    const standby = answer("read", ["auth"], { standby: true, systemIdentifier: "1" });
    const { targets, standbys } = allDatabases([standby, answer("auth", ["auth"], { systemIdentifier: "1" })]);
    expect(targets.map(({ name }) => name)).to.deep.equal(["auth"]);
    expect(standbys).to.deep.equal(["Deployment/casa/pg-read"]);
    expect(() => allDatabases([standby])).to.throw(/standby.*primary/s);
  });
});

describe("databases elsewhere", () => {
  const object = (apiVersion: string, kind: string, name: string, rest: object = {}): KubeObject => ({
    apiVersion,
    kind,
    metadata: { name },
    ...rest,
  });

  it("of operators come with their service and Secret, unless they are named", () => {
    const found = operatorDatabases(
      [
        object("postgresql.cnpg.io/v1", "Cluster", "db"),
        object("acid.zalan.do/v1", "postgresql", "casa-db"),
        object("postgres-operator.crunchydata.com/v1beta1", "PostgresCluster", "hippo"),
        object("cluster.x-k8s.io/v1", "Cluster", "other"),
      ],
      "casa",
    );
    expect(found.map(({ what }) => what.split(" (")[0])).to.deep.equal([
      "Cluster casa/db",
      "postgresql casa/casa-db",
      "PostgresCluster casa/hippo",
    ]);
    expect(found[0]?.fix).to.contain("db-rw.casa").and.to.contain("Secret db-app");
    expect(found[1]?.fix).to.contain("postgres.casa-db.credentials.postgresql.acid.zalan.do");
    expect(found[2]?.fix).to.contain("hippo-pguser-hippo").and.to.contain("hippo-primary.casa");
    const named = [
      { name: "x", host: "db-rw.casa.svc" },
      { name: "casa-db", host: "127.0.0.1" },
      { name: "y", host: "HIPPO-primary" },
    ];
    expect(notCovered(found, named)).to.deep.equal([]);
    expect(notCovered(found, [])).to.have.length(3);
  });

  const app = (env: Record<string, string>, image = "casa/auth:1") =>
    object("apps/v1", "Deployment", "auth", {
      spec: {
        template: {
          spec: {
            containers: [{ name: "a", image, env: Object.entries(env).map(([name, value]) => ({ name, value })) }],
          },
        },
      },
    });
  const hosts = (...objects: KubeObject[]) => externalDatabases(objects, "casa").flatMap((one) => one.names);

  it("that programs of the release use are told by their variables, ConfigMaps and Secrets", () => {
    expect(hosts(app({ DATABASE_HOST: "db.example.com" }))).to.deep.equal(["db.example.com"]);
    expect(hosts(app({ KC_DB_URL: "jdbc:postgresql://kc.example.com:5432/keycloak?ssl=true" }))).to.deep.equal([
      "kc.example.com",
    ]);
    expect(hosts(app({ URL: "postgresql+asyncpg://u:p%40ss@10.0.0.7/auth" }))).to.deep.equal(["10.0.0.7"]);
    const url = Buffer.from("postgres://u:secret@db.example.com/auth").toString("base64");
    const [found, ...others] = externalDatabases(
      [
        object("v1", "Secret", "s", { data: { DATABASE_URL: url } }),
        object("v1", "ConfigMap", "c", { data: { DB_HOST: "db.example.com" } }),
      ],
      "casa",
    );
    expect(others).to.deep.equal([]);
    expect(JSON.stringify(found)).to.contain("Secret/casa/s").and.not.to.contain("secret@");
    expect(notCovered([found!], [{ name: "auth", host: "DB.example.com" }])).to.deep.equal([]);
  });

  it("are not the release's own servers, what is beside the program, and other hosts", () => {
    const service = object("v1", "Service", "casa-postgres");
    expect(hosts(app({ DB_HOST: "casa-postgres.casa.svc.cluster.local:5432" }), service)).to.deep.equal([]);
    expect(hosts(app({ DB_HOST: "127.0.0.1", PGHOST: "/var/run/postgresql" }))).to.deep.equal([]);
    expect(hosts(app({ REDIS_HOST: "redis.example.com", DB_URL: "mysql://x/y", DB_HOST: "" }))).to.deep.equal([]);
    expect(hosts(app({ PGHOST: "somewhere" }, "postgres:15"))).to.deep.equal([]);
  });
});
