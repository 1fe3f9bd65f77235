import * as pulumi from "@pulumi/pulumi";
import { getVersion } from "@pulumi/command/utilities";

/**
 * Has the engine start a plugin that every upgrade needs while the plan is made. It starts a plugin when the first
 * resource asks for it, one after the other, and everything waits for the first resources of this program: a quarter
 * of a preview.
 *
 * The function does not exist; to look for one, the engine starts the plugin as a resource of the same package and
 * version would. What is wrong with a plugin is told by that resource, with its name.
 */
function start(name: string, options: pulumi.InvokeOptions = {}): void {
  pulumi.runtime.invoke(name, {}, options).catch(() => undefined);
}

/** The plugin of what runs beside helm. */
export function startCommandPlugin(): void {
  start("command:index:start", { version: getVersion() });
}

/**
 * The plugin of the review, which is slow: whatever else is asked of the engine waits until it has started, also a
 * question for the state.
 */
export function startReviewPlugin(): void {
  start("pulumi-nodejs:index:start");
}
