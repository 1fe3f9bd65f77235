import { isDeepStrictEqual } from "node:util";
import { isCollection, parseDocument } from "yaml";
import { z } from "zod";
import { isMap } from "../kubernetes/objects";
import { isDefault } from "./recorded";
import { KEPT_KEYS } from "./target";
import type { RecordedValue } from "./updates";

/** A text that must be stored encrypted, and where. */
export interface SecretLeaf {
  /** First the key without the project's name. */
  readonly path: readonly (string | number)[];
  readonly text: string;
}

/** The `config` of a stack's file, for a recorded configuration. */
export interface NewConfig {
  /** What can be read by everybody, by key without the project's name; places of secrets are left out. */
  readonly plain: Record<string, unknown>;
  readonly secrets: readonly SecretLeaf[];
}

/**
 * What the stack's file must hold to have the recorded configuration again.
 *
 * - Keys of {@link KEPT_KEYS} stay as they are. A recorded value that is the project's own default is left out.
 * - The history does not say which parts of a value were encrypted. An encrypted part is always text, so every text of
 *   a value that was encrypted in part is encrypted again: rather more than before than less.
 *
 * @param defaults the project's defaults, by key; the engine records them like values that were set.
 */
export function newConfig(recorded: ReadonlyMap<string, RecordedValue>, defaults: Record<string, unknown>): NewConfig {
  const plain: Record<string, unknown> = {};
  const secrets: SecretLeaf[] = [];
  for (const [key, { value, secret }] of recorded) {
    if (KEPT_KEYS.has(key) || key.includes(":")) continue;
    if (!secret) {
      if (!isDefault(value, defaults[key])) plain[key] = value;
      continue;
    }
    const found = secretLeaves(value, [key]);
    secrets.push(...found);
    const rest = withoutTexts(value);
    if (rest !== undefined) plain[key] = rest;
  }
  return { plain, secrets };
}

function secretLeaves(value: unknown, path: readonly (string | number)[]): SecretLeaf[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (Array.isArray(value)) return value.flatMap((item, i) => secretLeaves(item, [...path, i]));
  if (isMap(value)) return Object.entries(value).flatMap(([key, at]) => secretLeaves(at, [...path, key]));
  return [];
}

/** The same tree without its texts; lists keep their places, for the texts that are put back into them. */
function withoutTexts(value: unknown): unknown {
  if (typeof value === "string") return undefined;
  if (Array.isArray(value)) return value.map((item) => withoutTexts(item) ?? "");
  if (!isMap(value)) return value;
  const kept = Object.entries(value).flatMap(([key, at]) => {
    const rest = withoutTexts(at);
    return rest === undefined ? [] : [[key, rest] as const];
  });
  // A map that had only texts comes back with the first of them.
  return kept.length > 0 || Object.keys(value).length === 0 ? Object.fromEntries(kept) : undefined;
}

/**
 * The stack's file with another configuration. Keys that keep their value keep their text (encrypted as it is),
 * comments stay.
 *
 * @param present values in force, decrypted, by key without the project's name.
 * @param acknowledge policies to acknowledge in addition; one that is acknowledged already keeps its words.
 * @returns the new text, and the secrets that are still to be set in it.
 */
export function stackFile(
  text: string,
  project: string,
  present: ReadonlyMap<string, RecordedValue>,
  recorded: ReadonlyMap<string, RecordedValue>,
  wanted: NewConfig,
  acknowledge: Record<string, string> = {},
): { text: string; secrets: readonly SecretLeaf[] } {
  const document = parseDocument(text);
  const same = (key: string) =>
    recorded.has(key) &&
    document.hasIn(["config", `${project}:${key}`]) &&
    isDeepStrictEqual(present.get(key), recorded.get(key));
  const config = document.get("config");
  const keys = isCollection(config) ? Object.keys(z.record(z.string(), z.unknown()).parse(config.toJSON())) : [];
  const own = keys.flatMap((key) => (key.startsWith(`${project}:`) ? [key.slice(project.length + 1)] : []));
  for (const key of own) if (!KEPT_KEYS.has(key) && !same(key)) document.deleteIn(["config", `${project}:${key}`]);
  for (const [key, value] of Object.entries(wanted.plain)) {
    if (!same(key)) document.setIn(["config", `${project}:${key}`], document.createNode(value));
  }
  for (const [policy, reason] of Object.entries(acknowledge)) {
    const at = ["config", `${project}:acknowledge`, policy];
    if (!document.hasIn(at)) document.setIn(at, reason);
  }
  return { text: document.toString(), secrets: wanted.secrets.filter(({ path }) => !same(String(path[0]))) };
}
