import { UserError } from "../../../shared/user-error";
import { z } from "zod";
import { claimProblem, claimSchema } from "../claim";
import type { ClaimDestination } from "../destination";
import { helperPod, type HelperOwner } from "../helper-pod-spec";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import {
  missingPermissions,
  type Permission,
  permissionProblem,
  permissions,
  podStream,
} from "../../../kubernetes/permissions";
import { createRefusal } from "./helper-problem";

const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim" };
const named = z.looseObject({ metadata: z.looseObject({ name: z.string() }) });

/** What a claim as destination needs: the helper pod and commands in it, and the record of the newest backup. */
export function claimPermissions(namespace: string): Permission[] {
  return [
    ...permissions(["get"], "", ["persistentvolumeclaims"], namespace),
    ...permissions(["get", "list", "create", "delete"], "", ["pods"], namespace),
    ...podStream("exec", namespace),
    ...permissions(["get", "create", "patch"], "", ["configmaps"], namespace),
  ];
}

/**
 * Refuses a claim that backups cannot go to, as far as that can be seen without starting a pod: permissions, the claim
 * itself, and whether the API server would take the helper pod (a dry-run, so quotas and admission have their say).
 * Changes nothing.
 *
 * @throws UserError
 */
export async function checkClaim(client: ClusterClient, to: ClaimDestination, owner: HelperOwner): Promise<void> {
  const missing = await missingPermissions(client, claimPermissions(to.namespace));
  const denied = permissionProblem(missing, client.context);
  if (denied) throw denied;
  const claim = await client.get(CLAIM, to.namespace, to.claim, claimSchema);
  const refusal = claimProblem(to, claim, claim ? [] : await claimNames(client, to.namespace));
  if (refusal) throw new UserError("backup", refusal.problem, refusal.fix);
  try {
    const path = await client.api.path({ apiVersion: "v1", kind: "Pod" }, to.namespace);
    await client.api.dryRun("POST", path, { body: helperPod(to, owner, 60) });
  } catch (error) {
    // A webhook that cannot say what it would do has not said no.
    if (error instanceof ApiError && error.message.includes("does not support dry run")) return;
    throw createRefusal(to, error);
  }
}

/** Only for the words of an error, so it may be denied. */
async function claimNames(client: ClusterClient, namespace: string): Promise<string[]> {
  const claims = await client.list(CLAIM, namespace, named).catch(() => []);
  return claims.map(({ metadata }) => metadata.name);
}
