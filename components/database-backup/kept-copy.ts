import { compactTime } from "./manifest";

/** Bytes that PostgreSQL takes of a name; it cuts off the rest without an error (NAMEDATALEN in its source). */
const NAME_BYTES = 63;
const COPY = /_before_restore_\d{8}t\d{6}z$/;

/** Whether a database is one that a restore kept. */
export function isKeptCopy(name: string): boolean {
  return COPY.test(name);
}

/**
 * The name that a replaced database is kept under: its own, as much as there is room for, and the time. Where that is
 * taken, by a restore in the same second or of a database whose name begins alike, a later second is as good.
 */
export function keptName(database: string, taken: ReadonlySet<string>, at: Date): string {
  for (let later = 0; ; later++) {
    const suffix = `_before_restore_${compactTime(new Date(at.getTime() + later * 1000)).toLowerCase()}`;
    const name = firstBytes(database, NAME_BYTES - suffix.length) + suffix;
    if (!taken.has(name)) return name;
  }
}

/** As many whole characters as fit into so many bytes of UTF-8. */
function firstBytes(text: string, bytes: number): string {
  let kept = "";
  for (const character of text) {
    if (Buffer.byteLength(kept + character) > bytes) break;
    kept += character;
  }
  return kept;
}
