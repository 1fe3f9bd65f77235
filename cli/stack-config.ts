import type { Stack } from "@pulumi/pulumi/automation";
import type { UpgradeConfig } from "../plan/config";
import { configOf } from "../plan/config-load";

/** The stack's configuration as it is now. @throws ConfigError */
export async function stackConfig(stack: Stack): Promise<UpgradeConfig> {
  const [project, all] = await Promise.all([stack.workspace.projectSettings(), stack.getAllConfig()]);
  const texts = Object.fromEntries(Object.entries(all).map(([key, { value }]) => [key, value]));
  const secrets = Object.entries(all).flatMap(([key, { secret }]) => (secret ? [key] : []));
  return configOf(project.name, texts, secrets).config;
}
