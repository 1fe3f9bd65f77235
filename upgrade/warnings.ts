import type { UpgradeConfig } from "../config/config";
import { setLine } from "../config/config-commands";
import { differentCrds } from "../crds/crds";
import { manualChange } from "../history/manual";
import { lostValues } from "../helm/installed-values";
import { releaseWarning } from "../helm/release";
import { mergeValues } from "../config/values";
import { valuesFindings } from "../review/breaking/values";
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
  for (const { name, first, other } of differentCrds(chart.crds)) {
    if (config.crdSources[name] !== undefined) continue;
    found.push(
      `CRD ${name} is in ${first} and, different, in ${other}; the one of ${first} is applied, as helm would. To choose: ` +
        setLine(["crdSources", name], other),
    );
  }
  // Values that the new chart does not read are told as such; to keep them would change nothing.
  const unread = new Set(
    installed
      ? valuesFindings({
          values: mergeValues(installed.latest.config, values),
          installedDefaults: installed.latest.defaults,
          chart: chart.contents,
        }).flatMap(({ path, problem }) => (problem === "dropped" || problem === "unknown" ? [path] : []))
      : [],
  );
  const isRead = (path: string) => ![...unread].some((one) => path === one || path.startsWith(`${one}.`));
  const lost = installed ? lostValues(installed.latest.config, values).filter(isRead) : [];
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
