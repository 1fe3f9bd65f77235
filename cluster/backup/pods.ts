import { z } from "zod";
import type { DatabaseTarget } from "../../plan/backup/references";
import { whereIs } from "../../plan/backup/references";
import type { ClusterClient } from "../connect";
import { BackupError } from "./problem";

const workload = z.looseObject({
  spec: z.looseObject({
    replicas: z.number().nullish(),
    selector: z.looseObject({ matchLabels: z.record(z.string(), z.string()).nullish() }),
  }),
});
const pod = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    creationTimestamp: z.string().default(""),
    deletionTimestamp: z.string().nullish(),
  }),
  status: z.looseObject({
    conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).nullish(),
  }),
});

/**
 * The pod that a database's server runs in: the newest ready one.
 *
 * @throws BackupError when there is none.
 */
export async function serverPod(client: ClusterClient, target: DatabaseTarget): Promise<string> {
  if ("host" in target.at) throw new Error(`database ${target.name} is outside of the cluster`);
  const { kind, namespace, workload: name } = target.at;
  const live = await client.get({ apiVersion: "apps/v1", kind }, namespace, name, workload);
  const labels = Object.entries(live?.spec.selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const select = { labelSelector: labels.join(",") };
  const pods = labels.length > 0 ? await client.list({ apiVersion: "v1", kind: "Pod" }, namespace, pod, select) : [];
  const ready = pods
    .filter(({ metadata, status }) => !metadata.deletionTimestamp && (status.conditions ?? []).some(isReady))
    .sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1));
  const first = ready[0]?.metadata.name;
  if (first !== undefined) return first;
  const state =
    live === undefined ? "does not exist" : live.spec.replicas === 0 ? "is scaled to 0" : "has no ready pod";
  throw new BackupError(
    `database ${target.name} cannot be backed up: ${whereIs(target)} ${state}`,
    `bring it up (kubectl --context ${client.context} --namespace ${namespace} describe ${kind.toLowerCase()} ${name}), ` +
      "or do without a backup: pulumi config set --path backup.enabled false",
  );
}

function isReady({ type, status }: { type: string; status: string }): boolean {
  return type === "Ready" && status === "True";
}
