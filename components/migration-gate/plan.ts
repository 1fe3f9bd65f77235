import type { ClusterClient } from "../../kubernetes/connect";
import { explainRelease } from "../../diagnosis/diagnose";
import { jobEvidence, migrationLog, rollbackAdvice } from "./cluster/evidence";
import { checkGatePermissions } from "./cluster/permissions";
import type { MigrationGateArgs } from "./component";
import { isLocalChart, type LoadedChart } from "../../helm/chart";
import type { LoadedConfig } from "../../config/config-load";
import { declaredSecrets, Redactor, secretTexts } from "../../kubernetes/redact";
import type { GateSettings } from "./settings";
import { findMigrationTarget } from "./target";

/** What the gate waits for, and what an upgrade that fails in helm's own wait says of the migration. */
export interface PlannedGate {
  /** Undefined when `migrationGate.enabled` is false. */
  readonly gate?: Omit<MigrationGateArgs, "access" | "revision" | "passed">;
  readonly warnings: readonly string[];
  /** Why the chart's upgrade failed: workloads, migration log lines, how to go back. */
  readonly explain: () => Promise<string>;
}

/**
 * Decides what the gate waits for.
 *
 * @throws UserError when a check that the config asks for is not permitted.
 */
export async function planMigrationGate(
  client: ClusterClient,
  { config, secretPart }: LoadedConfig,
  chart: LoadedChart,
): Promise<PlannedGate> {
  const { release, namespace, migrationGate: options } = config;
  const target = findMigrationTarget(chart.objects, chart.hooks, {
    release,
    namespace,
    deployment: options.deployment,
  });
  const { declared, inChart } = declaredSecrets(secretPart, chart.contents.defaults);
  const inSecrets = secretTexts(chart.rendered);
  const redactor = new Redactor([...declared, ...inSecrets], inChart);
  const rollback: GateSettings["rollback"] = {
    release,
    namespace,
    context: config.context,
    chart: config.chart,
    chartIsLocal: isLocalChart(config),
    chartName: chart.name,
    version: chart.version,
    versionIsSet: config.version !== undefined,
  };
  const explain = async () => {
    const mask = (text: string) => redactor.text(text);
    const [workloads, jobs, back] = await Promise.all([
      explainRelease(client, namespace, chart.objects, { linesOf: migrationLog(target, mask) }),
      jobEvidence(client, { ...target, jobs: target.jobs.filter(({ hook }) => hook) }, mask),
      rollbackAdvice(client, rollback),
    ]);
    return [mask(workloads), ...(jobs ? [jobs] : []), ...back].join("\n");
  };
  if (!options.enabled) return { warnings: [], explain };

  const { deployment, missing = "" } = target;
  if (!deployment) {
    const warning =
      `no auth service to wait for before MAS workloads are restarted: ${missing}. ` +
      "Name it: pulumi config set --path migrationGate.deployment <name>; or do without: pulumi config set --path migrationGate.enabled false";
    return { gate: { missing, digest: chart.digest }, warnings: [warning], explain };
  }
  const probe = options.httpPath === undefined ? undefined : { path: options.httpPath, port: options.port };
  const { expectedRevision: expected } = options;
  const settings: GateSettings = {
    deployment,
    jobs: [...target.jobs],
    ...(target.database ? { database: target.database } : {}),
    checkLogs: options.checkLogs,
    ...(probe ? { probe } : {}),
    ...(expected ? { expected } : {}),
    timeoutSeconds: config.timeouts.migration,
    rollback,
    known: [...new Set(inSecrets.filter((text) => inChart.has(text)))].sort(),
  };
  const warnings = await checkGatePermissions(client, settings);
  return { gate: { settings, secrets: [...new Set(declared)].sort(), digest: chart.digest }, warnings, explain };
}
