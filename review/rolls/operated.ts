import { groupKind, type KubeObject } from "../../kubernetes/objects";
import type { ObjectPair } from "../../kubernetes/pod-templates";
import { workloadId } from "../../kubernetes/workload";
import type { DatabaseFinding } from "../report/schema";
import { keepLine } from "./claims";

/**
 * Kinds by which operators run databases. Not all of them have their claims belong to the object, so that the cluster
 * could be asked: some operators delete them themselves.
 */
const DATABASES = new Set([
  "postgresql.cnpg.io/Cluster",
  "acid.zalan.do/postgresql",
  "postgres-operator.crunchydata.com/PostgresCluster",
  "pgv2.percona.com/PerconaPGCluster",
  "pxc.percona.com/PerconaXtraDBCluster",
  "ps.percona.com/PerconaServerMySQL",
  "psmdb.percona.com/PerconaServerMongoDB",
  "stackgres.io/SGCluster",
  "apps.kubeblocks.io/Cluster",
  "k8s.mariadb.com/MariaDB",
  "mysql.oracle.com/InnoDBCluster",
  "mongodbcommunity.mongodb.com/MongoDBCommunity",
  "mongodb.com/MongoDB",
  "redis.redis.opstreelabs.in/Redis",
  "redis.redis.opstreelabs.in/RedisCluster",
  "redis.redis.opstreelabs.in/RedisReplication",
  "databases.spotahome.com/RedisFailover",
]);
/** All of its kinds that bear the name of a database. */
const KUBEDB = /^kubedb\.com\/(?:Postgres|MySQL|MariaDB|PerconaXtraDB|MongoDB|Redis|Elasticsearch|MSSQLServer)$/;

/** The database of an operator that the upgrade deletes: a new one of another name begins empty. */
export function operatedGone(
  { before, after }: ObjectPair,
  pairs: readonly ObjectPair[],
  namespace: string,
): DatabaseFinding[] {
  if (!before || after || !isDatabase(before)) return [];
  const id = (object: KubeObject) => {
    const { kind, metadata } = object;
    return workloadId({ kind, namespace: metadata.namespace ?? namespace, name: metadata.name ?? "" });
  };
  const created = pairs.flatMap((pair) => (!pair.before && pair.after && isDatabase(pair.after) ? [pair.after] : []));
  const others = created.length > 0 ? `; ${created.map(id).join(", ")} is new and begins with an empty database` : "";
  return [
    {
      workload: id(before),
      problem: "gone",
      text:
        `${id(before)} is no longer part of the release: its operator takes the servers of this database away, and most ` +
        `operators the data with them${others}`,
      fix: `${keepLine(before, namespace)}; or accept the finding once its data is where the new version looks for it`,
    },
  ];
}

function isDatabase(object: KubeObject): boolean {
  const kind = groupKind(object);
  return DATABASES.has(kind) || KUBEDB.test(kind);
}
