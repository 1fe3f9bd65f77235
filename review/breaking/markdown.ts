/** A piece of a Markdown text, as far as release notes need it. Code, tables, comments and link definitions are left out. */
export type Block =
  /** `level` 1 to 6. */
  | { kind: "heading"; level: number; text: string }
  /** One entry of a list at its outermost level; entries below it are joined into it. */
  | { kind: "item"; text: string }
  | { kind: "paragraph"; text: string };

/** Splits a Markdown text into blocks; the texts are plain, see {@link plainText}. */
export function markdownBlocks(markdown: string): Block[] {
  const reader = new BlockReader();
  const lines = markdown.replace(/<!--[\s\S]*?(?:-->|$)/g, "").split(/\r?\n/);
  for (const line of lines) reader.line(line);
  return reader.end();
}

/** Longest line and block that is looked at, in characters; keeps odd texts from costing time. */
const MAX_LINE = 4000;

/** A line of a quotation as if it were none; the title of an alert box (`[!WARNING]`) goes. */
function unquoted(line: string): string {
  return line.replace(/^ {0,3}(?:> ?)+/, "").replace(/^\s*\[!\w+\]\s*$/, "");
}

class BlockReader {
  private readonly blocks: Block[] = [];
  private open?: { kind: "item" | "paragraph"; indent: number; lines: string[] };
  private fence?: string;
  private afterBlank = false;

  line(raw: string): void {
    const line = unquoted(raw.slice(0, MAX_LINE).replaceAll("\t", "    "));
    const fence = /^\s*(?:[-*+]\s+)?(`{3,}|~{3,})/.exec(line)?.[1];
    if (this.fence !== undefined) {
      if (fence?.startsWith(this.fence)) this.fence = undefined;
      return;
    }
    if (fence !== undefined) {
      this.fence = fence;
      if (this.open?.kind === "paragraph") this.close();
      return;
    }
    if (line.trim() === "") {
      if (this.open?.kind === "paragraph") this.close();
      this.afterBlank = true;
      return;
    }
    this.text(line);
    this.afterBlank = false;
  }

  end(): Block[] {
    this.close();
    return this.blocks;
  }

  private text(line: string): void {
    const indent = line.length - line.trimStart().length;
    const [, marks, title = ""] = /^ {0,3}(#{1,6})(?:\s+(.*?))?\s*#*$/.exec(line) ?? [];
    if (marks !== undefined) return this.heading(marks.length, title);
    if (/^ {0,3}(?:=+|-+)\s*$/.test(line) && this.open?.kind === "paragraph" && this.open.lines.length === 1) {
      const [underlined = ""] = this.open.lines;
      this.open = undefined;
      return this.heading(line.trim().startsWith("=") ? 1 : 2, underlined);
    }
    if (/^\s*(?:\||\[[^\]]+\]:\s|(?:[-*_]\s*){3,}$)/.test(line)) return;
    // The box of a task list says nothing here.
    const [, entry] = /^\s*(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(.*)$/.exec(line) ?? [];
    const inItem = this.open?.kind === "item";
    if (entry !== undefined && !(inItem && indent > (this.open?.indent ?? 0) + 1)) {
      this.close();
      this.open = { kind: "item", indent, lines: [entry] };
    } else if (entry !== undefined) {
      this.open?.lines.push(`- ${entry}`);
    } else if (inItem && this.afterBlank && indent <= (this.open?.indent ?? 0)) {
      this.close();
      this.open = { kind: "paragraph", indent, lines: [line] };
    } else if (this.open) {
      this.open.lines.push(line);
    } else if (indent < 4) {
      this.open = { kind: "paragraph", indent, lines: [line] };
    }
  }

  private heading(level: number, title: string): void {
    this.close();
    this.blocks.push({ kind: "heading", level, text: plainText(title) });
  }

  private close(): void {
    const text = plainText((this.open?.lines.join(" ") ?? "").slice(0, MAX_LINE));
    if (this.open && text !== "") this.blocks.push({ kind: this.open.kind, text });
    this.open = undefined;
  }
}

/**
 * Markdown without its marks: links give their text, images and HTML tags nothing. Code keeps its marks (`` ` ``) and its
 * content as it is. Invisible characters, which could hide or reorder text, are dropped.
 */
export function plainText(markdown: string): string {
  const parts = markdown.replace(/[\p{Cc}\p{Cf}]+/gu, " ").split(/(`+[^`]+`+)/);
  return parts
    .map((part, i) => (i % 2 === 1 ? part : withoutMarks(part)))
    .join("")
    .replace(/(\*\*|__)(?=\S)(.*?\S)\1/g, "$2")
    .replace(/\s+/g, " ")
    .trim();
}

function withoutMarks(text: string): string {
  return text
    .replace(/!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])/g, "")
    .replace(/\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])/g, "$1")
    .replace(/<(https?:\/\/[^>\s]+)>/g, "$1")
    .replace(/<\/?[A-Za-z][^<>]*>/g, "")
    .replace(/(?<![\w*])([*_])(?=[^\s*_])([^*_]*[^\s*_])\1(?![\w*])/g, "$2");
}
