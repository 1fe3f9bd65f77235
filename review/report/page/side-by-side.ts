import { diffLines, diffWordsWithSpace } from "diff";

/** A part of a line; `changed` where the other side has something else. */
export interface Piece {
  text: string;
  changed: boolean;
}

/** One row of two columns; undefined where a side has no such line. */
export type Row =
  | { kind: "lines"; before?: Piece[]; after?: Piece[] }
  /** Lines that are the same on both sides, folded. */
  | { kind: "same"; lines: string[] };

/** Lines that stay around a change, so that one sees where it is. */
const CONTEXT = 2;
/** Fewer lines than this are not worth a fold. */
const LEAST_FOLD = 3;

/**
 * Two texts line by line, those that belong together beside each other, with what differs within a line marked.
 *
 * @param before undefined where nothing was set.
 * @param after undefined where nothing is left.
 */
export function sideBySide(before: string | undefined, after: string | undefined): Row[] {
  if (before === undefined) return linesOf(after ?? "").map((text) => ({ kind: "lines", after: whole(text) }));
  if (after === undefined) return linesOf(before).map((text) => ({ kind: "lines", before: whole(text) }));
  const parts = diffLines(`${before}\n`, `${after}\n`);
  const rows: Row[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (part === undefined) continue;
    const lines = linesOf(part.value.replace(/\n$/, ""));
    if (!part.added && !part.removed) {
      rows.push(...fold(lines, i > 0, i < parts.length - 1));
      continue;
    }
    // What goes and what comes in its place stand beside each other.
    const next = parts[i + 1];
    const paired = part.removed && next?.added ? linesOf(next.value.replace(/\n$/, "")) : undefined;
    if (paired) i++;
    rows.push(...pair(part.added ? [] : lines, paired ?? (part.added ? lines : [])));
  }
  return rows;
}

function fold(lines: string[], hasBefore: boolean, hasAfter: boolean): Row[] {
  const head = hasBefore ? CONTEXT : 0;
  const tail = hasAfter ? CONTEXT : 0;
  const same = (shown: string[]) =>
    shown.map((text): Row => ({ kind: "lines", before: plain(text), after: plain(text) }));
  if (lines.length - head - tail < LEAST_FOLD) return same(lines);
  return [
    ...same(lines.slice(0, head)),
    { kind: "same", lines: lines.slice(head, lines.length - tail) },
    ...same(lines.slice(lines.length - tail)),
  ];
}

function pair(before: string[], after: string[]): Row[] {
  return Array.from({ length: Math.max(before.length, after.length) }, (_, i): Row => {
    const [old, now] = [before[i], after[i]];
    if (old === undefined) return { kind: "lines", after: whole(now ?? "") };
    if (now === undefined) return { kind: "lines", before: whole(old) };
    const words = diffWordsWithSpace(old, now);
    const side = (other: "added" | "removed") =>
      words
        .filter((word) => !word[other])
        .map(({ value, added, removed }): Piece => ({ text: value, changed: added || removed }));
    return { kind: "lines", before: side("added"), after: side("removed") };
  });
}

const linesOf = (text: string) => text.split("\n");
const whole = (text: string): Piece[] => [{ text, changed: true }];
const plain = (text: string): Piece[] => [{ text, changed: false }];
