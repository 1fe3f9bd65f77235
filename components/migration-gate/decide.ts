import type { LoadedConfig } from "../../config/config-load";
import type { LoadedChart } from "../../helm/chart";
import { isLocalChart } from "../../helm/chart-source";
import { declaredSecrets, secretTexts } from "../../kubernetes/redact";
import type { MigrationGateArgs } from "./component";
import type { GateSettings } from "./settings";
import { findMigrationTarget, type MigrationTarget } from "./target";

/** What the gate waits for, and what the error of a failed upgrade is made from. */
export interface GateDecision {
  /** Undefined when `migrationGate.enabled` is false. */
  readonly gate?: Omit<MigrationGateArgs, "access" | "revision" | "passed" | "backups">;
  readonly warnings: readonly string[];
  readonly target: MigrationTarget;
  /** For the lines that say how to go back. */
  readonly rollback: GateSettings["rollback"];
  /** Texts that no error may show. */
  readonly hidden: readonly string[];
  /** Of those, what everybody can read in the chart. */
  readonly known: ReadonlySet<string>;
}

/** Decides what the gate waits for. */
export function decideMigrationGate(
  { config, secretPart }: Pick<LoadedConfig, "config" | "secretPart">,
  chart: LoadedChart,
): GateDecision {
  const { release, namespace, migrationGate: options } = config;
  const target = findMigrationTarget(chart.objects, chart.hooks, {
    release,
    namespace,
    deployment: options.deployment,
  });
  const { declared, inChart } = declaredSecrets(secretPart, chart.contents.defaults);
  const inSecrets = secretTexts(chart.rendered);
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
  const common = { target, rollback, hidden: [...declared, ...inSecrets], known: inChart };
  if (!options.enabled) return { ...common, warnings: [] };

  const { deployment, missing = "" } = target;
  if (!deployment) {
    const warning =
      `no auth service to wait for before MAS workloads are restarted: ${missing}. ` +
      "Name it: pulumi config set --path migrationGate.deployment <name>; or do without: pulumi config set --path migrationGate.enabled false";
    return { ...common, gate: { missing, digest: chart.digest }, warnings: [warning] };
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
  const acceptsLoss = options.compareData ? {} : { acceptsLoss: true };
  const gate = { settings, secrets: [...new Set(declared)].sort(), digest: chart.digest, ...acceptsLoss };
  return { ...common, gate, warnings: [] };
}
