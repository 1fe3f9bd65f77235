import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { z } from "zod";
import { type Properties, Secret, UNKNOWN } from "./handler";

/** Signatures by which the engine marks special values; fixed by its wire format (sdk/v3 go/common/resource). */
const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";
const OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const RESOURCE_SIGNATURE = "5cf8f73096256a8f31e491e813e4eb8e";
const ASSET_SIGNATURE = "c44067f5952c0a294b673a41bacd8c17";
const ARCHIVE_SIGNATURE = "0def7320c3a5731c473e5ecbe6d01bc7";
const UNKNOWN_SENTINEL = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Properties as a handler sees them, and where secrets were among them. */
export interface Received {
  properties: Properties;
  /** Paths of values that arrived marked secret. */
  secrets: string[][];
}

const special = z.looseObject({ [SIGNATURE_KEY]: z.string() });

/** Turns what came over the wire into plain values, {@link UNKNOWN} and a list of secret paths. */
export function receive(struct: Struct | undefined): Received {
  const secrets: string[][] = [];
  const raw = struct ? (struct.toJavaScript() as Properties) : {};
  return { properties: unwrap(raw, [], secrets) as Properties, secrets };
}

function unwrap(value: unknown, path: string[], secrets: string[][]): unknown {
  if (value === UNKNOWN_SENTINEL) return UNKNOWN;
  if (Array.isArray(value)) return value.map((item, i) => unwrap(item, [...path, `${i}`], secrets));
  if (typeof value !== "object" || value === null) return value;
  // Looked for first: a parse that fails is slow, and nearly every one would.
  const marked = SIGNATURE_KEY in value ? special.safeParse(value) : undefined;
  if (marked?.success) return unwrapSpecial(marked.data, path, secrets);
  return Object.fromEntries(Object.entries(value).map(([key, at]) => [key, unwrap(at, [...path, key], secrets)]));
}

function unwrapSpecial(value: Record<string, unknown>, path: string[], secrets: string[][]): unknown {
  switch (value[SIGNATURE_KEY]) {
    case SECRET_SIGNATURE:
      secrets.push(path);
      return unwrap(value["value"], path, secrets);
    case OUTPUT_SIGNATURE:
      if (value["secret"] === true) secrets.push(path);
      return "value" in value ? unwrap(value["value"], path, secrets) : UNKNOWN;
    case RESOURCE_SIGNATURE:
      return value["id"] === undefined || value["id"] === "" ? value["urn"] : unwrap(value["id"], path, secrets);
    case ASSET_SIGNATURE:
    case ARCHIVE_SIGNATURE:
      return value;
    default:
      return value;
  }
}

/** Turns a handler's values into wire format; every given path that exists is marked secret. */
export function send(properties: Properties, secrets: string[][] = []): Struct {
  const copy = wrap(properties) as Properties;
  for (const path of secrets) markSecret(copy, path);
  return Struct.fromJavaScript(copy as Parameters<typeof Struct.fromJavaScript>[0]);
}

function wrap(value: unknown): unknown {
  if (value === UNKNOWN) return UNKNOWN_SENTINEL;
  if (value instanceof Secret) return { [SIGNATURE_KEY]: SECRET_SIGNATURE, value: wrap(value.value) };
  if (Array.isArray(value)) return value.map((item) => (item === undefined ? null : wrap(item)));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, at]) => at !== undefined)
      .map(([key, at]) => [key, wrap(at)]),
  );
}

/**
 * Marks the value at a path. A list on the way is marked as a whole: lists may come back in another order, and then the
 * secret is elsewhere in it.
 */
function markSecret(root: Properties, path: string[]): void {
  let holder = root;
  for (const [i, step] of path.entries()) {
    const value = holder[step];
    if (value === undefined || special.safeParse(value).success) return;
    if (i === path.length - 1 || Array.isArray(value)) {
      holder[step] = { [SIGNATURE_KEY]: SECRET_SIGNATURE, value };
      return;
    }
    if (typeof value !== "object" || value === null) return;
    holder = value as Properties;
  }
}

/** True when a value or anything inside it is not known yet. */
export function hasUnknowns(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some(hasUnknowns);
}
