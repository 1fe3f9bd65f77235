import { createRequire } from "node:module";

/** Set to anything to have the SDK's debug messages again, for `pulumi --debug`. */
export const DEBUG_VARIABLE = "CASA_UPGRADE_SDK_DEBUG";

/**
 * Leaves the Pulumi SDK's debug messages out. Whether somebody reads them or not, it sends half a dozen for each
 * resource, one after the other, each waiting for the engine's answer: with 1,000 workloads a third of the program's
 * processor time and a fifth of the engine's. Messages of ours, warnings and errors are not touched.
 *
 * Import it before anything registers a resource.
 */
if (process.env[DEBUG_VARIABLE] === undefined) {
  // An `import` would give a copy of the module's functions; the SDK looks this one up at each call.
  const log = createRequire(__filename)("@pulumi/pulumi/log") as { debug: () => Promise<void> };
  log.debug = () => Promise.resolve();
}
