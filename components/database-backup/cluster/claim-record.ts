import { z } from "zod";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";

const CONFIG_MAP = { apiVersion: "v1", kind: "ConfigMap" };
const record = z.looseObject({ data: z.record(z.string(), z.string()).nullish() });

/**
 * Remembers on the cluster which backup in a claim is the newest of each stack, for a preview has to know that (a new one is made
 * unless nothing happened since) and must not start the pod that could look.
 */
export class ClaimRecord {
  private readonly name: string;

  constructor(
    private readonly client: ClusterClient,
    private readonly namespace: string,
    release: string,
    private readonly stack: string,
  ) {
    this.name = `casa-upgrade-${release}-backups`;
  }

  async newestRun(): Promise<string | undefined> {
    return (await this.client.get(CONFIG_MAP, this.namespace, this.name, record))?.data?.[this.stack];
  }

  async write(run: string): Promise<void> {
    const { client, namespace, name } = this;
    const data = { [this.stack]: run };
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
}
