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
});
