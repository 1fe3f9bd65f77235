import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { ConfigError } from "./config";

export type Values = Record<string, unknown>;

/**
 * Reads the value files, in order.
 *
 * @throws ConfigError naming key, file and line when one is missing or no YAML map.
 */
export function readValueFiles(files: readonly string[]): Values[] {
  return files.map((file, i) => readValueFile(file, `valueFiles[${i}]`));
}

function readValueFile(file: string, key: string): Values {
  const fix = `Fix: pulumi config set --path '${key}' <a YAML file, relative to ${process.cwd()}>`;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error && "code" in error && error.code === "ENOENT" ? "does not exist" : String(error);
    throw new ConfigError(`${key}: "${file}" ${why}.\n    ${fix}`);
  }
  const doc = parseDocument(text, { version: "1.1" });
  const error = doc.errors[0];
  if (error) throw new ConfigError(`${key}: "${file}" is not valid YAML: ${error.message.split("\n")[0]}.\n    ${fix}`);
  const value: unknown = doc.toJS() ?? {};
  if (!isMap(value)) throw new ConfigError(`${key}: "${file}" holds no map of values.\n    ${fix}`);
  return value;
}

/** Merges as helm does: maps merge, lists and scalars are replaced, a null is kept (helm then removes the default). */
export function mergeValues(...layers: Values[]): Values {
  return layers.reduce((base, over) => {
    const merged = { ...base };
    for (const [key, value] of Object.entries(over)) {
      const old = merged[key];
      merged[key] = isMap(old) && isMap(value) ? mergeValues(old, value) : value;
    }
    return merged;
  }, {});
}

/**
 * The same tree with `mark` applied to exactly the leaves that the secret part brings, so that a preview hides those and
 * shows the rest.
 */
export function markSecrets(merged: unknown, secretPart: unknown, mark: (value: unknown) => unknown): unknown {
  if (secretPart === undefined) return merged;
  if (!isMap(merged) || !isMap(secretPart)) return mark(merged);
  return Object.fromEntries(
    Object.entries(merged).map(([key, value]) => [
      key,
      key in secretPart ? markSecrets(value, secretPart[key], mark) : value,
    ]),
  );
}

/** True when a null is anywhere in the values; helm reads it as "remove the chart's default". */
export function hasNulls(value: unknown): boolean {
  if (value === null) return true;
  return typeof value === "object" && Object.values(value as object).some(hasNulls);
}

function isMap(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
