import type { UpgradeConfig } from "../config/config";
import { manualChange } from "../history/manual";
import { lostValues } from "../helm/installed-values";
import { releaseWarning } from "../helm/release";
import type { Snapshot } from "./snapshot";

/** What a reviewer should know of the release and the chart although it stops nothing. */
export function upgradeWarnings(
  config: UpgradeConfig,
  values: Record<string, unknown>,
  { chart, installed }: Pick<Snapshot, "chart" | "installed">,
  droppedCrds: readonly string[],
): string[] {
  const manual = installed && manualChange(config.release, installed.revisions);
  const found: string[] = manual === undefined ? [] : [manual];
  for (const name of droppedCrds) {
    found.push(
      `CRD ${name} is no longer shipped by ${chart.name} ${chart.version}. It stays on the cluster with all its ` +
        `objects; delete it by hand once nothing uses it: kubectl delete crd ${name}`,
    );
  }
  const lost = installed ? lostValues(installed.latest.config, values) : [];
  if (lost.length > 0) {
    found.push(
      `release ${config.release} was installed with values that the config does not have; they go back to the chart's ` +
        `defaults: ${lost.join(", ")}. To keep them: helm get values ${config.release} --namespace ` +
        `${config.namespace} --output yaml > values.yaml && pulumi config set --path 'valueFiles[0]' values.yaml`,
    );
  }
  const failed = installed && releaseWarning(installed, config.context);
  if (failed) found.push(failed);
  if (chart.deprecated) found.push(`chart ${chart.name} ${chart.version} is marked deprecated`);
  for (const { source, object } of chart.strayCrdFiles) {
    found.push(`${source} holds ${object.kind} ${object.metadata.name ?? ""}, no CRD; an upgrade does not apply it`);
  }
  return found;
}
