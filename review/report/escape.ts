/**
 * Text from charts, clusters and config may hold anything, for example what an attacker wrote into a changelog. These
 * functions make it fit for terminals, Markdown, HTML and XML.
 */

/** Characters that are not seen, or that change how others are seen: controls, bidirectional overrides, zero widths. */
const INVISIBLE = /[\p{NChar}\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/**
 * One line with nothing hidden in it: white space becomes a blank, what is invisible shows as its code (`<U+202E>`).
 */
export function visibleLine(text: string): string {
  return text.replace(/\s+/g, " ").trim().replace(INVISIBLE, codeName);
}

/** At most so many characters, the last one an ellipsis where something is left out; never half of a character. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const cut = text.slice(0, most - 1);
  return `${/[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}

/**
 * Text for any place within a line of Markdown, in table cells and in HTML: no markup, no HTML, no links, nobody and
 * nothing called by name.
 */
export function markdownText(text: string): string {
  return (
    visibleLine(text)
      // Entities, because they hold in HTML and in tables, too. An underscore within a word is never markup.
      .replace(/[\\`*[\]|~<&$]|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])/g, entity)
      // Bare addresses become links: a reviewer would follow one that the chart's author wrote.
      .replace(/:(?=\/\/)/g, entity)
      .replace(/(?<=\bwww)\./gi, entity)
      // A name after one of these calls people (@) or links issues, merge requests and the like, on GitHub or GitLab.
      // Entities would not help, they are read before such names are looked for.
      .replace(/(?<!&)[@#!%^](?=[\p{L}\p{N}"_])/gu, "$&\u200b")
      .replace(/\bGH-(?=\d)/gi, "$&\u200b")
      // At the start of a list item these would begin a list, a heading or a quotation.
      .replace(/^>|^[-+=#](?=[-+=# ]|$)|(?<=^\d+)[.)](?= |$)/, entity)
  );
}

/** The same as code, where the reader sees every blank. */
export function markdownCode(text: string): string {
  const line = text.replace(/\r\n|\r|\n/g, "⏎").replace(INVISIBLE, codeName);
  // Backticks hide all other markup, but not a table's bar; then only an element holds in every place.
  if (/^\S(.*\S)?$/.test(line) && !/[`|]/.test(line)) return `\`${line}\``;
  return `<code>${line.replace(/[^\p{L}\p{N} ./+=;,-]/gu, entity).replace(/^ | $/g, "&nbsp;") || "&nbsp;"}</code>`;
}

/** Text for XML, as content and in attributes. What XML cannot hold at all is invisible, and so shows as its code. */
export function xmlText(text: string): string {
  return visibleLine(text).replace(/[&<>"']/g, entity);
}

/** Text for HTML, as content and in attributes: lines and blanks stay, what is invisible shows as its code. */
export function htmlText(text: string): string {
  return text
    .replace(INVISIBLE, (character) => (/[\n\t]/.test(character) ? character : codeName(character)))
    .replace(/[&<>"']/g, entity);
}

function entity(character: string): string {
  return `&#${character.codePointAt(0)};`;
}

function codeName(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}
