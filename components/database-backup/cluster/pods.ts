import { UserError } from "../../../shared/user-error";
import type { DatabaseTarget } from "../references";
import { whereIs } from "../references";
import { dig } from "../../../kubernetes/objects";
import type { ClusterClient } from "../../../kubernetes/connect";
import { workloadWithReadyPods } from "../../../kubernetes/workload-pods";

/**
 * The pod that a database's server runs in: the newest ready one.
 *
 * @throws UserError when there is none.
 */
export async function serverPod(client: ClusterClient, target: DatabaseTarget): Promise<string> {
  if ("host" in target.at) throw new Error(`database ${target.name} is outside of the cluster`);
  const { kind, namespace, workload: name } = target.at;
  const { live, pods } = await workloadWithReadyPods(client, { kind, namespace, name });
  const first = pods[0]?.metadata.name;
  if (first !== undefined) return first;
  const state =
    live === undefined ? "does not exist" : dig(live, "spec", "replicas") === 0 ? "is scaled to 0" : "has no ready pod";
  throw new UserError(
    "backup",
    `database ${target.name} cannot be backed up: ${whereIs(target)} ${state}`,
    `bring it up (kubectl --context ${client.context} --namespace ${namespace} describe ${kind.toLowerCase()} ${name}), ` +
      "or do without a backup: pulumi config set --path backup.enabled false",
  );
}
