import { isMeant, refText } from "../components/workload-restarts/restarts";
import type { UpgradeConfig } from "../config/config";
import { crdNames } from "../crds/crds";
import type { Snapshot } from "./snapshot";

/**
 * Names in the config that nothing has: mistyped, or of another chart version. Without a word the thing that was meant
 * would be treated as if it had not been named.
 */
export function unmatchedNames({ restarts, crdSources }: UpgradeConfig, snapshot: Snapshot): string[] {
  const { chart, migrationEntries } = snapshot;
  const called = `${chart.name} ${chart.version}`;
  const crds = new Set(crdNames([...chart.crds.map(({ object }) => object), ...chart.rendered]));
  const sources = new Set(chart.crds.map(({ source, object }) => `${object.metadata.name ?? ""} ${source}`));
  return [
    ...(restarts.enabled ? namesOfRestarts(restarts, snapshot, called) : []),
    ...Object.entries(crdSources)
      .filter(([name, source]) => !sources.has(`${name} ${source}`))
      .map(([name, source]) => `crdSources takes CRD ${name} from ${source}, where ${called} does not have it`),
    ...[...new Set(migrationEntries.map(({ crd }) => crd))]
      .filter((crd) => !crds.has(crd))
      .map(
        (crd) =>
          `the file of customResourceMigrations names CRD ${crd}, which ${called} has neither in crds/ nor among its ` +
          "templates with these values; nothing is done to its objects",
      ),
  ];
}

function namesOfRestarts(
  { exclude, inputs, sidecarDeployment }: UpgradeConfig["restarts"],
  { chart, workloads, otherWorkloads }: Snapshot,
  called: string,
): string[] {
  const objects = new Set(chart.fixed.objects.map(({ kind, metadata }) => `${kind}/${metadata.name ?? ""}`));
  const nothing = "no change of it restarts anything";
  return [
    ...exclude
      .filter((ref) => !workloads.some((one) => isMeant(ref, one)))
      .filter(({ namespace, name }) => !otherWorkloads.some((one) => one.namespace === namespace && one.name === name))
      .map(
        (ref) =>
          `restarts.exclude names ${refText(ref)}, which is no workload in a namespace of the workloads to restart; ` +
          "it keeps nothing from being restarted",
      ),
    ...inputs
      .filter((input) => !objects.has(input))
      .map((input) => `restarts.inputs names ${input}, which ${called} does not have; ${nothing}`),
    ...(sidecarDeployment !== undefined && !objects.has(`Deployment/${sidecarDeployment}`)
      ? [`restarts.sidecarDeployment names ${sidecarDeployment}, which ${called} does not have; ${nothing}`]
      : []),
  ];
}
