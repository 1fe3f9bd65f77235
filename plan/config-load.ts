import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { type UpgradeConfig, ConfigError, parseConfig } from "./config";
import { hasNulls, markSecrets, mergeValues, readValueFiles, type Values } from "./values";

/** The configuration of the stack, ready for the plan. */
export interface LoadedConfig {
  readonly config: UpgradeConfig;
  /** All values in clear, for rendering; never to be logged or handed to a resource. */
  readonly values: Values;
  /** The same values for resources: secret leaves are secret outputs. */
  readonly programValues: Record<string, unknown>;
  readonly hasNullValues: boolean;
}

/**
 * Reads the whole configuration of this project's stack.
 *
 * @throws pulumi.RunError, which the engine shows without a stack trace, listing every problem.
 */
export function loadConfig(): LoadedConfig {
  try {
    const { raw, secretKeys } = rawConfig(pulumi.getProject(), pulumi.runtime.allConfig());
    const config = parseConfig(raw, secretKeys);
    const files = readValueFiles(config.valueFiles);
    const values = mergeValues(...files, config.values, config.secretValues);
    const hidden = mergeValues(secretKeys.includes("values") ? config.values : {}, config.secretValues);
    const marked = markSecrets(values, hidden, (value) => pulumi.secret(value));
    return { config, values, programValues: marked as Record<string, unknown>, hasNullValues: hasNulls(values) };
  } catch (error) {
    if (error instanceof ConfigError) throw new pulumi.RunError(error.message);
    throw error;
  }
}

/**
 * The project's own keys, without its name. The engine hands every value over as text, maps and lists as JSON; text that is
 * no JSON is what it is.
 */
export function rawConfig(project: string, all: Record<string, string>) {
  const own = Object.entries(all).filter(([key]) => key.startsWith(`${project}:`));
  const raw = Object.fromEntries(own.map(([key, text]) => [key.slice(project.length + 1), fromText(key, text)]));
  const secretKeys = secretConfigKeys().flatMap((key) =>
    key.startsWith(`${project}:`) ? key.slice(project.length + 1) : [],
  );
  return { raw, secretKeys };
}

/** Keys that were set with `--secret`: the language host says so in the environment; the SDK has no public way to ask. */
function secretConfigKeys(): string[] {
  const keys = z.array(z.string()).safeParse(JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "[]"));
  return keys.data ?? [];
}

/** Keys whose value is text even when it looks like something else, e.g. version `1`. */
const TEXT_KEYS = ["context", "kubeconfig", "clusterId", "chart", "repository", "version", "release", "namespace", "mode", "webhook"];

function fromText(key: string, text: string): unknown {
  if (TEXT_KEYS.some((name) => key.endsWith(`:${name}`))) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
