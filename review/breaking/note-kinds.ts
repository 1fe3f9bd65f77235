import { coerce, parse, type SemVer } from "semver";

const VERSION = String.raw`v?(\d+(?:\.\d+){0,2}(?:\.[xX*]){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)`;
/** What may follow a version in its heading: a date, a title behind a dash, a remark in brackets. */
const REST = String.raw`(?:$|\s*[-–—:/|,(\[]|\s+\d{4}|\s+breaking\b)`;
const ABOUT = String.raw`(?:(?:breaking|notable)?\s*changes|what's (?:new|changed)|release notes)\s+(?:in|for|of)\s+(?:the\s+)?`;
const STEP = new RegExp(
  String.raw`^(?:(?:upgrad|migrat|updat)\w*\s+)?(?:(?:from\s+)?(?:chart\s+)?(?:version\s+)?v?\d[\w.+*-]*\s*)?(?:to|->|→|=>)\s+(?:chart\s+)?(?:version\s+)?${VERSION}${REST}`,
  "i",
);

/**
 * The version that a heading of a changelog or an upgrade guide is about: `[1.2.0] - 2024-01-01`, `v1.2.0`, `To 1.2.0`,
 * `Upgrading from 0.x to 1.0` (the later one), `NAME-1.2.0`. Undefined for anything that only mentions a version.
 *
 * @param chart the chart's name, which may stand before the version.
 */
export function headingVersion(heading: string, chart: string): SemVer | undefined {
  const text = heading.replace(/^\[([^\]]+)\]/, "$1").replace(/^[^\w[]+/, "");
  const step = STEP.exec(text)?.[1];
  if (step !== undefined) return lowest(step);
  const name = chart.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const plain = new RegExp(
    String.raw`^(?:${ABOUT})?(?:${name}[\s@:-]*)?(?:(?:chart\s+)?(?:version|release)\s+)?${VERSION}${REST}`,
    "i",
  );
  const version = plain.exec(text)?.[1];
  // A lone number is a chapter or a year as well.
  return version?.includes(".") ? lowest(version) : undefined;
}

/** `1.x` and `1` begin at 1.0.0. */
function lowest(version: string): SemVer | undefined {
  return parse(version) ?? coerce(version.replace(/\.[xX*].*$/, "")) ?? undefined;
}

const KINDS: [RegExp, string][] = [
  [/^(?:breaking(?: changes?)?|backwards? incompatible(?: changes?)?|incompatible changes?)$/, "breaking"],
  [/^(?:added|additions?|feat|features?|new|new features?|enhancements?)$/, "added"],
  [/^(?:changed|changes?|improved|improvements?|refactor|perf|updated?|updates)$/, "changed"],
  [/^(?:deprecated|deprecations?)$/, "deprecated"],
  [/^(?:removed|removals?)$/, "removed"],
  [/^(?:fix|fixed|fixes|bug ?fix|bug ?fixes)$/, "fixed"],
  [/^security$/, "security"],
];

function kindOfWord(word: string): string | undefined {
  const bare = word.toLowerCase().trim();
  return KINDS.find(([pattern]) => pattern.test(bare))?.[1];
}

/** Kind of the entries below a heading: `Added`, `⚠ BREAKING CHANGES`, `1.0.0 breaking changes`. */
export function kindOfHeading(heading: string): string | undefined {
  const words = heading.replace(/[^\p{L}\s]+/gu, " ").trim();
  return kindOfWord(words) ?? (/\bbreaking(?: changes?)?\b/i.test(words) ? "breaking" : undefined);
}

/**
 * Takes the kind off the beginning of a note: `Removed: …`, `[Removed] …`, `BREAKING …`, `feat(scope)!: …`. A scope in
 * brackets before it stays in the text.
 */
export function splitKind(note: string): { kind?: string; text: string } {
  const [, scope = "", rest = ""] = /^((?:\[[\w./*-]+\]\s+)?)(.*)$/s.exec(note) ?? [];
  const [, bracketed, afterBracket = ""] = /^\[([A-Za-z ]+)\]:?\s*(.*)$/s.exec(note) ?? [];
  const inBrackets = bracketed === undefined ? undefined : kindOfWord(bracketed);
  if (inBrackets !== undefined) return { kind: inBrackets, text: afterBracket };
  const [, word = "", bang, afterWord = ""] = /^([A-Za-z ]{2,30}?)(?:\([^)]*\))?(!)?:\s+(.*)$/s.exec(rest) ?? [];
  const kind = bang && /^[a-z]+$/.test(word) ? "breaking" : kindOfWord(word);
  if (kind !== undefined) return { kind, text: scope + afterWord };
  const breaking = /^(?:BREAKING(?: CHANGES?)?)\b[\s:!—–-]*(.*)$/s.exec(rest)?.[1];
  return breaking === undefined ? { text: note } : { kind: "breaking", text: scope + breaking };
}
