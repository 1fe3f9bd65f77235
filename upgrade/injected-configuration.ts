import type { ConfigurationRef } from "../components/workload-restarts/cluster/new-since";
import { stampObjects, type StampRules } from "../components/workload-restarts/stamp";
import { sidecarDeploymentOf, type UpgradeConfig } from "../config/config";
import type { LoadedChart } from "../helm/chart";

/** Which objects of the release the injected configuration comes from. */
export function stampRulesOf(config: UpgradeConfig): StampRules {
  return {
    namespace: config.namespace,
    sidecarDeployment: sidecarDeploymentOf(config),
    inputs: config.restarts.inputs,
  };
}

/** What the injected configuration comes from. */
export function configurationOf(config: UpgradeConfig, chart: LoadedChart): ConfigurationRef[] {
  return stampObjects(chart.rendered, stampRulesOf(config)).map(({ apiVersion, kind, metadata }) => ({
    ...{ apiVersion, kind, namespace: metadata.namespace ?? config.namespace, name: metadata.name ?? "" },
  }));
}
