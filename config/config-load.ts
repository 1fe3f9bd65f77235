import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { parseConfig, type UpgradeConfig } from "./config";
import { schemaAt } from "./config-schema";
import { hasNulls, markSecretLeaves, mergeValues, readValueFiles, type Values } from "./values";

/** The configuration of the stack, ready for the plan. */
export interface LoadedConfig {
  readonly config: UpgradeConfig;
  /** All values in clear, for rendering; never to be logged or handed to a resource. */
  readonly values: Values;
  /** The part of the values that is secret. */
  readonly secretPart: Values;
  /** The same values for resources: secret leaves are secret outputs. */
  readonly programValues: Record<string, unknown>;
  /** Whether a value is null anywhere, by which a chart's default is removed. */
  readonly hasNullValues: boolean;
}

/**
 * Reads the whole configuration of this project's stack.
 *
 * @throws UserError listing every problem.
 */
export function loadConfig(): LoadedConfig {
  const secretKeys = parseSecretKeys(process.env["PULUMI_CONFIG_SECRET_KEYS"]);
  return prepareConfig(pulumi.getProject(), pulumi.runtime.allConfig(), secretKeys);
}

/**
 * {@link loadConfig} on given input: full keys (`project:key`) to the text the engine hands over, and the full keys
 * that are stored encrypted.
 *
 * @throws UserError listing every problem.
 */
export function prepareConfig(project: string, all: Record<string, string>, secrets: readonly string[]): LoadedConfig {
  const { config, secretKeys } = configOf(project, all, secrets);
  const values = mergeValues(...readValueFiles(config.valueFiles), config.values, config.secretValues);
  // The engine says which top-level keys hold a secret, not where in them it is: all of `values` is hidden then.
  const hidden = mergeValues(secretKeys.includes("values") ? config.values : {}, config.secretValues);
  const programValues = markSecretLeaves(values, hidden, (value) => pulumi.secret(value));
  return { config, values, secretPart: hidden, programValues, hasNullValues: hasNulls(values) };
}

/** The configuration alone, without the value files. @throws UserError listing every problem. */
export function configOf(project: string, all: Record<string, string>, secrets: readonly string[]) {
  const ownKey = (full: string) => (full.startsWith(`${project}:`) ? [full.slice(project.length + 1)] : []);
  const raw = Object.fromEntries(
    Object.entries(all).flatMap(([full, text]) => ownKey(full).map((key) => [key, fromText(key, text)] as const)),
  );
  const secretKeys = secrets.flatMap(ownKey);
  return { config: parseConfig(raw, secretKeys), secretKeys };
}

/** Keys stored encrypted, as the language host puts them into the environment; the SDK has no public way to ask. */
function parseSecretKeys(text = "[]"): string[] {
  return z.array(z.string()).parse(JSON.parse(text));
}

/**
 * The engine hands every value over as text: maps and lists as JSON, numbers and booleans as they are written. Text
 * stays text where the schema wants text, even when it looks like a number.
 */
function fromText(key: string, text: string): unknown {
  if (schemaAt([key])?.type === "string") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
