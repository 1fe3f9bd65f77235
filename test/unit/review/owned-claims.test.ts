import { expect } from "chai";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import type { KubeObject } from "../../../kubernetes/objects";
import { claimsOfOwners } from "../../../review/owned-claims";
import { deletedClaims } from "../../../review/rolls/claims";
import { databaseFindings } from "../../../review/rolls/databases";
import { claim, object, pair } from "./rolls/rolls-world";

/** As the API server has it: with a uid, and with its owners. */
function live(one: KubeObject, ...owners: KubeObject[]): KubeObject {
  const ownerReferences = owners.map(({ apiVersion, kind, metadata }) => ({
    ...{ apiVersion, kind, name: metadata.name, uid: `uid-${metadata.name ?? ""}`, controller: true },
  }));
  const metadata = { ...one.metadata, uid: `uid-${one.metadata.name ?? ""}` };
  return { ...one, metadata: owners.length > 0 ? { ...metadata, ownerReferences } : metadata };
}

const cluster = live(object("Cluster", "auth-db", {}, "postgresql.cnpg.io/v1"));
const data = (name: string, ...owners: KubeObject[]) =>
  live(claim(name, ["ReadWriteOnce"], { volumeName: "pv-1" }), ...owners);

/** @param inCluster what may be read; a text is the name of something that may not. */
async function found(deleted: KubeObject[], claims: KubeObject[], inCluster: (KubeObject | string)[] = []) {
  const asked: string[] = [];
  const client = {
    api: {
      get: (_: object, __: string, name: string) => {
        asked.push(name);
        if (inCluster.includes(name)) return Promise.reject(new ApiError(403, "Forbidden", "forbidden"));
        return Promise.resolve(inCluster.find((one) => typeof one === "object" && one.metadata.name === name));
      },
      list: (_: object, namespace: string) =>
        namespace === "casa" ? Promise.resolve(claims) : Promise.reject(new ApiError(403, "Forbidden", "forbidden")),
    },
  } as unknown as ClusterClient;
  const pairs = deleted.map((one) => pair(one, undefined));
  const { owned, unknown } = await claimsOfOwners(client, pairs, claims, "casa");
  return { names: owned.map((one) => one.claim.metadata.name), owned, unknown, asked, pairs };
}

describe("claims that go with an object that helm deletes", () => {
  it("belong to it, as those of CloudNativePG do; claims of others, and of nobody, stay", async () => {
    const other = live(object("Cluster", "other", {}, "postgresql.cnpg.io/v1"));
    const claims = [data("auth-db-1", cluster), data("auth-db-2", cluster), data("other-1", other), data("x")];
    const { names, owned, pairs, unknown } = await found([cluster], claims, [other]);
    expect(names).to.deep.equal(["auth-db-1", "auth-db-2"]);
    expect(unknown).to.deep.equal([]);
    const [lost] = deletedClaims(pairs, { namespace: "casa", predicted: [], claims, volumes: [], owned });
    expect(lost?.why).to.contain("belongs to Cluster auth-db, which helm deletes");
    expect(lost?.fix).to.contain(
      "kubectl --namespace casa annotate cluster.postgresql.cnpg.io auth-db helm.sh/resource-policy=keep",
    );
  });

  it("by way of what the operator makes of it, and of Kubernetes' own workloads", async () => {
    const percona = live(object("PerconaPGCluster", "pg", {}, "pgv2.percona.com/v2"));
    const postgres = live(
      object("PostgresCluster", "pg-inner", {}, "postgres-operator.crunchydata.com/v1beta1"),
      percona,
    );
    const rabbit = live(object("RabbitmqCluster", "mq", {}, "rabbitmq.com/v1beta1"));
    const set = live(object("StatefulSet", "mq-server", {}, "apps/v1"), rabbit);
    const claims = [data("pg-instance1", postgres), data("persistence-mq-server-0", set)];
    const { names, asked } = await found([percona, rabbit], claims, [postgres, set]);
    expect(names).to.deep.equal(["pg-instance1", "persistence-mq-server-0"]);
    expect(asked).to.deep.equal(["pg-inner", "mq-server"]);
  });

  it("stay while another owner does, and go with the last one", async () => {
    const [keeper, absent] = [object("ConfigMap", "keeper"), object("ConfigMap", "absent")].map((one) => live(one));
    const { names } = await found(
      [cluster],
      [data("kept", cluster, keeper as KubeObject), data("goes", cluster, absent as KubeObject)],
      [keeper as KubeObject],
    );
    expect(names).to.deep.equal(["goes"]);
  });

  it("are not asked for when nothing but Kubernetes' own kinds goes, nor for the volumes of a pod's own", async () => {
    const config = live(object("ConfigMap", "config"));
    const claims = [data("a", live(object("Foo", "foo", {}, "x.example/v1"))), data("b", config)];
    const plain = await found([config], claims);
    expect(plain).to.deep.include({ names: ["b"], asked: [], unknown: [] });
    const ofPods = await found([cluster], [data("scratch", live(object("Pod", "web-0")))]);
    expect(ofPods).to.deep.include({ names: [], asked: [], unknown: [] });
  });

  it("that may not be read or listed are told", async () => {
    const owner = live(object("PostgresCluster", "hidden", {}, "postgres-operator.crunchydata.com/v1beta1"));
    const { unknown } = await found([cluster], [data("a", owner)], ["hidden"]);
    expect(unknown.join()).to.contain("PostgresCluster casa/hidden may not be read").and.contain("Cluster auth-db");
    const elsewhere = { ...cluster, metadata: { ...cluster.metadata, namespace: "db" } };
    const { unknown: unlisted } = await found([elsewhere], []);
    expect(unlisted.join()).to.contain("which claims of namespace db go with it is not known");
  });
});

describe("the database of an operator", () => {
  const facts = { namespace: "casa", replaced: new Set<string>(), running: new Map() };
  it("that the chart drops or renames is gone, whatever becomes of its claims", () => {
    const zalando = object("postgresql", "acid-auth", {}, "acid.zalan.do/v1");
    const renamed = object("postgresql", "acid-casa", {}, "acid.zalan.do/v1");
    const [gone, ...others] = databaseFindings([pair(zalando, undefined), pair(undefined, renamed)], facts);
    expect(others).to.deep.equal([]);
    expect(gone).to.include({ workload: "postgresql/casa/acid-auth", problem: "gone" });
    expect(gone?.text).to.contain("postgresql/casa/acid-casa is new and begins with an empty database");
    expect(gone?.fix).to.contain("annotate postgresql.acid.zalan.do acid-auth helm.sh/resource-policy=keep");
  });
  it("that stays, and other objects of an operator, are not", () => {
    const users = object("PGUser", "u", {}, "x.example/v1");
    const other = object("Cluster", "c", {}, "cluster.x-k8s.io/v1beta1");
    expect(
      databaseFindings([pair(cluster, cluster), pair(users, undefined), pair(other, undefined)], facts),
    ).to.deep.equal([]);
  });
});
