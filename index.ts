import "./shared/stack-traces";
import "./shared/sdk-debug";
import { configArguments } from "./config/arguments";
import { showUserErrors } from "./config/show-errors";
import { CasaUpgrade } from "./upgrade/casa-upgrade";

/**
 * The upgrade of a CASA runtime, for `pulumi preview` and `pulumi up` alike: config -> pre-flight and plan -> verified
 * backup -> custom resources -> CRDs -> chart release -> migration gate -> MAS restarts.
 */
export = async () => {
  // A wrong key or value stops here, with the line that fixes it.
  const args = await showUserErrors(configArguments);

  // Reads chart and cluster, refuses what cannot work, and declares the steps, each waiting for the one before.
  const upgrade = new CasaUpgrade("casa", args);

  return {
    cluster: upgrade.cluster,
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
