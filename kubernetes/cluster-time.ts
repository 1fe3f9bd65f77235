import { z } from "zod";
import type { ClusterClient } from "./connect";

const dated = z.looseObject({ metadata: z.looseObject({ creationTimestamp: z.iso.datetime() }) });

/**
 * What time it is for the API server, in whole seconds: by its clock objects are dated, and that of this machine may be
 * another one. It answers with the creation time of a ConfigMap that is sent as a dry-run.
 *
 * @param namespace one in which the user may create ConfigMaps.
 */
export async function clusterTime(client: ClusterClient, namespace: string): Promise<Date> {
  const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { generateName: "casa-upgrade-time-", namespace } };
  const answer = await client.api.dryRun("POST", `/api/v1/namespaces/${namespace}/configmaps`, { body });
  return new Date(dated.parse(answer).metadata.creationTimestamp);
}
