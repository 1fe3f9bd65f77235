import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { missingPermissions, permissions, podStream } from "../../../kubernetes/permissions";
import { UserError } from "../../../shared/user-error";
import type { HelperOwner } from "../helper-pod-spec";
import { proofOwner } from "../proof-pod-spec";
import type { ProofChoice, ProofKind } from "../proof";
import { type DatabaseTarget, whereIs } from "../references";
import { majorOf } from "../server-image";
import type { AskedServer } from "./ask-servers";
import { proofHelper } from "./proof-server";
import { HAS_SERVER } from "./prove-script";
import { runScript } from "./run-script";

/** How backups are tried, by {@link whereIs}, and what is said of servers where it is not the way that is preferred. */
export interface ProofDecision {
  kindOf: (target: DatabaseTarget) => ProofKind;
  warnings: string[];
}

/**
 * Decides how the backups of some servers are tried: on a throw-away server, unless the config wants otherwise or none
 * can be had. Changes nothing.
 *
 * @throws UserError when the config wants a throw-away server, and none can be had.
 */
export async function decideProof(
  client: ClusterClient,
  choice: ProofChoice,
  asked: readonly AskedServer[],
  owner: Omit<HelperOwner, "purpose">,
): Promise<ProofDecision> {
  if (choice === "database") return { kindOf: () => "database", warnings: [] };
  const obstacles = new Map(
    await Promise.all(
      asked
        // A standby in the cluster is left to its primary.
        .filter(({ target, standby }) => "host" in target.at || !standby)
        .map(async (answer) => [whereIs(answer.target), await obstacle(client, answer, proofOwner(owner))] as const),
    ),
  );
  const told = [...obstacles].flatMap(([where, why]) => (why === undefined ? [] : [{ where, why }]));
  const [first] = told;
  if (first && choice === "server") {
    throw new UserError(
      "backup",
      `backups of ${first.where} cannot be tried on a throw-away server: ${first.why}`,
      "make that possible, or let them be tried in a scratch database where they cannot: pulumi config set --path backup.proof auto",
    );
  }
  return {
    kindOf: (target) => (obstacles.get(whereIs(target)) === undefined ? "server" : "database"),
    warnings: told.map(
      ({ where, why }) =>
        `backups of ${where} are tried in a scratch database on the server itself, not on a throw-away one: ${why}`,
    ),
  };
}

/** Why no throw-away server can be had for a server; undefined when one can, as far as that can be seen beforehand. */
async function obstacle(client: ClusterClient, { target, checks }: AskedServer, owner: HelperOwner) {
  const { at } = target;
  if ("host" in at) return localObstacle(checks.serverVersion, checks.bytes);
  const { namespace } = at;
  const needed = [
    ...permissions(["get", "list", "create", "delete"], "", ["pods"], namespace),
    ...podStream("exec", namespace),
  ];
  const missing = await missingPermissions(client, needed);
  if (missing.length > 0) {
    const verbs = missing.map(({ verb, resource }) => `${verb} ${resource}`).join(", ");
    return `its pod needs permissions in namespace ${namespace}: ${verbs}`;
  }
  try {
    const path = await client.api.path({ apiVersion: "v1", kind: "Pod" }, namespace);
    await client.api.dryRun("POST", path, { body: (await proofHelper(client, target, owner)).pod(60) });
    return undefined;
  } catch (error) {
    // A webhook that cannot say what it would do has not said no.
    if (error instanceof ApiError)
      return error.message.includes("does not support dry run") ? undefined : error.message;
    throw error;
  }
}

async function localObstacle(serverVersion: string, bytes: number): Promise<string | undefined> {
  const major = majorOf(serverVersion) ?? "";
  const run = { args: [major], firstLine: "", signal: AbortSignal.timeout(20_000) };
  const { code } = await runScript({ command: [], env: process.env }, HAS_SERVER, run);
  if (code !== 0) return `this machine has no server programs of PostgreSQL ${major}`;
  const { bavail, bsize } = await statfs(tmpdir());
  if (bavail * bsize >= bytes) return undefined;
  return `${tmpdir()} has room for ${Math.floor((bavail * bsize) / 1024 / 1024)} MiB only`;
}
