import { UserError } from "../../../shared/user-error";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { kubeObject, type KubeObject } from "../../../kubernetes/objects";
import type { ServerAnswer } from "../all-databases";
import { OPERATOR_KINDS } from "../elsewhere";
import { type DatabaseTarget, whereIs } from "../references";
import { LIST } from "./scripts";
import { DatabaseSession } from "./session";

/** Longest wait for one server, in milliseconds. */
const LIMIT_MS = 30_000;

/**
 * Asks the servers in the cluster, read-only, what is on them, and refuses what a backup would fail for later.
 *
 * @throws UserError naming the database, the cause and the fix.
 */
export function askServers(client: ClusterClient, targets: readonly DatabaseTarget[]): Promise<ServerAnswer[]> {
  return Promise.all(targets.map((target) => askServer(client, target)));
}

async function askServer(client: ClusterClient, target: DatabaseTarget): Promise<ServerAnswer> {
  const session = await DatabaseSession.open(client, target);
  const facts = await session.run(LIST, { step: "the question", signal: AbortSignal.timeout(LIMIT_MS) });
  const self = facts.find(({ user }) => user !== undefined);
  const where = `database ${target.name} (${whereIs(target)})`;
  if (self?.createdb === false && !self.recovery) {
    throw new UserError(
      "backup",
      `${where}: user ${self.user ?? ""} may not create the scratch database that a backup is verified in`,
      `as a superuser of the server: ALTER ROLE "${self.user ?? ""}" CREATEDB;`,
    );
  }
  const identity = facts.find(({ systemIdentifier }) => systemIdentifier !== undefined)?.systemIdentifier;
  return {
    target,
    database: session.database,
    user: self?.user ?? "",
    standby: self?.recovery ?? false,
    ...(identity === undefined ? {} : { systemIdentifier: identity }),
    databases: facts.flatMap(({ database: name, connect = false, empty = false }) =>
      name === undefined ? [] : [{ name, connect, empty }],
    ),
  };
}

/**
 * The objects from which operators make databases, in one namespace.
 *
 * @returns also what may not be looked at, in words.
 */
export async function operatorObjects(
  client: ClusterClient,
  namespace: string,
): Promise<{ objects: KubeObject[]; problems: string[] }> {
  const lists = await Promise.all(
    OPERATOR_KINDS.map(async (type): Promise<{ objects: KubeObject[]; problems: string[] }> => {
      if ((await client.api.resource(type.apiVersion, type.kind)) === undefined) return { objects: [], problems: [] };
      try {
        const found = await client.list(type, namespace, kubeObject);
        return { objects: found.map((object) => ({ ...object, ...type })), problems: [] };
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const what = `whether ${type.kind} objects (${type.apiVersion}) in ${namespace} hold databases cannot be told`;
        return { objects: [], problems: [`${what}: ${error.message}`] };
      }
    }),
  );
  return { objects: lists.flatMap(({ objects }) => objects), problems: lists.flatMap(({ problems }) => problems) };
}
