import { readFileSync } from "node:fs";
import { configError } from "./config";
import { setLine } from "./config-commands";
import { problem } from "./config-problems";
import { isMap } from "../kubernetes/objects";
import { NoYaml, readFirstDocument } from "../kubernetes/read-yaml";

export type Values = Record<string, unknown>;

/**
 * Reads the value files in their order; paths are relative to the current directory, which is the project's.
 *
 * @throws UserError listing every file that is missing or holds no YAML map, with key, path and line.
 */
export function readValueFiles(files: readonly string[]): Values[] {
  const read = files.map(readValueFile);
  const problems = read.flatMap((file, i) => (typeof file === "string" ? [fileProblem(files[i] ?? "", i, file)] : []));
  if (problems.length > 0) throw configError(problems);
  return read.filter((file) => typeof file !== "string");
}

function fileProblem(file: string, index: number, what: string): string {
  const path = ["valueFiles", index];
  return problem(
    path,
    `is "${file}"; ${what}; allowed: a YAML file with a map of values, relative to ${process.cwd()}`,
    `repair the file, or: ${setLine(path, "values.yaml")}`,
  );
}

/** The values of a file, or what is wrong with it. */
function readValueFile(file: string): Values | string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT"
      ? "the file does not exist"
      : `it cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
  try {
    const value = readFirstDocument(text) ?? {};
    const endless = endlessNumber(value);
    if (endless !== undefined) {
      return `${endless.join(".")} is a number without end to YAML (a text such as 12e4567 must be quoted)`;
    }
    return isMap(value) ? value : "it does not hold a map";
  } catch (reason) {
    if (!(reason instanceof NoYaml)) throw reason;
    return reason.message;
  }
}

/** Path of a number that JSON cannot hold: it would become a null, which takes the chart's default away. */
function endlessNumber(value: unknown): string[] | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? undefined : [];
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, at] of Object.entries(value)) {
    const below = endlessNumber(at);
    if (below) return [key, ...below];
  }
  return undefined;
}

/** Merges as helm does: maps merge, lists and scalars are replaced, a null is kept (helm then removes the default). */
export function mergeValues(...layers: readonly Values[]): Values {
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
 * The same tree with `mark` applied to exactly the leaves that the secret part brings, so that a preview hides those
 * and shows the rest. The secret part must have been merged last.
 */
export function markSecretLeaves(merged: Values, secretPart: Values, mark: (value: unknown) => unknown): Values {
  return Object.fromEntries(
    Object.entries(merged).map(([key, value]) => {
      if (!Object.hasOwn(secretPart, key)) return [key, value];
      const secret = secretPart[key];
      return [key, isMap(value) && isMap(secret) ? markSecretLeaves(value, secret, mark) : mark(value)];
    }),
  );
}

/** True when a null is anywhere in the values; helm reads it as "remove the chart's default". */
export function hasNulls(value: unknown): boolean {
  if (value === null) return true;
  return typeof value === "object" && Object.values(value).some(hasNulls);
}
