import { expect } from "chai";
import { discoverDatabases } from "../../../../components/database-backup/discover";

type Env = { name: string; value?: string; valueFrom?: object }[];

function workload(name: string, image: string, env: Env = [], more: object = {}, kind = "Deployment") {
  const containers = [{ name: "main", image, env, ...more }];
  return { apiVersion: "apps/v1", kind, metadata: { name }, spec: { template: { spec: { containers } } } };
}
const fromSecret = (name: string, key: string) => ({ secretKeyRef: { name, key } });
const discover = (...objects: object[]) => discoverDatabases(objects, "ns");

describe("discovery of databases", () => {
  it("knows an image of one's own by PGDATA, and passes over other kinds and what is no object", () => {
    const env = [{ name: "PGDATA", value: "/data" }];
    expect(discover(workload("db", "corp/database:3", env))).to.have.length(1);
    expect(discover(workload("db", "postgres", [], {}, "Job"), {}, { kind: "Deployment" })).to.deep.equal([]);
    expect(discoverDatabases([null, "x", undefined], "ns")).to.deep.equal([]);
  });

  it("refers to Secrets and never holds what is in them; names a database as its server does", () => {
    const env = [
      { name: "POSTGRES_DB", value: "auth" },
      { name: "POSTGRES_USER", valueFrom: fromSecret("s", "username") },
      { name: "POSTGRES_PASSWORD", valueFrom: fromSecret("s", "password") },
    ];
    expect(discover(workload("db", "postgres:15", env, {}, "StatefulSet"))).to.deep.equal([
      {
        name: "auth",
        database: [{ value: "auth" }, { kind: "Secret", name: "s", key: "username" }, { value: "postgres" }],
        user: [{ kind: "Secret", name: "s", key: "username" }, { value: "postgres" }],
        password: [{ kind: "Secret", name: "s", key: "password" }],
        at: { kind: "StatefulSet", namespace: "ns", workload: "db", container: "main" },
      },
    ]);
  });

  it("falls back to the workload's name where two servers have a database of one name, or it is not readable", () => {
    const env = [{ name: "POSTGRES_DB", value: "app" }];
    expect(
      discover(workload("a", "postgres", env), workload("b", "postgres", env)).map(({ name }) => name),
    ).to.deep.equal(["a", "b"]);
    const hidden = [{ name: "POSTGRES_DB", valueFrom: fromSecret("s", "db") }];
    expect(discover(workload("c", "postgres", hidden))[0]?.name).to.equal("c");
    const odd = [{ name: "POSTGRES_DB", value: "../x" }];
    expect(discover(workload("d", "postgres", odd))[0]?.name).to.equal("d");
  });

  it("looks into envFrom, the last set first, with its prefix", () => {
    const envFrom = [{ configMapRef: { name: "cm" } }, { prefix: "POSTGRES_", secretRef: { name: "s" } }];
    const [found] = discover(workload("db", "bitnami/postgresql", [], { envFrom }));
    expect(found?.password.slice(0, 2)).to.deep.equal([
      { kind: "Secret", name: "s", key: "PASSWORD", optional: true },
      { kind: "ConfigMap", name: "cm", key: "POSTGRES_PASSWORD", optional: true },
    ]);
  });

  it("knows the names that other images use, and a password in a file", () => {
    const env = [
      { name: "POSTGRESQL_DATABASE", value: "kc" },
      { name: "POSTGRESQL_USERNAME", value: "kc" },
      { name: "POSTGRES_PASSWORD_FILE", value: "/run/secrets/password" },
    ];
    const [found] = discover(workload("db", "bitnami/postgresql:16", env));
    expect(found).to.deep.include({ name: "kc", password: [] });
    expect(found?.user[0]).to.deep.equal({ value: "kc" });
    expect(found?.at).to.include({ passwordFile: "/run/secrets/password" });
  });
});
