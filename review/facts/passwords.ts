import { isSecret, normalizeSecret } from "../../kubernetes/redact";
import { isMap, type KubeObject } from "../../kubernetes/objects";
import { mergeValues } from "../../config/values";
import { keyText } from "../../config/config-commands";
import { holdsPrivateKey, leaves, settingsIn } from "./secret-texts";
import type { PasswordFact } from "./schema";

type Tree = Readonly<Record<string, unknown>>;

/** Where the values of a release come from. */
export interface ValueSources {
  /** The chart's own defaults. */
  defaults: Tree;
  /** Everything the config sets, in clear. */
  values: Tree;
  /** The part of them that is stored encrypted. */
  secretPart: Tree;
  /** What the chart renders with them. */
  rendered: readonly KubeObject[];
}

/** Fewer characters than this count as short: guessable by a machine within the life of an installation. */
export const SHORTEST_PASSWORD = 12;

const PASSWORD_KEY = /(pass(word|wd|phrase)?|secret|token|api[-_]?key|private[-_]?key|credentials?)$/i;
/** Keys that say where a password is, not what it is. */
const REFERENCE_KEY = /^(existing|use|create|enable)|(secret|key|token)[-_]?(name|ref|path|file|key)$|name$/i;
/** Keys that name a Secret, as the controllers and charts that read them call them. */
const SECRET_KEY = /(pull|tls|password|credentials?|cert(ificate)?|ca|auth)[-_]?secret$/i;
const OBJECT_NAME = /^([a-z0-9]([-a-z0-9]*[a-z0-9])?\/)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
/**
 * What something else puts a password in place of (Kubernetes, a shell, helm, vals, Vault, Argo CD's plugin),
 * what is encrypted already, and the stars that an export has instead.
 */
const PLACEHOLDER =
  /^(\$\([^)]*\)|\$\{[^}]*\}|\$[A-Z_][A-Z0-9_]*|\{\{.*\}\}|<[\w :./#-]*>|vault:.*|(secret)?ref\+.*|op:\/\/.*|ENC[[(].*|\{cipher\}.*|\*+)$/s;
/** A file that a password is in. */
const FILE = /^\/[\w.-]+(\/[\w.-]+)+$/;
/** Passwords that everybody tries first. */
const WELL_KNOWN = new Set(
  (
    "password passwd pass admin administrator postgres postgresql root secret keycloak changeme change-me change_me " +
    "changeit default example test testing demo guest user casa 123456 12345678 123456789 qwerty letmein welcome"
  ).split(" "),
);
/** A URL with a password in it. */
const WITH_PASSWORD = /^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:[^@\s/]+@/i;

/**
 * The passwords of a release: those of the values, and what the chart's templates put into Secrets on their own. Says
 * where each one is, where it comes from and whether it is weak, never what it is.
 */
export function passwordFacts({ defaults, values, secretPart, rendered }: ValueSources): PasswordFact[] {
  const secretNames = new Set(rendered.filter(isSecret).map(({ metadata }) => metadata.name));
  const seen = new Set<string>();
  const ofValues = leaves(mergeValues(defaults, values)).flatMap(({ path, key, value }): PasswordFact[] => {
    const text = String(value);
    if (secretNames.has(text)) return [];
    const origin = at(secretPart, path) !== undefined ? "secret" : at(values, path) !== undefined ? "config" : "chart";
    const isDefault = String(at(defaults, path)) === text;
    const where = `values ${pathText(path)}`;
    if (isPassword(key, text)) {
      seen.add(text);
      return [{ where, origin, problem: weakness(text, isDefault) }];
    }
    // What is in a chart's own texts is an example, or known to everybody; what is encrypted is so as a whole.
    if (origin !== "config" || isDefault) return [];
    const [found] = hiddenIn(text).sort((a, b) => RANK.indexOf(a) - RANK.indexOf(b));
    return found === undefined ? [] : [{ where, origin, problem: found }];
  });
  const ofTemplates = rendered.filter(isSecret).flatMap((secret): PasswordFact[] => {
    const { data } = normalizeSecret(secret);
    return Object.entries(isMap(data) ? data : {}).flatMap(([key, encoded]) => {
      const text = Buffer.from(String(encoded), "base64").toString();
      if (!isPassword(key, text) || seen.has(text)) return [];
      const { namespace, name = "" } = secret.metadata;
      const where = `Secret ${namespace ? `${namespace}/` : ""}${name} key ${key}`;
      return [{ where, origin: "chart" as const, problem: weakness(text, false) }];
    });
  });
  return [...ofValues, ...ofTemplates];
}

/** Of several in one text the one that says most: what everybody knows comes last. */
const RANK: PasswordFact["problem"][] = ["short", null, "default"];

/** What a text that is no password itself holds: for each what is wrong with it. */
function hiddenIn(text: string): PasswordFact["problem"][] {
  if (holdsPrivateKey(text)) return [null];
  return settingsIn(text)
    .filter(({ key, value }) => isPassword(key, value) || holdsPrivateKey(value))
    .map(({ value }) => weakness(value, false));
}

/** As `pulumi config set --path` takes it behind `values` or `secretValues`. */
function pathText(path: readonly (string | number)[]): string {
  return keyText(["values", ...path]).replace(/^values\.?/, "");
}

/** Whether a key of this name with this text holds a password in itself. */
export function isPassword(key: string, text: string): boolean {
  if (text === "" || PLACEHOLDER.test(passwordIn(text))) return false;
  if (WITH_PASSWORD.test(text)) return true;
  if (!PASSWORD_KEY.test(key) || REFERENCE_KEY.test(key) || FILE.test(text) || /^https?:/.test(text)) return false;
  return !(SECRET_KEY.test(key) && OBJECT_NAME.test(text));
}

/** The password of a URL, else the text itself. */
function passwordIn(text: string): string {
  return WITH_PASSWORD.test(text) ? text.replace(/^[^:]+:\/\/[^:]*:([^@]+)@.*$/s, "$1") : text;
}

/** What is wrong with a password, if anything. */
export function weakness(text: string, isDefault: boolean): PasswordFact["problem"] {
  const secret = WITH_PASSWORD.test(text) ? decodeURIComponentOr(passwordIn(text)) : text;
  if (isDefault || WELL_KNOWN.has(secret.toLowerCase())) return "default";
  return secret.length < SHORTEST_PASSWORD ? "short" : null;
}

function decodeURIComponentOr(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function at(tree: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (below, key) => (typeof below === "object" && below !== null ? (below as Tree)[key] : undefined),
    tree,
  );
}
