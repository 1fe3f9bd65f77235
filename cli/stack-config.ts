import * as fs from "node:fs";
import * as path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import type { ClusterClient, ClusterWriter } from "../kubernetes/connect";
import type { UpgradeConfig } from "../config/config";
import { configOf, type LoadedConfig, prepareConfig } from "../config/config-load";
import { answered } from "./engine";
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
  return configOf(...(await textsOf(stack))).config;
}

/** The same with the values that helm gets. @throws UserError */
export async function loadedConfig(stack: Stack): Promise<LoadedConfig> {
  return prepareConfig(...(await textsOf(stack)));
}

/** The folder that the engine runs the program in, which relative paths of the config start from. */
export async function programFolder(stack: Stack): Promise<string> {
  const { main = "." } = await stack.workspace.projectSettings();
  const program = path.resolve(stack.workspace.workDir, main);
  return fs.statSync(program).isDirectory() ? program : path.dirname(program);
}

async function textsOf(stack: Stack): Promise<Parameters<typeof configOf>> {
  const [project, all] = await Promise.all([stack.workspace.projectSettings(), answered(stack.getAllConfig())]);
  const texts = Object.fromEntries(Object.entries(all).map(([key, { value }]) => [key, value]));
  const secrets = Object.entries(all).flatMap(([key, { secret }]) => (secret ? [key] : []));
  return [project.name, texts, secrets];
}
