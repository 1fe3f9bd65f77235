import * as pulumi from "@pulumi/pulumi";
import { getVersion } from "@pulumi/command/utilities";

/**
 * Has the engine start the plugins that every upgrade needs while the plan is made. It starts a plugin when the first
 * resource asks for it, one after the other, and everything waits for the first resources of this program: two of the
 * seven seconds of a preview.
 *
 * The functions do not exist; to look for one, the engine starts the plugin as a resource of the same package and
 * version would. What is wrong with a plugin is told by that resource, with its name.
 */
export function startPlugins(): void {
  const packages = [
    ["pulumi-nodejs:index:start", {}],
    ["command:index:start", { version: getVersion() }],
  ] as const;
  for (const [name, options] of packages) pulumi.runtime.invoke(name, {}, options).catch(() => undefined);
}
