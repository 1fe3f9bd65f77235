import { lexer, type Token } from "marked";

/**
 * A piece of a Markdown text, as far as release notes need it. Code, tables, comments and link definitions are left
 * out.
 */
export type Block =
  /** `level` 1 to 6. */
  | { kind: "heading"; level: number; text: string }
  /** One entry of a list at its outermost level; entries below it are joined into it. */
  | { kind: "item"; text: string }
  | { kind: "paragraph"; text: string };

/** Longest line and text that is looked at, in characters: odd texts must not cost time. */
const MAX_LINE = 4000;
const MAX_TEXT = 2_000_000;
/** Marks that can nest; a line with more of them than release notes ever have is left out. */
const MOST_MARKS = 200;

/** Splits a Markdown text into blocks; the texts are plain, see {@link plainText}. */
export function markdownBlocks(markdown: string): Block[] {
  return lexer(bounded(markdown)).flatMap(blocksOf);
}

/**
 * Markdown without its marks: links give their text, images and HTML tags nothing. Code keeps its marks (`` ` ``) and
 * its content as it is. Invisible characters, which could hide or reorder text, are dropped.
 */
export function plainText(markdown: string): string {
  return visible(textOf(lexer(bounded(markdown)), " "));
}

function bounded(markdown: string): string {
  const lines = markdown.slice(0, MAX_TEXT).split(/\r?\n/);
  const usual = (line: string) => (line.match(/[[\]<>*_`!]/g) ?? []).length <= MOST_MARKS;
  return lines.map((line) => (usual(line) ? line.slice(0, MAX_LINE) : "")).join("\n");
}

function blocksOf(token: Token): Block[] {
  switch (token.type) {
    case "heading":
      return block({ kind: "heading", level: Number(token["depth"]), text: textOf(childrenOf(token)) });
    case "paragraph":
    case "text":
      return block({ kind: "paragraph", text: textOf([token]) });
    case "list":
      return itemsOf(token).flatMap((item) => block({ kind: "item", text: textOf(childrenOf(item), " ") }));
    case "blockquote":
      return childrenOf(token).flatMap(blocksOf);
    default:
      return [];
  }
}

/** A heading without a text still ends the section before it. */
function block(made: Block): Block[] {
  // The title of an alert box (`[!WARNING]`) says nothing here.
  const text = visible(made.text).replace(/^\[![A-Z]+\]\s*/, "");
  return text === "" && made.kind !== "heading" ? [] : [{ ...made, text: text.slice(0, MAX_LINE) }];
}

function itemsOf(list: Token): Token[] {
  return "items" in list && Array.isArray(list["items"]) ? (list["items"] as Token[]) : [];
}

function childrenOf(token: Token): Token[] {
  return "tokens" in token ? (token.tokens ?? []) : [];
}

function textOf(tokens: readonly Token[], between = ""): string {
  return tokens.map(textOfOne).join(between);
}

function textOfOne(token: Token): string {
  switch (token.type) {
    case "codespan":
      return token.raw;
    case "br":
    case "space":
      return " ";
    case "list":
      return itemsOf(token)
        .map((item) => ` - ${textOf(childrenOf(item), " ")}`)
        .join("");
    // The box of a task list.
    case "checkbox":
    case "html":
    case "code":
    case "image":
    case "table":
    case "def":
    case "hr":
      return "";
    default:
      if ("tokens" in token && token.tokens) return textOf(token.tokens, token.type === "blockquote" ? " " : "");
      return "text" in token && typeof token.text === "string" ? token.text : "";
  }
}

/** On one line, without characters that nobody sees. */
function visible(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}]+/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
}
