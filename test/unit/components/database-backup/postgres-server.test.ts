import { expect } from "chai";
import { discoverDatabases } from "../../../../components/database-backup/discover";
import { componentOf } from "../../../../review/facts/component";
import type { KubeObject } from "../../../../kubernetes/objects";
import { isPostgresServer } from "../../../../components/database-backup/postgres-server";
import { podWorkload } from "../../../../kubernetes/pod-templates";

type Env = { name: string; value?: string }[];

/** Whether it is one, and that backups and policies say the same. */
function isServer(image: string, env: Env = []): boolean {
  const container = { name: "main", image, env };
  const object: KubeObject = {
    ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "x" } },
    spec: { template: { spec: { containers: [container] } } },
  };
  const workload = podWorkload(object, "ns");
  if (!workload) throw new Error("no workload");
  const is = isPostgresServer(container);
  expect(componentOf(workload, { release: "casa", sidecarDeployment: "s" }) === "postgres", image).to.equal(is);
  expect(discoverDatabases([object], "ns").length === 1, image).to.equal(is);
  return is;
}

describe("a PostgreSQL server", () => {
  const servers = [
    "postgres",
    "postgres:16",
    "docker.io/library/postgres:15.8-alpine",
    "registry:5000/x/postgres@sha256:0123",
    "bitnami/postgresql:16",
    "bitnami/postgresql-repmgr:16",
    "rhel9/postgresql-15",
    "postgis/postgis:16-3.4",
    "pgvector/pgvector:pg16",
    "ghcr.io/zalando/spilo-15:3.0",
    "timescale/timescaledb-ha:pg16",
    "corp/our-postgres:1",
    "corp/postgres-casa:1",
  ];
  for (const image of servers) it(`is ${image}`, () => expect(isServer(image)).to.equal(true));

  const others = [
    "quay.io/prometheuscommunity/postgres-exporter:1",
    "zalando/postgres-operator:1",
    "bitnami/pgbouncer",
    "bitnami/pgpool:4",
    "dpage/pgadmin4",
    "corp/postgres-backup:1",
    "supabase/postgres-meta:1",
    "casa/auth-service:1",
    "corp/keycloak-postgres:25",
    "postgrest/postgrest",
    "",
  ];
  for (const image of others) {
    it(`is not "${image}", whatever a client is given`, () =>
      expect(isServer(image, [{ name: "POSTGRES_PASSWORD", value: "x" }])).to.equal(false));
  }

  it("is an image of one's own with a variable that only servers have, and no backup program with it", () => {
    const env = [{ name: "PGDATA", value: "/data" }];
    expect(isServer("corp/database:3", env)).to.equal(true);
    expect(isServer("corp/postgres-keycloak:3", env)).to.equal(true);
    expect(isServer("corp/postgres-backup:3", env)).to.equal(false);
    for (const nothing of [undefined, null, "x", { env: "x" }, { image: 1, env: [null, "PGDATA"] }]) {
      expect(isPostgresServer(nothing)).to.equal(false);
    }
  });

  describe("of an image of one's own, by what it is given", () => {
    const env = (...names: string[]) => names.map((name) => ({ name, value: "x" }));
    const mount = (mountPath: string) => [{ name: "data", mountPath }];
    const port = (containerPort: number, name?: string) => [{ containerPort, name }];
    const secret = { envFrom: [{ secretRef: { name: "db" } }] };
    const is = (more: object, image = "registry.example/team/our-db:1") =>
      isPostgresServer({ name: "main", image, ...more });

    const servers: [why: string, container: object][] = [
      ["password and port", { env: env("POSTGRES_PASSWORD", "POSTGRES_DB"), ports: port(5432) }],
      ["password and the port's name", { env: env("POSTGRESQL_PASSWORD"), ports: port(15432, "tcp-postgresql") }],
      [
        "password and volume",
        { env: env("POSTGRES_USER", "POSTGRES_PASSWORD"), volumeMounts: mount("/var/lib/postgresql/data") },
      ],
      [
        "a Secret's variables, port and volume",
        { ...secret, ports: port(5432), volumeMounts: mount("/var/lib/postgresql") },
      ],
      [
        "Bitnami's volume",
        { ...secret, ports: port(5432, "tcp-postgresql"), volumeMounts: mount("/bitnami/postgresql") },
      ],
      [
        "Red Hat's volume and probe",
        {
          ...secret,
          volumeMounts: mount("/var/lib/pgsql/data/"),
          readinessProbe: { exec: { command: ["/bin/sh", "-c", "exec pg_isready -U casa -h 127.0.0.1"] } },
        },
      ],
      [
        "its own program and volume",
        { ...secret, args: ["postgres", "-c", "max_connections=200"], volumeMounts: mount("/pgdata") },
      ],
      ["its own program and port", { ...secret, command: ["/usr/lib/postgresql/17/bin/postgres"], ports: port(5432) }],
      ["scripts that make it", { env: env("POSTGRES_PASSWORD"), volumeMounts: mount("/docker-entrypoint-initdb.d") }],
      [
        "an address of its own pod",
        {
          env: [...env("POSTGRES_PASSWORD"), { name: "POSTGRES_DB_URL", value: "postgres://u@localhost:5432/db" }],
          ports: port(5432),
        },
      ],
      ["Bitnami's replication", { env: env("POSTGRESQL_REPLICATION_MODE", "POSTGRESQL_MASTER_HOST") }],
      ["Spilo's configuration", { env: env("SPILO_CONFIGURATION", "PGPASSWORD_SUPERUSER") }],
      ["Red Hat's administrator", { env: env("POSTGRESQL_ADMIN_PASSWORD"), ports: port(5432) }],
    ];
    for (const [why, container] of servers) it(why, () => expect(is(container)).to.equal(true));

    const clients: [why: string, container: object, image?: string][] = [
      ["a client with host", { env: env("POSTGRES_HOST", "POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_DB") }],
      ["a client without", { env: env("POSTGRES_PASSWORD", "POSTGRES_USER"), ports: port(8080, "http") }],
      ["a client's limits", { env: env("POSTGRESQL_HOST", "POSTGRESQL_ADMIN_PASSWORD", "POSTGRESQL_MAX_CONNECTIONS") }],
      ["a client with PGHOST", { env: env("PGHOST", "PGPASSWORD"), ports: port(8080) }],
      [
        "a client whose host comes from a Secret",
        {
          env: [
            ...env("POSTGRES_PASSWORD"),
            { name: "DB_HOST", valueFrom: { secretKeyRef: { name: "db", key: "host" } } },
          ],
          ports: port(5432),
        },
      ],
      ["a pooler", { env: env("POSTGRESQL_HOST", "POSTGRESQL_PASSWORD"), ports: port(5432) }],
      [
        "a pooler with a file",
        {
          volumeMounts: mount("/etc/pgbouncer"),
          ports: port(5432, "postgres"),
          readinessProbe: { exec: { command: ["pg_isready"] } },
        },
      ],
      ["a pooler by its name", { env: env("POSTGRES_PASSWORD"), ports: port(5432) }, "ghcr.io/postgresml/pgcat:1"],
      ["Pgpool", { env: env("PGPOOL_BACKEND_NODES", "PGPOOL_POSTGRES_PASSWORD"), ports: port(5432, "postgresql") }],
      ["an exporter", { env: env("DATA_SOURCE_URI", "POSTGRES_PASSWORD"), ports: port(9187, "metrics") }],
      ["CrateDB, which speaks the same protocol", { ports: port(5432, "psql"), volumeMounts: mount("/data") }],
      [
        "MySQL",
        { env: env("MYSQL_ROOT_PASSWORD"), ports: port(3306), volumeMounts: mount("/docker-entrypoint-initdb.d") },
      ],
      ["pgAdmin", { env: env("PGADMIN_DEFAULT_PASSWORD"), volumeMounts: mount("/var/lib/pgadmin"), ports: port(80) }],
      [
        "a sidecar on the server's volume",
        { command: ["crond", "-f"], volumeMounts: mount("/var/lib/postgresql/data") },
      ],
      ["a program that is told the database's kind", { args: ["--db", "postgres"], ports: port(8080) }],
      ["Keycloak", { args: ["start"], env: env("KC_DB", "KC_DB_URL_HOST", "KC_DB_PASSWORD"), ports: port(8080) }],
    ];
    for (const [why, container, image] of clients) it(`not ${why}`, () => expect(is(container, image)).to.equal(false));
  });
});
