import { htmlText } from "../escape";

/** Markup, as opposed to text: only {@link markup} and {@link raw} make it, so nothing gets in without escapes. */
export interface Html {
  html: string;
}

type Part = Html | string | number | undefined | readonly Part[];

/** A template of markup; whatever is put in is text unless it is markup already. Lists are joined. */
export function markup(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return { html: strings.reduce((html, string, i) => html + htmlOf(parts[i - 1]) + string) };
}

/** Markup that was made elsewhere. */
export function raw(html: string): Html {
  return { html };
}

/** Text in which every blank counts. */
export function code(text: string): Html {
  return markup`<code>${text}</code>`;
}

/** A folded part, or nothing when there is nothing in it. */
export function folded(
  title: string,
  items: readonly Html[],
  wrap: (items: readonly Html[], title: string) => Html,
): Html {
  if (items.length === 0) return raw("");
  return markup`<details><summary>${title} (${items.length})</summary><div class="inside">${wrap(items, title)}</div></details>
`;
}

export function list(items: readonly Html[]): Html {
  return markup`<ul>${items.map((item) => markup`<li>${item}</li>`)}</ul>`;
}

/** A table that scrolls by itself where it is too wide, by keyboard, too. */
export function table(heads: readonly string[]): (rows: readonly Html[], title: string) => Html {
  return (rows, title) => markup`<div class="wide" tabindex="0" role="region" aria-label="${title}, table">
<table><thead><tr>${heads.map((head) => markup`<th scope="col">${head}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

export function row(...cells: (Html | string | number)[]): Html {
  return markup`<tr>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>`;
}

function htmlOf(part: Part): string {
  if (part === undefined) return "";
  if (typeof part === "string") return htmlText(part);
  if (typeof part === "number") return String(part);
  return "html" in part ? part.html : part.map(htmlOf).join("");
}
