/**
 * What a chart's templates do with `.Values`, as far as their text shows it without running them. Paths are key lists.
 */
export interface TemplateUses {
  /** Paths that are read. */
  mentioned: string[][];
  /** Maps of which every key may be read: printed, looped over, handed to `toYaml`, `tpl`, `include`, `with` … */
  open: string[][];
  /** Maps handed to other templates inside a `dict`, which read single keys of them (`.values.image`). */
  passed: string[][];
  /**
   * Every field name and every word of a string in the templates: a key that is none of them is read by name nowhere.
   */
  words: Set<string>;
  /** Names of fields that are used as a whole somewhere (`toYaml .values.resources` gives `resources`). */
  wholeFields: Set<string>;
}

interface Token {
  kind: "string" | "fields" | "tail" | "word" | "punct";
  text: string;
}

/** One reading of `.Values`, with the place of its last token. */
interface Chain {
  path: string[];
  /** `index .Values.a $key`: which key is read shows at run time only. */
  dynamic: boolean;
  start: number;
  end: number;
}

const TOKEN =
  /(?<string>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?<tail>\)(?:\.[A-Za-z_]\w*)+)|(?<fields>\$\w*(?:\.[A-Za-z_]\w*)*|(?:\.[A-Za-z_]\w*)+)|(?<word>[A-Za-z_]\w*)|(?<punct>:=|[=|(),])|(?<other>[\d.]+)/g;
const KEYWORDS = new Set(["if", "else", "with", "range", "define", "block", "template", "end"]);
/**
 * Functions that look at a value without its keys being read; an `if` made of these says nothing about the keys below.
 */
const TESTS = new Set(
  (
    "if else and or not eq ne lt le gt ge empty hasKey index get len default " +
    "kindIs kindOf typeIs typeOf dict list int semverCompare contains hasPrefix"
  ).split(" "),
);
/** Functions whose string arguments after a map are keys of it. */
const KEY_READERS = new Set(["index", "get", "hasKey", "set", "unset"]);

/**
 * Collects the uses of `.Values` in template texts. It knows fields (`$.Values.a.b`), `index`, `get`, `hasKey`,
 * brackets (`(.Values.a).b`) and variables (`$x := .Values.a`). What it cannot follow counts as "every key may be
 * read".
 *
 * @param templates texts of the files; variables are followed inside one file.
 */
export function templateUses(templates: readonly string[]): TemplateUses {
  const collector = new Collector();
  for (const text of templates) collector.file(text);
  return collector.result();
}

class Collector {
  private readonly mentioned: string[][] = [];
  private readonly open: string[][] = [];
  private readonly passed: { path: string[]; as: string }[] = [];
  private readonly words = new Set<string>();
  private readonly wholeFields = new Set<string>();
  private aliases = new Map<string, string[][]>();

  file(text: string): void {
    this.aliases = new Map();
    for (const action of actions(text)) this.action(tokenize(action));
  }

  result(): TemplateUses {
    const whole = this.passed.filter(({ as }) => this.wholeFields.has(as)).map(({ path }) => path);
    return {
      mentioned: this.mentioned,
      open: [...this.open, ...whole],
      passed: this.passed.filter(({ as }) => !this.wholeFields.has(as)).map(({ path }) => path),
      words: this.words,
      wholeFields: this.wholeFields,
    };
  }

  private action(tokens: Token[]): void {
    for (const { kind, text } of tokens) {
      const isName = kind === "fields" || kind === "tail" || kind === "string";
      if (isName) for (const word of text.split(/[^\w-]+/)) this.words.add(word);
    }
    const isOnlyTested =
      /^(?:if|else)$/.test(tokens[0]?.text ?? "") &&
      tokens.every(({ kind, text }) => kind !== "word" || TESTS.has(text));
    const chains = tokens.flatMap((token, at) => (token.kind === "fields" ? this.chains(tokens, at) : []));
    for (const chain of chains) {
      this.mentioned.push(chain.path);
      if (chain.dynamic) this.open.push(chain.path);
      else if (!isOnlyTested) this.classify(tokens, chain);
    }
    const handled = new Set(chains.flatMap(({ start, end }) => [start, end]));
    for (const [at, { kind, text }] of tokens.entries()) {
      const last = /\.(\w+)$/.exec(text)?.[1];
      const isName = (kind === "fields" || kind === "tail") && !handled.has(at) && headOf(tokens, at) !== "hasKey";
      if (last && isName && (!isOnlyTested || readsAnyKey(tokens, at))) this.wholeFields.add(last);
    }
  }

  /** What is done with the value that the chain reads. */
  private classify(tokens: Token[], chain: Chain): void {
    const head = headOf(tokens, chain.start);
    if (head === "hasKey" || head === "set" || head === "unset") return;
    const target = assignedVariable(tokens);
    if (target !== undefined && isPlainAssignment(tokens, chain)) {
      this.aliases.set(target, [...(this.aliases.get(target) ?? []), chain.path]);
    } else if (head === "dict" && tokens[chain.start - 1]?.kind === "string") {
      const as = unquote(tokens[chain.start - 1]?.text ?? "");
      // All values under their own name: what the other template reads of them is seen there.
      if (as !== "Values" || chain.path.length > 0) this.passed.push({ path: chain.path, as });
    } else if (chain.path.length === 0) {
      // All values handed on: taken literally it would make every key known, so single keys are still looked for by
      // name.
      this.passed.push({ path: [], as: "" });
    } else {
      this.open.push(chain.path);
    }
  }

  /** The readings of `.Values` that begin at a token; several when a variable was assigned several times. */
  private chains(tokens: Token[], start: number): Chain[] {
    const [variable = "", ...fields] = (tokens[start]?.text ?? "").split(".");
    const at = fields.indexOf("Values");
    const bases =
      at >= 0 ? [fields.slice(at + 1)] : (this.aliases.get(variable) ?? []).map((base) => [...base, ...fields]);
    const assigned = start < 2 && /^:?=$/.test(tokens[start + 1]?.text ?? "");
    return assigned ? [] : bases.map((path) => extend(tokens, start, path));
  }
}

/** Longest action that is read, in characters; keeps odd files from costing time. */
const MAX_ACTION = 20_000;

/** What stands between `{{` and `}}`, comments left out. Braces inside strings do not end it. */
function actions(text: string): string[] {
  const found: string[] = [];
  const boundary = /"(?:[^"\\\n]|\\.)*"|`[^`]*`|\}\}/g;
  for (let start = text.indexOf("{{"); start >= 0; start = text.indexOf("{{", start)) {
    const isComment = /^\s*\/\*/.test(text.slice(start + 2, start + 100).replace(/^-/, ""));
    boundary.lastIndex = start + 2;
    let match = isComment ? null : boundary.exec(text);
    while (match && match[0] !== "}}") match = boundary.exec(text);
    const end = match ? match.index : text.indexOf("}}", start + 2);
    if (end < 0) break;
    if (!isComment) found.push(text.slice(start + 2, Math.min(end, start + MAX_ACTION)).replace(/^-/, ""));
    start = end + 2;
  }
  return found;
}

/** Follows `index … "key"` and `(…).key` behind a reading. */
function extend(tokens: Token[], start: number, path: string[]): Chain {
  const chain: Chain = { path: [...path], dynamic: false, start, end: start };
  const head = headOf(tokens, start);
  if (KEY_READERS.has(head) && isFirstArgument(tokens, start)) {
    while (tokens[chain.end + 1]?.kind === "string") chain.path.push(unquote(tokens[++chain.end]?.text ?? ""));
    chain.dynamic = readsAnyKey(tokens, chain.end, head);
  }
  while (!chain.dynamic && tokens[chain.end + 1]?.kind === "tail") {
    chain.path.push(...(tokens[++chain.end]?.text ?? "").slice(2).split("."));
  }
  return chain;
}

/** True when a computed key follows: `index .a $key`, `get .a (printf …)`. */
function readsAnyKey(tokens: Token[], at: number, head = headOf(tokens, at)): boolean {
  const next = tokens[at + 1];
  return (next?.kind === "fields" || next?.text === "(") && (head === "index" || head === "get");
}

function tokenize(action: string): Token[] {
  return [...action.matchAll(TOKEN)].flatMap(({ groups = {} }) => {
    const kind = (["string", "fields", "tail", "word", "punct"] as const).find((name) => groups[name] !== undefined);
    return kind ? [{ kind, text: groups[kind] ?? "" }] : [];
  });
}

/** Index of the first token of the call that a token is an argument of. */
function callStart(tokens: Token[], at: number): number {
  let depth = 0;
  for (let i = at - 1; i >= 0; i--) {
    const { kind, text } = tokens[i] ?? { kind: "punct", text: "" };
    if (kind === "tail" || text === ")") depth++;
    else if (text === "(" && depth-- === 0) return i + 1;
    else if (depth === 0 && (text === "|" || text === ":=" || text === "=")) return i + 1;
  }
  return 0;
}

/** Name of the function that a token is an argument of; empty where there is none. */
function headOf(tokens: Token[], at: number): string {
  return tokens[headIndex(tokens, at)]?.text ?? "";
}

function headIndex(tokens: Token[], at: number): number {
  let first = callStart(tokens, at);
  while (first < at && KEYWORDS.has(tokens[first]?.text ?? "")) first++;
  return first < at && tokens[first]?.kind === "word" ? first : -1;
}

function isFirstArgument(tokens: Token[], at: number): boolean {
  return headIndex(tokens, at) === at - 1;
}

/** `$x` of `$x := …`. */
function assignedVariable(tokens: Token[]): string | undefined {
  return /^:?=$/.test(tokens[1]?.text ?? "") && tokens[0]?.kind === "fields" ? tokens[0].text : undefined;
}

/** True for `$x := CHAIN`, also with brackets, `index` or a default. */
function isPlainAssignment(tokens: Token[], chain: Chain): boolean {
  const others = tokens.filter((_token, at) => at > 1 && (at < chain.start || at > chain.end));
  return others.every(({ text }) => ["(", ")", "|", "default", "dict", "index", "get"].includes(text));
}

function unquote(literal: string): string {
  return literal.slice(1, -1);
}
