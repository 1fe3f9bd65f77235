import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { parseConfig, type UpgradeConfig } from "./config";
import { schemaAt } from "./config-schema";
import { isMap } from "../kubernetes/objects";
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

/** A stack's configuration as it was given: values by key, without the project's name. */
export interface RawConfig {
  readonly raw: Readonly<Record<string, unknown>>;
  /** Keys whose value is stored encrypted, in part or as a whole. */
  readonly secretKeys: readonly string[];
}

/**
 * Reads the configuration of this project's stack.
 *
 * @throws UserError listing every problem.
 */
export function stackConfig(): RawConfig {
  const secretKeys = parseSecretKeys(process.env["PULUMI_CONFIG_SECRET_KEYS"]);
  const given = rawConfig(pulumi.getProject(), pulumi.runtime.allConfig(), secretKeys);
  parseConfig(given.raw, given.secretKeys);
  return given;
}

/**
 * Checks a whole configuration and reads its value files.
 *
 * @param project the prefix of its keys.
 * @param all full keys (`project:key`) to the text the engine hands over.
 * @param secrets the full keys that are stored encrypted.
 * @throws UserError listing every problem.
 */
export function prepareConfig(project: string, all: Record<string, string>, secrets: readonly string[]): LoadedConfig {
  const { raw, secretKeys } = rawConfig(project, all, secrets);
  // The engine says which top-level keys hold a secret, not where in them it is: all of `values` is hidden then.
  return prepare(raw, secretKeys, secretKeys.includes("values") && isMap(raw["values"]) ? raw["values"] : {});
}

/**
 * Checks what was given and reads the value files.
 *
 * @param secretKeys keys with something secret in their value.
 * @param secretValues the part of `values` that is secret.
 * @throws UserError listing every problem.
 */
export function prepare(raw: RawConfig["raw"], secretKeys: readonly string[], secretValues: Values): LoadedConfig {
  const config = parseConfig(raw, secretKeys);
  const values = mergeValues(...readValueFiles(config.valueFiles), config.values, config.secretValues);
  const hidden = mergeValues(secretValues, config.secretValues);
  const programValues = markSecretLeaves(values, hidden, (value) => pulumi.secret(value));
  return { config, values, secretPart: hidden, programValues, hasNullValues: hasNulls(values) };
}

/** The configuration alone, without the value files. @throws UserError listing every problem. */
export function configOf(project: string, all: Record<string, string>, secrets: readonly string[]) {
  const { raw, secretKeys } = rawConfig(project, all, secrets);
  return { config: parseConfig(raw, secretKeys), secretKeys };
}

function rawConfig(project: string, all: Record<string, string>, secrets: readonly string[]): RawConfig {
  const ownKey = (full: string) => (full.startsWith(`${project}:`) ? [full.slice(project.length + 1)] : []);
  const raw = Object.fromEntries(
    Object.entries(all).flatMap(([full, text]) => ownKey(full).map((key) => [key, fromText(key, text)] as const)),
  );
  return { raw, secretKeys: secrets.flatMap(ownKey) };
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
