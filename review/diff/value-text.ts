/** Longest value that a review shows, in characters. */
const LONGEST = 300;

/** Two values as a review shows them: compact JSON; of long texts only the lines that differ. */
export function valueTexts(before: unknown, after: unknown): { before?: string; after?: string } {
  if (typeof before === "string" && typeof after === "string" && (before + after).includes("\n")) {
    return changedLines(before, after);
  }
  return {
    ...(before === undefined ? {} : { before: shorten(JSON.stringify(before)) }),
    ...(after === undefined ? {} : { after: shorten(JSON.stringify(after)) }),
  };
}

function changedLines(before: string, after: string): { before: string; after: string } {
  const old = before.split("\n");
  const now = after.split("\n");
  let start = 0;
  while (start < Math.min(old.length, now.length) && old[start] === now[start]) start++;
  let end = 0;
  while (end < Math.min(old.length, now.length) - start && old.at(-1 - end) === now.at(-1 - end)) end++;
  const part = (lines: string[]) => {
    const changed = lines.slice(start, lines.length - end).join("\n");
    return shorten(`${start > 0 ? "…\n" : ""}${changed}${end > 0 ? "\n…" : ""}`);
  };
  return { before: part(old), after: part(now) };
}

function shorten(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}… (${text.length} characters)`;
}
