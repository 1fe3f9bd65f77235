import { explainRelease } from "../../../diagnosis/diagnose";
import type { LoadedChart } from "../../../helm/chart";
import type { ClusterClient } from "../../../kubernetes/connect";
import { Redactor } from "../../../kubernetes/redact";
import type { GateDecision } from "../decide";
import { jobEvidence, migrationLog, rollbackAdvice } from "./evidence";

/** Why the chart's upgrade failed in helm's own wait: the workloads that lag, migration log lines, how to go back. */
export async function explainUpgradeFailure(
  client: ClusterClient,
  chart: Pick<LoadedChart, "objects">,
  { target, rollback, hidden, known }: GateDecision,
): Promise<string> {
  const redactor = new Redactor(hidden, known);
  const mask = (text: string) => redactor.text(text);
  const [workloads, jobs, back] = await Promise.all([
    explainRelease(client, rollback.namespace, chart.objects, { linesOf: migrationLog(target, mask) }),
    jobEvidence(client, { ...target, jobs: target.jobs.filter(({ hook }) => hook) }, mask),
    rollbackAdvice(client, rollback),
  ]);
  return [mask(workloads), ...(jobs ? [jobs] : []), ...back].join("\n");
}
