import { ALL_WELL, explainRelease } from "../../../diagnosis/diagnose";
import type { HookWatch } from "../../../diagnosis/hook-watch";
import type { LoadedChart } from "../../../helm/chart";
import type { ClusterClient } from "../../../kubernetes/connect";
import { Redactor } from "../../../kubernetes/redact";
import type { GateDecision } from "../decide";
import { migrationLines } from "../log-lines";
import { databaseOf } from "./check";
import { migrationLog, rollbackAdvice } from "./evidence";
import { readLockWaits } from "./revision";

/**
 * Why the chart's upgrade failed: the hooks that did not end well, the workloads that lag, migration log lines, how to
 * go back.
 *
 * @param hooks what was seen of helm's hooks; undefined: none was watched.
 */
export async function explainUpgradeFailure(
  client: ClusterClient,
  chart: Pick<LoadedChart, "objects">,
  { target, rollback, hidden, known }: GateDecision,
  hooks: HookWatch | undefined,
): Promise<string> {
  const redactor = new Redactor(hidden, known);
  const mask = (text: string) => redactor.text(text);
  const access = { context: client.context, ...(client.kubeconfigPath ? { kubeconfig: client.kubeconfigPath } : {}) };
  const [failed, workloads, waits, back] = await Promise.all([
    hooks?.explain((log) => migrationLines(mask(log))) ?? "",
    explainRelease(client, rollback.namespace, chart.objects, { linesOf: migrationLog(target, mask) }),
    databaseOf(client, { database: target.database, rollback }).then((database) =>
      readLockWaits(client, access, database),
    ),
    rollbackAdvice(client, rollback),
  ]);
  const parts = [failed, failed && workloads === ALL_WELL ? "" : workloads, ...waits].filter((part) => part !== "");
  return [...parts.map(mask), ...back].join("\n");
}
