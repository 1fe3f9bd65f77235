import { isMap } from "./objects";

const [QUOTE, BACKSLASH, OPEN, CLOSE, END] = [...'"\\{}]'].map((char) => char.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
  number,
];

/**
 * Reads the items of a list out of its JSON as it arrives, so that a long list is never held whole: as text and as
 * objects at once, 50,000 small ones take 200 MiB more.
 */
export class ListItems {
  /** What has not been handed on: the text before the items, then the item that is not yet complete. */
  private rest: Buffer = Buffer.alloc(0);
  private readonly scanner = new Scanner();
  private state: "before" | "items" | "after" = "before";

  /** @param visit is given the items of each part that arrives. */
  constructor(private readonly visit: (items: object[]) => void) {}

  /** @returns false when an item is no JSON. */
  push(part: Buffer): boolean {
    if (this.state === "after") return true;
    const text = this.rest.length > 0 ? Buffer.concat([this.rest, part]) : part;
    if (this.state === "items") return this.take(text, this.rest.length);
    // As latin1 every byte is one character, so places in the text are places in the buffer.
    const found = /"items"\s*:\s*\[/.exec(text.toString("latin1"));
    this.rest = text;
    if (!found) return true;
    this.state = "items";
    const begin = found.index + found[0].length;
    return this.take(text.subarray(begin), 0);
  }

  /**
   * To be called when all has arrived.
   *
   * @returns whether it was a list, with all of its items.
   */
  end(): boolean {
    if (this.state !== "before") return this.state === "after";
    const list = parsed(this.rest.toString());
    // No items at all, which may be written as null.
    return isMap(list) && (list["items"] ?? null) === null;
  }

  /** @param from where what is new begins. */
  private take(text: Buffer, from: number): boolean {
    const items: unknown[] = [];
    const { done, handed } = this.scanner.scan(text, from, (begin, end) =>
      items.push(parsed(text.toString("utf8", begin, end))),
    );
    if (!items.every(isMap)) return false;
    // A copy, so that the whole part is not held for the sake of its end.
    this.rest = Buffer.from(text.subarray(handed));
    if (done) this.state = "after";
    if (items.length > 0) this.visit(items);
    return true;
  }
}

/** Undefined when it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Finds where the objects of a JSON array begin and end. */
class Scanner {
  private depth = 0;
  private inText = false;
  private escaped = false;

  /**
   * Goes on where it ended.
   *
   * @param text what was not handed on yet, and what is new.
   * @param found told each object that is complete.
   * @returns whether the array ended, and up to where `text` is no longer needed.
   */
  scan(text: Buffer, from: number, found: (begin: number, end: number) => unknown): { done: boolean; handed: number } {
    let begin = this.depth > 0 ? 0 : -1;
    for (let at = from; at < text.length; at++) {
      const char = text[at];
      if (this.inText) {
        if (this.escaped) this.escaped = false;
        else if (char === BACKSLASH) this.escaped = true;
        else if (char === QUOTE) this.inText = false;
      } else if (char === QUOTE) this.inText = true;
      else if (char === OPEN && this.depth++ === 0) begin = at;
      else if (char === CLOSE && --this.depth === 0) {
        found(begin, at + 1);
        begin = -1;
      } else if (char === END && this.depth === 0) return { done: true, handed: at + 1 };
    }
    return { done: false, handed: begin >= 0 ? begin : text.length };
  }
}
