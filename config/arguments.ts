import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../shared/user-error";
import { prepare, type LoadedConfig, stackConfig } from "./config-load";
import { keyText } from "./config-commands";
import { isMap } from "../kubernetes/objects";
import type { CasaUpgradeArgs } from "./upgrade-args";
import type { Values } from "./values";

/** Arguments of an upgrade: keys of the configuration to values that are plain, secret, or outputs of resources. */
export type Arguments = CasaUpgradeArgs | Readonly<Record<string, unknown>>;

const fromConfig = new WeakSet<Arguments>();

/**
 * The stack's configuration as arguments; what is stored encrypted is a secret.
 *
 * @throws UserError listing every problem.
 */
export function configArguments(): CasaUpgradeArgs {
  const { raw, secretKeys } = stackConfig();
  const entries = Object.entries(raw);
  const args = Object.fromEntries(
    entries.map(([key, value]) => [key, secretKeys.includes(key) ? pulumi.secret(value) : value]),
  );
  fromConfig.add(args);
  // They have just been checked against the schema that the type is made from.
  return args as unknown as CasaUpgradeArgs;
}

/**
 * A message for who gave the arguments. Messages say how to change the stack's configuration, which helps nobody whose
 * program gives other arguments.
 */
export function inWordsFor(upgrade: string, args: Arguments): (text: string) => string {
  if (fromConfig.has(args)) return (text) => text;
  const note = `CasaUpgrade "${upgrade}" has its configuration from its arguments: where this says`;
  return (text) =>
    /\bpulumi config (set|rm)\b/.test(text)
      ? `${text}\n${note} \`pulumi config set KEY VALUE\`, set the argument KEY in the program.`
      : text;
}

/**
 * Reads arguments: waits for outputs, and notes what of it is secret.
 *
 * @throws UserError listing every problem, and for a value that a preview cannot know.
 */
export async function loadArguments(args: Arguments): Promise<LoadedConfig> {
  const given = Object.entries(args).filter(([, value]) => value !== undefined);
  const read = await Promise.all(given.map(async ([key, value]) => [key, await settle(value, [key])] as const));
  const unknown = read.flatMap(([, { unknownAt }]) => unknownAt ?? []);
  if (unknown.length > 0) throw notKnownYet(unknown);
  const raw = Object.fromEntries(read.map(([key, { value }]) => [key, value]));
  const secretKeys = read.flatMap(([key, { secretPart }]) => (secretPart === undefined ? [] : [key]));
  const secretValues = new Map(read).get("values")?.secretPart;
  // What is given as `secretValues` is kept secret whether the program marks it or not.
  return prepare(raw, [...secretKeys, "secretValues"], isMap(secretValues) ? secretValues : {});
}

/** A value without outputs in it. */
interface Settled {
  readonly value: unknown;
  /** The same tree with nothing but what is secret; undefined: nothing is. A list is secret as a whole. */
  readonly secretPart?: unknown;
  /** Keys whose value this preview cannot know. */
  readonly unknownAt?: readonly string[];
}

/** What the SDK's own component host reads of an output; its public functions leave a failed one pending for ever. */
interface OutputState {
  promise(): Promise<unknown>;
  readonly isKnown: Promise<boolean>;
  readonly isSecret: Promise<boolean>;
}

async function settle(input: unknown, path: readonly PropertyKey[]): Promise<Settled> {
  if (pulumi.Output.isInstance(input)) {
    const output = input as unknown as OutputState;
    // First, because the two others never fail.
    const value = await output.promise();
    if (!(await output.isKnown)) return { value: undefined, unknownAt: [keyText(path)] };
    return (await output.isSecret) ? { value, secretPart: value } : settle(value, path);
  }
  if (input instanceof Promise) return settle(await input, path);
  if (Array.isArray(input)) {
    const items = await Promise.all(input.map((item, i) => settle(item, [...path, i])));
    const value = items.map((item) => item.value);
    const isSecret = items.some(({ secretPart }) => secretPart !== undefined);
    return { value, unknownAt: unknownIn(items), ...(isSecret ? { secretPart: value } : {}) };
  }
  if (!isMap(input)) return { value: input };
  // An argument that is not given is often `undefined`; chart values may hold nulls that mean something.
  const entries = Object.entries(input).filter(([, below]) => below !== undefined);
  const below = await Promise.all(entries.map(async ([key, at]) => [key, await settle(at, [...path, key])] as const));
  const secret = below.filter(([, { secretPart }]) => secretPart !== undefined);
  const part: Values = Object.fromEntries(secret.map(([key, { secretPart }]) => [key, secretPart]));
  return {
    value: Object.fromEntries(below.map(([key, { value }]) => [key, value])),
    unknownAt: unknownIn(below.map(([, one]) => one)),
    ...(secret.length > 0 ? { secretPart: part } : {}),
  };
}

function unknownIn(parts: readonly Settled[]): readonly string[] {
  return parts.flatMap(({ unknownAt = [] }) => unknownAt);
}

/** An upgrade that nobody could review must not look like one that was. */
function notKnownYet(keys: readonly string[]): UserError {
  return new UserError(
    "config",
    `what is upgraded cannot be said: ${keys.join(", ")} ${keys.length === 1 ? "is" : "are"} not known in this preview`,
    "make the resource first that the value comes from (pulumi up --target <its URN>), then preview again",
  );
}
