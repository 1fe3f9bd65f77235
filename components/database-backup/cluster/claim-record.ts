import { z } from "zod";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient, ClusterWriter } from "../../../kubernetes/connect";

const CONFIG_MAP = { apiVersion: "v1", kind: "ConfigMap" };
const record = z.looseObject({ data: z.record(z.string(), z.string()).nullish() });

/** The newest backup in a claim of one stack. Without it a preview would have to start the pod that could look. */
export interface ClaimRecord {
  /** Of the release. */
  readonly namespace: string;
  readonly release: string;
  readonly stack: string;
}

/** A new backup is made unless nothing happened since this one; undefined when there is none. */
export async function readNewestRun(client: ClusterClient, at: ClaimRecord): Promise<string | undefined> {
  return (await client.get(CONFIG_MAP, at.namespace, nameOf(at), record))?.data?.[at.stack];
}

/** Remembers on the cluster which backup is the newest. */
export async function writeNewestRun(client: ClusterWriter, at: ClaimRecord, run: string): Promise<void> {
  const { namespace, stack } = at;
  const name = nameOf(at);
  const data = { [stack]: run };
  const contentType = "application/merge-patch+json";
  try {
    await client.api.request("PATCH", await client.api.path(CONFIG_MAP, namespace, name), {
      body: { data },
      contentType,
    });
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 404)) throw error;
    const labels = { "app.kubernetes.io/managed-by": "casa-upgrade" };
    const body = { ...CONFIG_MAP, metadata: { name, namespace, labels }, data };
    await client.api.request("POST", await client.api.path(CONFIG_MAP, namespace), { body });
  }
}

function nameOf({ release }: ClaimRecord): string {
  return `casa-upgrade-${release}-backups`;
}
