import { ApiError, UnreachableError } from "./api";
import type { ClusterClient } from "./connect";
import { ONLY_READS } from "./object-check";
import { podOf, type PodSource } from "./pod-of";
import { oneLine } from "./rejections";

/** What the API server says of a pod that is not created. */
export type PodAnswer =
  /** The pod as it would be, with all that webhooks add. */
  | { readonly pod: unknown }
  /**
   * `down`: no pod can be created now, because a webhook that must answer does not; `refused`: the API server refuses
   * the pod; `not-asked`: it cannot be asked by a dry-run.
   */
  | PodProblem;

export interface PodProblem {
  readonly problem: "down" | "refused" | "not-asked";
  /** The API server's words, in one line, without the pod's name, which is another one each time. */
  readonly message: string;
}

/** Asks by a dry-run what would become of a workload's next pod at this moment; nothing is kept. */
export async function tryPod(client: ClusterClient, workload: PodSource): Promise<PodAnswer> {
  if (client.readOnly) return { problem: "not-asked", message: ONLY_READS };
  const path = `/api/v1/namespaces/${workload.namespace}/pods`;
  try {
    return { pod: await client.api.dryRun("POST", path, { body: podOf(workload) }) };
  } catch (error) {
    if (error instanceof ApiError) return { problem: problemOf(error), message: withoutName(error.message) };
    if (error instanceof UnreachableError) return { problem: "not-asked", message: error.message };
    throw error;
  }
}

function problemOf({ code, message }: ApiError): PodProblem["problem"] {
  if (/failed calling webhook/.test(message)) return "down";
  if (code === 400 && /does not support dry run|dryRun/i.test(message)) return "not-asked";
  // RBAC words it so; quota and admission name the pod.
  if (code === 403 && /cannot create resource "pods"/.test(message)) return "not-asked";
  return code >= 500 || code === 429 ? "not-asked" : "refused";
}

function withoutName(message: string): string {
  return oneLine(message.replace(/^pods? "[^"]*" is forbidden: /, "").replace(/pods? "[^"]*"/g, "the pod"));
}
