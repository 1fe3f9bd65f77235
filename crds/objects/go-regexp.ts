/** Named classes of Go's regular expressions, as members of a JavaScript class. */
const POSIX: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7F",
  blank: "\\t ",
  cntrl: "\\x00-\\x1F\\x7F",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: "\\t\\n\\v\\f\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

const compiled = new Map<string, RegExp | undefined>();

/**
 * A Go (RE2) regular expression as a JavaScript one that finds the same; undefined where the two languages have no common
 * form, so that nothing can be said about what it finds.
 */
export function goRegExp(pattern: string): RegExp | undefined {
  if (!compiled.has(pattern)) compiled.set(pattern, translate(pattern));
  return compiled.get(pattern);
}

function translate(pattern: string): RegExp | undefined {
  const [, letters = "", body = ""] = /^(?:\(\?([is]+)\))?([^]*)$/.exec(pattern) ?? [];
  const translated = translateBody(body, letters.includes("s"));
  if (translated === undefined) return undefined;
  try {
    return new RegExp(translated, letters.includes("i") ? "iu" : "u");
  } catch {
    return undefined;
  }
}

function translateBody(body: string, dotIsAny: boolean): string | undefined {
  let out = "";
  for (let rest = body; rest !== "";) {
    const part = classPart(rest) ?? escapePart(rest, false) ?? plainPart(rest, dotIsAny);
    if (part === undefined) return undefined;
    out += part.out;
    rest = rest.slice(part.length);
  }
  return out;
}

interface Part {
  /** Characters of the pattern that are read. */
  length: number;
  out: string;
}

function plainPart(rest: string, dotIsAny: boolean): Part | undefined {
  const group = /^\(\?(?:P?<([A-Za-z_]\w*)>|:)/.exec(rest);
  if (group) return { length: group[0].length, out: group[1] === undefined ? "(?:" : `(?<${group[1]}>` };
  // Flags within the pattern; look-around, which Go does not have; escapes and classes that are not understood.
  if (/^(?:\(\?|\\|\[)/.test(rest)) return undefined;
  const times = /^\{\d+(?:,\d*)?\}\??/.exec(rest);
  if (times) return { length: times[0].length, out: times[0] };
  const character = String.fromCodePoint(rest.codePointAt(0) ?? 0);
  if (character === ".") return { length: 1, out: dotIsAny ? "[^]" : "[^\\n]" };
  return { length: character.length, out: /[{}\]]/.test(character) ? `\\${character}` : character };
}

function escapePart(rest: string, inClass: boolean): Part | undefined {
  const [all, letter = "", braced, single] = /^\\(?:([^pPx])|[pP](?:\{(\^?\w+)\}|(\w))|x.*)/su.exec(rest) ?? [];
  if (all === undefined) return undefined;
  const category = braced ?? single;
  if (category !== undefined) {
    // One or two letters are a general category in both languages; longer names are scripts.
    if (!/^(?:[CLMNPSZ]|[A-Z][a-z])$/.test(category)) return undefined;
    return { length: all.length, out: `\\${rest.charAt(1)}{${category}}` };
  }
  const code = /^\\x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/.exec(rest);
  if (code) return { length: code[0].length, out: `\\u{${code[1] ?? code[2]}}` };
  const out = escapedLetter(letter, inClass);
  return out === undefined ? undefined : { length: 1 + letter.length, out };
}

function escapedLetter(letter: string, inClass: boolean): string | undefined {
  if (letter === "s") return inClass ? "\\t\\n\\f\\r " : "[\\t\\n\\f\\r ]";
  if (letter === "S") return inClass ? undefined : "[^\\t\\n\\f\\r ]";
  if (letter === "a") return "\\x07";
  if (!inClass && (letter === "A" || letter === "z")) return letter === "A" ? "^" : "$";
  if (/[dDwWfnrtv]/.test(letter) || (!inClass && /[bB]/.test(letter))) return `\\${letter}`;
  // Go takes any escaped punctuation as itself; with the flag u, JavaScript knows some only.
  return /^[!-/:-@[-`{-~]$/.test(letter) ? `\\u{${letter.charCodeAt(0).toString(16)}}` : undefined;
}

function classPart(rest: string): Part | undefined {
  if (!rest.startsWith("[")) return undefined;
  const start = rest.startsWith("[^") ? 2 : 1;
  let out = rest.slice(0, start);
  for (let at = start; at < rest.length;) {
    if (rest[at] === "]" && at > start) return { length: at + 1, out: `${out}]` };
    const part = namedClass(rest.slice(at)) ?? escapePart(rest.slice(at), true) ?? classCharacter(rest.slice(at));
    if (part === undefined) return undefined;
    out += part.out;
    at += part.length;
  }
  return undefined;
}

function namedClass(rest: string): Part | undefined {
  const [all, name = ""] = /^\[:(\w+):\]/.exec(rest) ?? [];
  const members = POSIX[name];
  return all === undefined || members === undefined ? undefined : { length: all.length, out: members };
}

function classCharacter(rest: string): Part | undefined {
  if (rest.startsWith("[:") || rest.startsWith("\\")) return undefined;
  const character = String.fromCodePoint(rest.codePointAt(0) ?? 0);
  return { length: character.length, out: /[\][]/.test(character) ? `\\${character}` : character };
}
