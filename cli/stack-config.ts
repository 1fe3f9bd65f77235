import type { Stack } from "@pulumi/pulumi/automation";
import type { ClusterClient, ClusterWriter } from "../kubernetes/connect";
import type { UpgradeConfig } from "../config/config";
import { configOf } from "../config/config-load";
import { connectForWritingTo, connectTo } from "../upgrade/preflight";

/** The stack's configuration as it is now, and its cluster. */
export interface ConnectedStack<Client extends ClusterClient = ClusterClient> {
  config: UpgradeConfig;
  client: Client;
}

/** @throws UserError */
export async function connectStack(stack: Stack): Promise<ConnectedStack> {
  const config = await stackConfig(stack);
  return { config, client: await connectTo(config) };
}

/** The same for a command that changes the cluster. */
export async function connectStackForWriting(stack: Stack): Promise<ConnectedStack<ClusterWriter>> {
  const config = await stackConfig(stack);
  return { config, client: await connectForWritingTo(config) };
}

async function stackConfig(stack: Stack): Promise<UpgradeConfig> {
  const [project, all] = await Promise.all([stack.workspace.projectSettings(), stack.getAllConfig()]);
  const texts = Object.fromEntries(Object.entries(all).map(([key, { value }]) => [key, value]));
  const secrets = Object.entries(all).flatMap(([key, { secret }]) => (secret ? [key] : []));
  return configOf(project.name, texts, secrets).config;
}
