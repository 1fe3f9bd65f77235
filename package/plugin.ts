import "../shared/stack-traces";
import "../shared/sdk-debug";
import * as pulumi from "@pulumi/pulumi";
import type { CasaUpgradeArgs } from "../config/upgrade-args";
import type { CasaUpgrade } from "../upgrade/casa-upgrade";
import schema from "./schema.json";

const TYPE = "casa-upgrade:index:CasaUpgrade";

/**
 * Serves the package as a Pulumi plugin: what runs for programs in other languages than TypeScript.
 *
 * The SDK's own host for components would read the schema out of TypeScript sources at every start, for which it loads
 * a compiler, and knows no value with a choice of types. Ours is generated beforehand.
 *
 * @param Component the component; its bundle is the one that TypeScript programs load.
 */
export async function serve(Component: typeof CasaUpgrade): Promise<void> {
  const plugin: pulumi.provider.Provider = {
    version: schema.version,
    schema: JSON.stringify(schema),
    construct: (name, type, inputs, options) => {
      if (type !== TYPE) throw new Error(`this package has no ${type}, only ${TYPE}`);
      // What the engine passes on was never checked; the component does that, as with every program.
      const upgrade = new Component(name, inputs as unknown as CasaUpgradeArgs, options);
      const { cluster, versions, backups, customResourcesMigrated, crdsApplied, crdsRetained, migration } = upgrade;
      const { workloadsRestarted, workloadsSkipped, urn } = upgrade;
      const results = { cluster, versions, backups, customResourcesMigrated, crdsApplied, crdsRetained, migration };
      return Promise.resolve({ urn, state: { ...results, workloadsRestarted, workloadsSkipped } });
    },
  };
  await pulumi.provider.main(plugin, process.argv.slice(2));
  // What a user can repair is the answer to the engine's call. The SDK would tell it again for each output that
  // waited for the plan, with a stack trace.
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (reason, promise) => {
    if (!pulumi.RunError.isInstance(reason)) for (const listener of others) listener(reason, promise);
  });
}
