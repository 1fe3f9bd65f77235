import { UserError } from "../../../shared/user-error";
import type { DatabaseTarget } from "../references";
import { whereIs } from "../references";
import { dig } from "../../../kubernetes/objects";
import type { ClusterClient } from "../../../kubernetes/connect";
import { workloadWithReadyPods } from "../../../kubernetes/workload-pods";

/**
 * A target for each ready pod of a workload that is to have several. What its pods are to each other, servers of their
 * own or a primary with its standbys, only they can tell.
 *
 * @returns also what cannot be asked, in words.
 */
export async function targetsByPod(
  client: ClusterClient,
  targets: readonly DatabaseTarget[],
): Promise<{ targets: DatabaseTarget[]; warnings: string[] }> {
  const all = await Promise.all(
    targets.map(async (target): Promise<{ targets: DatabaseTarget[]; warnings: string[] }> => {
      const { at } = target;
      if ("host" in at || at.pod !== undefined) return { targets: [target], warnings: [] };
      const { kind, namespace, workload: name } = at;
      const { live, pods } = await workloadWithReadyPods(client, { kind, namespace, name });
      const wanted = Number(dig(live, "spec", "replicas") ?? 1);
      if (wanted < 2 || pods.length === 0) return { targets: [target], warnings: [] };
      const names = pods.map(({ metadata }) => metadata.name).sort(naturally);
      const missing = wanted - names.length;
      return {
        targets: names.map((pod) => ({ ...target, at: { ...at, pod } })),
        warnings:
          missing > 0
            ? [`${missing} of ${wanted} pods of ${whereIs(target)} not ready: what only they hold is not backed up`]
            : [],
      };
    }),
  );
  return { targets: all.flatMap((one) => one.targets), warnings: all.flatMap((one) => one.warnings) };
}

/** `db-2` before `db-10`. */
const { compare: naturally } = new Intl.Collator("en", { numeric: true });

/**
 * The pod that a database's server runs in: the one of the target, else the newest ready one.
 *
 * @throws UserError when there is none.
 */
export async function serverPod(client: ClusterClient, target: DatabaseTarget): Promise<string> {
  if ("host" in target.at) throw new Error(`database ${target.name} is outside of the cluster`);
  const { kind, namespace, workload: name, pod } = target.at;
  const { live, pods } = await workloadWithReadyPods(client, { kind, namespace, name });
  const found = pods.find(({ metadata }) => pod === undefined || metadata.name === pod)?.metadata.name;
  if (found !== undefined) return found;
  const notReady = pod === undefined ? "has no ready pod" : "is not ready";
  const state =
    live === undefined ? "does not exist" : dig(live, "spec", "replicas") === 0 ? "is scaled to 0" : notReady;
  throw new UserError(
    "backup",
    `database ${target.name} cannot be backed up: ${whereIs(target)} ${state}`,
    `bring it up (kubectl --context ${client.context} --namespace ${namespace} describe ${kind.toLowerCase()} ${name}), ` +
      "or do without a backup: pulumi config set --path backup.enabled false",
  );
}
