import { compare, parse, type SemVer } from "semver";
import { parseDocument } from "yaml";
import { z } from "zod";
import type { ChartPackage } from "../../helm/chart-package";
import { KUBE_YAML } from "../../kubernetes/kube-yaml";
import type { ChartNote } from "../report/schema";
import { type Block, markdownBlocks, plainText } from "./markdown";
import { headingVersion, kindOfHeading, splitKind } from "./note-kinds";

/** The versions whose notes are wanted, and the package that has them. */
export interface NotesQuery {
  /** Installed chart version; undefined: not installed, then there is nothing between and no note. */
  before: string | undefined;
  /** Configured chart version. */
  after: string;
  /** Usually the configured chart; of a downgrade the installed one knows more. */
  chart: Pick<ChartPackage, "name" | "version" | "annotations" | "notes">;
}

/** Longest text of a note, in characters, and largest number of notes. */
const MAX_TEXT = 400;
const MAX_NOTES = 200;

/**
 * The chart's own notes of the versions after `before` up to `after`, newest first: `artifacthub.io/changes` of
 * Chart.yaml for the chart's own version, and the sections of its CHANGELOG, UPGRADE and similar files, of a README
 * only what stands under a heading on upgrading or changes. What both say is given once. For a downgrade they are the
 * notes of the versions that are taken back. Texts are plain and bounded, but still the chart author's words.
 */
export function chartNotes({ before, after, chart }: NotesQuery): ChartNote[] {
  const [from, to] = [parse(before), parse(after)];
  if (!from || !to) return [];
  const [low, high] = compare(from, to) <= 0 ? [from, to] : [to, from];
  const isBetween = (version: SemVer) => compare(version, low) > 0 && compare(version, high) <= 0;
  const found = [...annotationNotes(chart), ...chart.notes.flatMap((file) => fileNotes(file, chart.name))];
  const wanted = found.filter(({ at }) => isBetween(at)).sort((a, b) => compare(b.at, a.at));
  return withoutDuplicates(wanted)
    .slice(0, MAX_NOTES)
    .map(({ at, source, kind, text }) => ({
      version: at.version,
      source,
      ...(kind === undefined ? {} : { kind }),
      text: text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1).trimEnd()}…` : text,
    }));
}

interface Note {
  at: SemVer;
  source: string;
  kind?: string;
  text: string;
}

const changesSchema = z.array(
  z.union([z.string(), z.looseObject({ kind: z.string().nullish(), description: z.coerce.string() })]),
);

/** Artifact Hub's annotation; a malformed one gives nothing, it is for show only. */
function annotationNotes(chart: NotesQuery["chart"]): Note[] {
  const at = parse(chart.version);
  const annotation = chart.annotations["artifacthub.io/changes"];
  if (!at || annotation === undefined) return [];
  const document = parseDocument(annotation, { ...KUBE_YAML, prettyErrors: false });
  const changes = changesSchema.safeParse(document.errors.length > 0 ? undefined : safely(() => document.toJS()));
  return (changes.data ?? []).flatMap((change) => {
    const [text, stated] =
      typeof change === "string" ? [change] : [change.description, kindOfHeading(change.kind ?? "")];
    return note({ at, source: "Chart.yaml", text: plainText(text) }, stated);
  });
}

function safely(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function fileNotes({ file, text }: { file: string; text: string }, chart: string): Note[] {
  const blocks = markdownBlocks(text);
  const wanted = /(?:^|\/)readme[^/]*$/i.test(file) ? historySections(blocks) : blocks;
  const notes: Note[] = [];
  let section: { at: SemVer; level: number; kind?: string } | undefined;
  let kind: string | undefined;
  for (const block of wanted) {
    if (block.kind !== "heading") {
      if (section) notes.push(...note({ at: section.at, source: file, text: block.text }, kind ?? section.kind));
      continue;
    }
    const at = headingVersion(block.text, chart);
    if (at) section = { at, level: block.level, kind: kindOfHeading(block.text) };
    else if (section && block.level <= section.level) section = undefined;
    kind = at ? undefined : kindOfHeading(block.text);
  }
  return notes;
}

/** What stands under headings on upgrading or changes. */
function historySections(blocks: Block[]): Block[] {
  let level: number | undefined;
  return blocks.filter((block) => {
    if (block.kind === "heading") {
      const isHistory = /\b(?:upgrad|migrat|change ?log|breaking change|release notes|notable changes)/i.test(
        block.text,
      );
      if (level !== undefined && block.level <= level) level = undefined;
      if (isHistory) level ??= block.level;
    }
    return level !== undefined;
  });
}

/** A note with the kind that its text begins with, else the stated one; none when nothing is left of the text. */
function note(raw: Note, stated: string | undefined): Note[] {
  const { kind = stated, text } = splitKind(raw.text);
  return /\w/.test(text) ? [{ ...raw, text, ...(kind === undefined ? {} : { kind }) }] : [];
}

/** Keeps of notes that say the same the longer one, at the place of the first. */
function withoutDuplicates(notes: Note[]): Note[] {
  const kept: Note[] = [];
  for (const next of notes.filter((note) => !isSaidByTwo(note, notes))) {
    const at = kept.findIndex((old) => saysTheSame(old, next));
    const old = kept[at];
    if (!old) kept.push(next);
    else if (next.text.length > old.text.length) kept[at] = { ...next, kind: next.kind ?? old.kind };
    else old.kind ??= next.kind;
  }
  return kept;
}

/** True for a note of Chart.yaml that puts two entries of a file into one. */
function isSaidByTwo(note: Note, notes: readonly Note[]): boolean {
  const words = wordsOf(note.text);
  if (note.source !== "Chart.yaml" || words.size < 4) return false;
  const others = notes
    .filter((other) => other.source !== note.source && compare(other.at, note.at) === 0 && kindsFit(other, note))
    .map((other) => new Set([...wordsOf(other.text)].filter((word) => words.has(word))))
    .filter(({ size }) => size >= 2);
  return others.some((a, i) => others.slice(i + 1).some((b) => new Set([...a, ...b]).size >= words.size * SAME_WORDS));
}

function kindsFit(a: Note, b: Note): boolean {
  return a.kind === undefined || b.kind === undefined || a.kind === b.kind;
}

/** Share of the shorter text's words that the other one must have too. */
const SAME_WORDS = 0.75;

function saysTheSame(a: Note, b: Note): boolean {
  if (compare(a.at, b.at) !== 0) return false;
  const [words, others] = [wordsOf(a.text), wordsOf(b.text)].sort((x, y) => x.size - y.size);
  if (!words || !others) return false;
  const shared = [...words].filter((word) => others.has(word)).length;
  if (shared === words.size && words.size === others.size) return true;
  // Entries of one file are apart on purpose, and so are those of unlike kinds.
  if (a.source === b.source || !kindsFit(a, b)) return false;
  return words.size >= 2 && shared / words.size >= SAME_WORDS;
}

/** Words that carry meaning, singular and plural alike. */
function wordsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}](?:[\p{L}\p{N}._/-]*[\p{L}\p{N}])?/gu) ?? [];
  return new Set(words.filter((word) => !FILLERS.has(word)).map((word) => word.replace(/(?<=\w{3})s$/, "")));
}

const FILLERS = new Set(["a", "an", "and", "as", "for", "in", "is", "it", "its", "of", "on", "the", "to", "with"]);
