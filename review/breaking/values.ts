import { distance } from "fastest-levenshtein";
import type { ChartPackage } from "../../helm/chart-package";
import { dig, isMap } from "../../kubernetes/objects";
import type { ValuesFinding } from "../report/schema";
import type { Values } from "../../config/values";
import { type KnownNode, knownPaths, knownValues, type Level, looser } from "./known-values";
import { type TemplateUses, templateUses } from "../../helm/template-uses";

/** What the configured values are held against. */
export interface ValuesCheck {
  /** What the user configured: value files and `values`, merged; secret ones too, no value is ever shown. */
  values: Values;
  /**
   * Default values that helm recorded with the installed release; undefined when nothing is installed. helm records
   * none of subcharts, so what an old subchart knew is reported as unknown.
   */
  installedDefaults?: Values;
  chart: ChartPackage;
}

/**
 * Keys of the configured values that the new chart does not read, in the order of the values. Where the package leaves
 * a doubt whether a key is read, it counts as known. What its values.schema.json refuses, helm refuses before this.
 */
export function valuesFindings({ values, installedDefaults, chart }: ValuesCheck): ValuesFinding[] {
  const known = knownValues(chart);
  // Text in values may be a template itself (`tpl`) and read the user's own keys.
  const ownTemplates = templateUses(strings(values).filter((text) => text.includes("{{")));
  const finder = new Finder(installedDefaults ?? {}, known, ownTemplates.mentioned);
  finder.walk(values, known, [], "closed", chart.uses);
  return finder.found;
}

/** Walks the configured values beside what the chart knows. */
class Finder {
  readonly found: ValuesFinding[] = [];
  private candidates?: string[][];

  constructor(
    private readonly installed: Values,
    private readonly known: KnownNode,
    private readonly ownReads: readonly string[][],
  ) {}

  walk(values: Values, node: KnownNode, path: readonly string[], inherited: Level, uses: TemplateUses): void {
    const level = looser(node.level, inherited);
    if (level === "open") return;
    for (const [key, value] of Object.entries(values)) {
      const here = [...path, key];
      const child = node.children.get(key);
      // A null only takes a default away; where there is none it does nothing.
      if (value === null) continue;
      if (!child) this.unknown(value, here, node, level, uses);
      else if (isMap(value)) {
        const whole = level !== "closed" && uses.wholeFields.has(key);
        if (!whole) this.walk(value, child, here, level, child.uses ?? uses);
      }
    }
  }

  private unknown(value: unknown, path: string[], node: KnownNode, level: Level, uses: TemplateUses): void {
    const key = path.at(-1) ?? "";
    if (this.ownReads.some((read) => read.every((step, i) => i >= path.length || step === path[i]))) return;
    const dropped = knew(this.installed, path);
    // Read under another name, a key must at least be a word of some template.
    if (level !== "closed" && uses.words.has(key)) return;
    const isClear = dropped || [...node.children.keys()].some((other) => isNear(key, other));
    if (level === "loose" && !isClear) return;
    const old = dig(this.installed, ...path);
    if (isMap(value) && isMap(old) && Object.keys(old).length > 0 && Object.keys(value).length > 0) {
      const gone: KnownNode = { children: new Map(), level: "closed" };
      for (const [below, inside] of Object.entries(value)) {
        if (inside !== null) this.unknown(inside, [...path, below], gone, "closed", uses);
      }
      return;
    }
    const suggestion = this.suggest(path);
    this.found.push({
      path: shown(path),
      problem: dropped ? "dropped" : "unknown",
      ...(suggestion === undefined ? {} : { suggestion }),
      text: keyText(dropped, suggestion),
    });
  }

  /** The known key that was most likely meant; undefined when none is near. */
  suggest(path: readonly string[]): string | undefined {
    this.candidates ??= knownPaths(this.known);
    const last = path.at(-1) ?? "";
    const parent = path.slice(0, -1).join(".");
    const near = this.candidates
      .filter((candidate) => isNear(last, candidate.at(-1) ?? ""))
      .map((candidate) => {
        const otherParent = candidate.slice(0, -1).join(".");
        const sameKey = candidate.at(-1) === last;
        const away = [far(parent, otherParent), far(last, candidate.at(-1) ?? "")] as const;
        return { candidate, sameKey, away, nearParent: parent === otherParent || isNear(parent, otherParent) };
      })
      .sort((a, b) => Number(b.nearParent) - Number(a.nearParent) || a.away[1] - b.away[1] || a.away[0] - b.away[0]);
    const moved = near.filter(({ sameKey }) => sameKey);
    const best = near[0]?.nearParent ? near[0] : moved.length === 1 ? moved[0] : undefined;
    return best && shown(best.candidate);
  }
}

/** True when the installed chart's defaults have the key, or a map without known keys above it. */
function knew(installed: Values, path: readonly string[]): boolean {
  let here: unknown = installed;
  for (const [depth, key] of path.entries()) {
    if (!isMap(here)) return depth > 0;
    if (depth > 0 && Object.keys(here).length === 0) return true;
    if (!Object.hasOwn(here, key)) return false;
    here = here[key];
  }
  return true;
}

/** Edits between two names, upper and lower case alike; two letters in the wrong order are one edit. */
function far(a: string, b: string): number {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  const at = [...left].findIndex((letter, i) => letter !== right[i]);
  const swapped = left.slice(0, at) + (left[at + 1] ?? "") + (left[at] ?? "") + left.slice(at + 2);
  return at >= 0 && swapped === right && left !== right ? 1 : distance(left, right);
}

/** Near enough for a slip of the pen: two edits, one in short names. */
function isNear(a: string, b: string): boolean {
  const length = Math.max(a.length, b.length);
  return far(a, b) <= (length < 3 ? 0 : length < 6 ? 1 : 2);
}

function keyText(dropped: boolean, suggestion: string | undefined): string {
  const what = dropped
    ? "the installed chart has this key, the new one no longer reads it"
    : "the new chart does not read this key; it has no effect";
  return suggestion === undefined ? what : `${what}; meant is perhaps ${suggestion}`;
}

function strings(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(strings) : [];
}

/** A path as `helm --set` takes it: dots inside a key escaped. */
function shown(path: readonly string[]): string {
  return path.map((key) => key.replaceAll(".", "\\.")).join(".");
}
