import { expect } from "chai";
import { allDatabases, type ServerAnswer } from "../../../../components/database-backup/all-databases";
import { externalDatabases, notCovered, operatorDatabases } from "../../../../components/database-backup/elsewhere";
import { configElsewhere } from "../../../../components/database-backup/environment";
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

  it("that the user may not read are named as missing, with the grant for what it is", () => {
    const readable = { connect: true, empty: false };
    const databases = [
      { ...readable, name: "a", unread: ["public.jobs"] },
      { ...readable, name: "b", largeObjects: ["the large objects of role keeper"] },
    ];
    const [table, largeObject] = allDatabases([answer("auth", [], { databases })]).missing;
    expect(table?.what).to.contain("may not read public.jobs");
    expect(table?.fix).to.contain("pg_read_all_data").and.not.contain("role");
    expect(largeObject?.what).to.contain("may not read the large objects of role keeper");
    expect(largeObject?.fix).to.contain('GRANT "<that role>" TO "casa";');
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

  it("of a workload with several pods: the primary's, or those of each that is a server of its own", () => {
    const pod = (n: number, more: Partial<ServerAnswer>) => {
      const one = answer("db", ["db"], more);
      return { ...one, target: { ...one.target, at: { ...one.target.at, pod: `pg-db-${n}` } } };
    };
    const places = (...answers: ServerAnswer[]) =>
      allDatabases(answers).targets.map(({ name, at }) => `${name} in ${"host" in at ? at.host : at.pod}`);
    expect(places(pod(0, { standby: true }), pod(1, {}), pod(2, { standby: true }))).to.deep.equal(["db in pg-db-1"]);
    // A user who may not ask which server it is.
    const unknown = { systemIdentifier: undefined as unknown as string };
    expect(places(pod(0, { standby: true, ...unknown }), pod(1, unknown))).to.deep.equal(["db in pg-db-1"]);
    const each = ["db in pg-db-0", "db-pg-db-1 in pg-db-1"];
    expect(places(pod(0, { systemIdentifier: "1" }), pod(1, { systemIdentifier: "2" }))).to.deep.equal(each);
    // Both began with the same files.
    expect(places(pod(0, {}), pod(1, {}))).to.deep.equal(each);
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
          metadata: { labels: { app: "auth" } },
          spec: {
            containers: [{ name: "a", image, env: Object.entries(env).map(([name, value]) => ({ name, value })) }],
          },
        },
      },
    });
  const service = (name: string, spec: object) => object("v1", "Service", name, { spec });
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

  it("are found where another's ConfigMap or Secret names them, and variables that are made of others", () => {
    const encoded = (text: string) => Buffer.from(text).toString("base64");
    const user = (container: object) =>
      object("apps/v1", "Deployment", "auth", {
        spec: { template: { spec: { containers: [{ name: "a", image: "casa/auth:1", ...container }] } } },
      });
    const told = (one: KubeObject, ...config: KubeObject[]) =>
      externalDatabases([one], "casa", config).flatMap(({ names }) => names);
    const login = object("v1", "Secret", "login", { data: { host: encoded("db.example.com"), uri: encoded("x") } });
    const from = (key: string) => ({ valueFrom: { secretKeyRef: { name: "login", key } } });
    const byKey = user({ env: [{ name: "PGHOST", ...from("host") }] });
    expect(configElsewhere([byKey], "casa")).to.deep.equal([{ kind: "Secret", namespace: "casa", name: "login" }]);
    expect(configElsewhere([byKey, login], "casa")).to.deep.equal([]);
    expect(told(byKey, login)).to.deep.equal(["db.example.com"]);
    // It is not there, and another namespace's is another one.
    expect(told(byKey)).to.deep.equal([]);
    expect(told(byKey, { ...login, metadata: { name: "login", namespace: "other" } })).to.deep.equal([]);

    const settings = object("v1", "ConfigMap", "settings", { data: { HOST: "db.example.com", PGHOST: "10.0.0.9" } });
    const byPrefix = user({ envFrom: [{ prefix: "DB_", configMapRef: { name: "settings" } }] });
    expect(told(byPrefix, settings)).to.deep.equal(["db.example.com"]);
    // The container's own variable wins.
    const both = user({ envFrom: [{ configMapRef: { name: "settings" } }], env: [{ name: "PGHOST", value: "::1" }] });
    expect(told(both, settings)).not.to.include("10.0.0.9");
    const made = (value: string) =>
      user({
        env: [
          { name: "H", ...from("host") },
          { name: "URL", value },
          { name: "LATER", value: "x" },
        ],
      });
    expect(told(made("postgres://u@$(H):5432/auth"), login)).to.deep.equal(["db.example.com"]);
    expect(told(made("postgres://u@$$(H)/auth"), login)).to.deep.equal([]);
    expect(told(made("postgres://u@$(LATER)/auth"), login)).to.deep.equal([]);
  });

  it("are told by the addresses of all drivers, and by arguments", () => {
    const urls = [
      "jdbc:aws-wrapper:postgresql://db.example.com:5432/auth",
      "r2dbc:postgresql://u:p@db.example.com/auth",
      "r2dbc:pool:postgresql://db.example.com/auth",
      "postgresql+asyncpg://u:p@db.example.com/auth",
      "host=db.example.com port=5432 user=u dbname=auth",
      "Host=db.example.com;Port=5432;Database=auth;Username=u",
    ];
    for (const URL of urls) expect(hosts(app({ URL })), URL).to.deep.equal(["db.example.com"]);
    for (const URL of ["jdbc:mysql://db.example.com/auth", "Server=db.example.com;Database=a;Uid=u", "host=x"]) {
      expect(hosts(app({ URL })), URL).to.deep.equal([]);
    }
    const started = (...args: string[]) => {
      const made = app({ DB: "db.example.com" });
      const spec = {
        containers: [{ name: "a", image: "casa/auth:1", args, env: [{ name: "DB", value: "db.example.com" }] }],
      };
      return hosts({ ...made, spec: { template: { spec } } });
    };
    const found = ["db.example.com"];
    expect(started("start", "--db=postgres", "--db-url=jdbc:postgresql://db.example.com/kc")).to.deep.equal(found);
    expect(started("start", "--db-url-host=db.example.com")).to.deep.equal(found);
    expect(started("--database-url", "postgres://u@db.example.com/auth")).to.deep.equal(found);
    expect(started("serve", "postgres://u@$(DB)/auth")).to.deep.equal(found);
    expect(started("--db.host=db.example.com:5432")).to.deep.equal(found);
    expect(started("sh", "-c", "exec app --db-host db.example.com")).to.deep.equal(found);
    expect(started("--host=db.example.com", "--log=postgres")).to.deep.equal([]);
  });

  it("are not the release's own servers, what is beside the program, and other hosts", () => {
    const server = app({}, "postgres:15");
    const own = [service("casa-postgres", { selector: { app: "auth" } }), server];
    expect(hosts(app({ DB_HOST: "casa-postgres.casa.svc.cluster.local:5432" }), ...own)).to.deep.equal([]);
    expect(hosts(app({ DB_HOST: "db-0.casa-postgres" }), ...own)).to.deep.equal([]);
    const pooler = app({}, "bitnami/pgbouncer:1");
    expect(hosts(app({ DB_HOST: "pool" }), service("pool", { selector: { app: "auth" } }), pooler)).to.deep.equal([]);
    // Pods of an operator are none of the release's.
    expect(hosts(app({ DB_HOST: "db-rw" }), service("db-rw", { selector: { cluster: "db" } }))).to.deep.equal([]);
    expect(hosts(app({ DB_HOST: "127.0.0.1", PGHOST: "/var/run/postgresql" }))).to.deep.equal([]);
    expect(hosts(app({ REDIS_HOST: "redis.example.com", DB_URL: "mysql://x/y", DB_HOST: "" }))).to.deep.equal([]);
    expect(hosts(app({ PGHOST: "somewhere" }, "postgres:15"))).to.deep.equal([]);
  });

  it("may be behind a Service of the release, which says nothing of a backup", () => {
    const said = (host: string, ...objects: KubeObject[]) =>
      externalDatabases([app({ DB_HOST: host }), ...objects], "casa").map(
        ({ what, names }) => `${what}: ${names.join()}`,
      );
    expect(said("db", service("db", { type: "ExternalName", externalName: "x.rds.amazonaws.com" }))).to.deep.equal([
      "PostgreSQL at x.rds.amazonaws.com, which Deployment/casa/auth uses through Service casa/db: db,x.rds.amazonaws.com",
    ]);
    expect(said("db", service("db", {}))).to.deep.equal([
      "PostgreSQL at db, which Deployment/casa/auth uses through Service casa/db, which selects no pods: db",
    ]);
    const unknown = app({}, "team/db:16");
    // Nothing says that this is PostgreSQL.
    expect(said("db", service("db", { selector: { app: "auth" }, ports: [{ port: 3306 }] }), unknown)).to.deep.equal(
      [],
    );
    expect(said("db", service("db", { selector: { app: "auth" }, ports: [{ port: 5432 }] }), unknown)[0]).to.contain(
      "through Service casa/db: pods of casa/auth:1, team/db:16, which are not known as a PostgreSQL server",
    );
    // The same name in another namespace, or at another place, is another host.
    const own = [service("db", { selector: { app: "auth" } }), app({}, "postgres:15")];
    expect(said("db.other", ...own)[0]).to.contain("PostgreSQL at db.other");
    expect(said("db.example.com", ...own)[0]).to.contain("PostgreSQL at db.example.com");
  });
});
