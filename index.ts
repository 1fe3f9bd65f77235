import "./shared/stack-traces";
import "./shared/sdk-debug";
import * as pulumi from "@pulumi/pulumi";
import { CasaUpgrade } from "./upgrade/casa-upgrade";
import { loadConfig } from "./config/config-load";
import { showUserErrors } from "./config/show-errors";
import { planUpgrade, previewLines } from "./upgrade/plan";
import { startPlugins } from "./upgrade/start-plugins";

/**
 * The upgrade of a CASA runtime, for `pulumi preview` and `pulumi up` alike: config -> pre-flight and plan -> verified
 * backup -> custom resources -> CRDs -> chart release -> migration gate -> MAS restarts.
 */
export = async () => {
  // A wrong key or value stops here, with the line that fixes it.
  const loaded = await showUserErrors(loadConfig);
  startPlugins();

  // Reads chart and cluster and changes nothing. What cannot work is refused now, in the preview too.
  const plan = await planUpgrade(loaded);
  for (const warning of plan.warnings) await pulumi.log.warn(warning);

  // Before anything changes, a verified backup. Custom resources get their next form, then CRDs, the chart next, its
  // migration seen to end well, the MAS workloads gently last; each step waits for the one before.
  const upgrade = new CasaUpgrade("casa", { plan });
  // A reviewer reads the essence at the end of the preview; `casa-upgrade plan` writes the whole review.
  if (pulumi.runtime.isDryRun()) {
    for (const line of previewLines(plan)) await pulumi.log.info(line, upgrade);
  }

  return {
    cluster: plan.cluster,
    versions: upgrade.versions,
    backups: upgrade.backups,
    customResourcesMigrated: upgrade.customResourcesMigrated,
    crdsApplied: upgrade.crdsApplied,
    crdsRetained: upgrade.crdsRetained,
    migration: upgrade.migration,
    workloadsRestarted: upgrade.workloadsRestarted,
    workloadsSkipped: upgrade.workloadsSkipped,
  };
};
