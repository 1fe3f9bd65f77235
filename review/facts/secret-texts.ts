import { NoYaml, readFirstDocument } from "../../kubernetes/read-yaml";

/** A text or number at the end of a tree. */
export interface Leaf {
  /** Numbers are places in lists. */
  path: (string | number)[];
  /** By which it is told what the value is. */
  key: string;
  value: string | number;
}

/** What variables are called by in the lists of containers, and parameters in other lists. */
const NAMES = ["name", "key"];
/** A list of passwords, each without a name of its own. */
const PLURAL = /(?:passwords|tokens|api[-_]?keys)$/i;

/** Texts and numbers at the ends of a tree; booleans and nulls are no passwords. */
export function leaves(tree: unknown, path: (string | number)[] = [], key = ""): Leaf[] {
  if (typeof tree === "string" || typeof tree === "number") return [{ path, key, value: tree }];
  if (typeof tree !== "object" || tree === null) return [];
  if (Array.isArray(tree)) {
    const one = PLURAL.test(key) ? key.slice(0, -1) : "";
    return tree.flatMap((below, i) => leaves(below, [...path, i], one));
  }
  const map = tree as Readonly<Record<string, unknown>>;
  const named = NAMES.map((name) => map[name]).find((name) => typeof name === "string");
  return Object.entries(map).flatMap(([at, below]) =>
    leaves(below, [...path, at], at === "value" && typeof named === "string" ? named : at),
  );
}

const PRIVATE_KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/]/;
/** How PEM begins in base64, as Secrets hold it. */
const PEM_IN_BASE64 = /^LS0tLS1CRUdJTi/;
/** The password of a URL, wherever in a text it is. */
const IN_URL = /\w:\/\/[^/\s:@"'<>]*:([^@\s/"'<>]+)@/g;
/** Of a connection string, be it a URL's query or a list of settings. */
const IN_SETTINGS = /(?:^|[\s;?&"'])(?:password|pwd)=([^\s;&"'<>]+)/gi;
/** Of a user that a script makes in a database. */
const IN_SQL = /\b(?:password|identified by)\s+'([^'\n]+)'/gi;
/** A line of a file of settings, or an argument. A comment begins with something else. */
const LINE = /^\s*(?:- )?\s*(?:export )?["']?([\w.-]+)["']?\s*([:=])\s*(\S.*)$/;
/** Quoted as a whole, or one word that no language would put another value in place of. */
const QUOTED = /^(["'])((?:(?!\1).)+)\1$/;
const WORD = /^[^\s$(){}<>[\]"'`|\\]+$/;
/** Names in a program: `os.environ`, `req.token`, `access_token`. */
const CODE = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$|^(?:[a-z]+_)+(?:password|token|secret)$|^token$/;
const COMMENT = /^[^\S\n]*(?:#|\/\/|;|-- ).*$/gm;
const SHELL_VARIABLE = /^\$\w+$/;
const SWITCH = /^(?:true|false|yes|no|on|off|null|none|nil|undefined)$/i;

/** Whether a text holds a private key, in PEM or in base64 of it. */
export function holdsPrivateKey(text: string): boolean {
  if (PEM_IN_BASE64.test(text)) return PRIVATE_KEY.test(Buffer.from(text, "base64").toString());
  return PRIVATE_KEY.test(text);
}

/**
 * What a text says that may be a password, by name: connection strings anywhere in it, settings in the lines of a file,
 * arguments; and where the text is YAML or JSON itself, what is in that.
 */
export function settingsIn(text: string): { key: string; value: string }[] {
  const said = text.replace(COMMENT, "");
  const all = (pattern: RegExp) => [...said.matchAll(pattern)].flatMap(([, found]) => found ?? []);
  const connections = [...all(IN_URL), ...all(IN_SETTINGS), ...all(IN_SQL)].map((value) => ({
    key: "password",
    value,
  }));
  return [...connections, ...fieldsOf(text)].filter(({ value }) => !SWITCH.test(value) && !SHELL_VARIABLE.test(value));
}

function fieldsOf(text: string): { key: string; value: string }[] {
  const isFile = text.includes("\n");
  if (!isFile && !/^\s*[[{]/.test(text)) return linesOf(text, "=");
  const tree = parsed(text);
  if (typeof tree !== "object" || tree === null) return linesOf(text, ":=");
  // What is in a text of that text is told by its lines.
  return leaves(tree).flatMap(({ key, value }) => [
    { key, value: String(value) },
    ...(typeof value === "string" && value.includes("\n") ? linesOf(value, ":=") : []),
  ]);
}

function parsed(text: string): unknown {
  try {
    return readFirstDocument(text);
  } catch (error) {
    if (error instanceof NoYaml) return undefined;
    throw error;
  }
}

function linesOf(text: string, signs: string): { key: string; value: string }[] {
  return text.split("\n").flatMap((line) => {
    const [, key = "", sign = "", rest = ""] = LINE.exec(line) ?? [];
    const given = rest.trim().replace(/[,;]$/, "");
    if (given === "" || !signs.includes(sign)) return [];
    const quoted = QUOTED.exec(given)?.[2];
    const value = quoted ?? (WORD.test(given) && !CODE.test(given) ? given : undefined);
    return value === undefined ? [] : [{ key, value }];
  });
}
