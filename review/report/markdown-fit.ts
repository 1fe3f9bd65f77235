/** GitHub takes 65,536 characters in a comment; the rest is for what a pipeline writes around it. */
export const MOST_CHARACTERS = 59_000;
/** What each part of the details keeps while others can still give, in characters. */
const FLOOR = 2_500;

/** A part of the report that may be cut. */
export interface Details {
  /** HTML, escaped already. */
  title: string;
  /** What its items are, e.g. "objects". */
  what: string;
  /** Those with a small number are cut first. */
  importance: number;
  /** Written above the items, e.g. the head of a table. */
  head?: string[];
  /** Lines of Markdown that are shown or left out together. */
  items: string[][];
}

/**
 * Puts the report together, in the order given. While it is too long the least important part gives up its last items:
 * first each down to a floor, then, if need be, to nothing.
 */
export function fit(top: string, all: readonly Details[], end: string): string {
  const parts = all.filter(({ items }) => items.length > 0);
  const shown = parts.map(({ items }) => items.length);
  const texts = parts.map((part) => fold(part, part.items.length));
  const leastFirst = [...parts.keys()].sort((a, b) => (parts[a]?.importance ?? 0) - (parts[b]?.importance ?? 0));
  const total = () => [top, ...texts, end].reduce((sum, text) => sum + text.length + 1, 0);
  for (const floor of [FLOOR, 0]) {
    for (const i of leastFirst) {
      const [part, text, now] = [parts[i], texts[i], shown[i]];
      const over = total() - MOST_CHARACTERS;
      if (over <= 0 || !part || text === undefined || now === undefined) continue;
      const kept = itemsWithin(part, now, Math.max(floor, text.length - over));
      shown[i] = kept;
      texts[i] = fold(part, kept);
    }
  }
  return `${[top, ...texts, end].join("\n")}\n`;
}

/** How many of the first items fit into so many characters. */
function itemsWithin(part: Details, most: number, room: number): number {
  const none = fold(part, 0).length + (part.head ?? []).join("\n").length + 1;
  let length = none;
  let kept = 0;
  while (kept < most) {
    length += (part.items[kept] ?? []).reduce((sum, line) => sum + line.length + 1, 0);
    if (length > room) break;
    kept++;
  }
  return kept;
}

function fold({ title, what, head = [], items }: Details, shown: number): string {
  const left = items.length - shown;
  const rest =
    left > 0 ? ["", `… ${left} of ${items.length} ${what} are left out here; plan.json holds all of them.`] : [];
  const body = shown > 0 ? [...head, ...items.slice(0, shown).flat()] : [];
  return [`<details><summary>${title}</summary>`, "", ...body, ...rest, "", "</details>", ""].join("\n");
}
