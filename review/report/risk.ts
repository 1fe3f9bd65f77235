import { shorten } from "./escape";
import type { FoundSections, Review, Risk } from "./schema";

/** What risks are derived from. */
export type RiskSections = FoundSections & { runtime?: Pick<Review["runtime"], "backup"> };

/** Things that one risk names before it counts the rest. */
const NAMED = 10;
/** Longest text of one thing, in characters: an API server's message may run over pages. */
const LONGEST = 300;

/** One risk about all these things, or none when there are none. */
export function risk(
  severity: Risk["severity"],
  id: string,
  title: string,
  things: readonly string[],
  fix?: string,
): Risk[] {
  if (things.length === 0) return [];
  return [{ severity, id, title, detail: named(things), ...(fix === undefined ? {} : { fix }) }];
}

/**
 * The first things by name, the others by number.
 *
 * @param total how many there are, where not all are in the list.
 */
export function named(things: readonly string[], separator = "; ", total = things.length): string {
  const more = total - Math.min(NAMED, things.length);
  return [...things.slice(0, NAMED).map(atMost), ...(more > 0 ? [`and ${more} more`] : [])].join(separator);
}

/** A text at a length that leaves room for others. */
export function atMost(text: string): string {
  return shorten(text, LONGEST);
}
