import { expect } from "chai";
import { markdownCode, markdownText, shorten, visibleLine, xmlText } from "../../../../review/report/escape";
import { renderMarkdown } from "../../../../review/report/markdown";
import { type Review, reviewSchema } from "../../../../review/report/schema";
import { summarize } from "../../../../review/report/summary";
import { renderTimeline } from "../../../../review/report/timeline";
import { reviewOf, sampleReview } from "../../../fixtures/review";
import { parseXml } from "../../../fixtures/xml";

/** What an author of a chart, or of an object on the cluster, may try. */
const ATTACKS = [
  "<img src=x onerror=alert(1)>",
  "</summary></details><script>alert(1)</script>",
  "<!-- hidden",
  "a | b | c |",
  "`code` ``more`` ```",
  "\n\n## Approved\n/merge\n- [x] done",
  "\r\n/close\r\n",
  "@everyone and @org/team, mail me@example.org",
  "fixes #12, org/repo#3, GH-4, !5, ~bug, %1.0, $6, &7",
  "[click](https://evil.example/x) ![](http://evil.example/y.png)",
  "see https://evil.example/ or www.evil.example",
  "**bold** _em_ __strong__ ~~gone~~ [^1]",
  "\\`a\\|b\\",
  "| --- |",
  "---",
  "1. list",
  "> quotation",
  "# heading",
  "&lt;b&gt; &#64;everyone &amp;",
  "$`x`$ $$y$$",
  "\u202eevil\u202c \u2066x\u2069 zero\u200bwidth\ufeff",
  "\u001b]8;;https://evil.example\u0007x\u001b[2J",
  "lone \ud800 half",
  "]]> \uffff \u0000",
  " ",
  "",
];

/** The review with a text in every place that takes any text. */
function planted(text: string): Review {
  const review = structuredClone(sampleReview());
  const visit = (node: unknown, replace: (text: string) => void): void => {
    if (typeof node === "string") {
      replace(text);
      if (!reviewSchema.safeParse(review).success) replace(node);
    } else if (Array.isArray(node)) {
      node.forEach((item, i) => visit(item, (value) => (node[i] = value)));
    } else if (typeof node === "object" && node !== null) {
      const map = node as Record<string, unknown>;
      for (const key of Object.keys(map)) visit(map[key], (value) => (map[key] = value));
    }
  };
  visit(review, () => undefined);
  return { ...review, reviewed: { [text]: text } };
}

/** Lines of the report begin with words or marks of ours, never with a foreign text. */
const OWN_LINE =
  /^($|#{2,3} (Upgrade of|Refused|Risks)|\| |\|---|- (`|<code>|…|update|delete|create|keep|dropped|unknown|required|invalid|Group|Left alone|unchecked|rejected)|  - |   - Fix: |\d+\. (\*\*high|medium|low)|<details><summary>[^<]*<\/summary>$|<\/details>$|… \d+ of|Stack |Why a field|Versions: |The chart as|Made by|\d+ at a time)/;

/** What is left of a report after its code, its tags and its own bold type. */
function withoutOwnMarkup(text: string): string {
  return text
    .replace(/`[^`\n]+`/g, "")
    .replace(/<code>[^<`|\n]*<\/code>/g, "")
    .replace(/<\/?details>|<\/?summary>|<br>/g, "")
    .replace(/^(\d+\. )(?:\*\*high\*\*|medium|low): \*\*(.*?)\*\*: /gm, "$1$2 ")
    .replace(/^Stack .*$/m, "");
}

describe("foreign text in a review", () => {
  for (const attack of ATTACKS) {
    it(`in every field, ${JSON.stringify(attack)} stays text`, () => {
      const review = planted(attack);
      const text = renderMarkdown(review);
      const warnings = new Set(text.split("\n").filter((line) => line.startsWith(`- ${markdownText(attack)}`)));
      for (const line of text.split("\n")) if (!warnings.has(line)) expect(line).to.match(OWN_LINE);
      const rest = withoutOwnMarkup(text);
      expect(rest).not.to.match(/[`<[\]~\\$]|\*|!\[/);
      expect(rest).not.to.match(/@(?=\w)|#(?=\w)(?!\d+;)|:\/\/|www\.|GH-\d/);
      // Nothing is hidden: no control character and no format character but our own zero-width space.
      expect(text).not.to.match(/[^\P{C}\n\u200b]/u);
      expect(summarize(review)).not.to.match(/[^\P{C}\n]/u);
      parseXml(renderTimeline(review));
    });
  }

  it("a table keeps its columns", () => {
    const text = renderMarkdown(planted("a | b \\| c `d|e`"));
    const tables = text.split("\n").filter((line) => line.startsWith("|"));
    const columns = (line: string) => line.split(/(?<!\\)\|/).length - 2;
    let head = 0;
    tables.forEach((line, i) => {
      if (tables[i + 1]?.startsWith("|---")) head = columns(line);
      expect(columns(line), line).to.equal(head);
    });
    expect(tables.length).to.be.greaterThan(15);
  });

  it("endless texts everywhere stay below the limit of a comment", () => {
    for (const text of ["<".repeat(20_000), "|`".repeat(5000), "word ".repeat(4000), "@a".repeat(5000)]) {
      expect(renderMarkdown(planted(text)).length).to.be.lessThan(60_000);
    }
  });

  it("a message that is only text reads as it was", () => {
    const message = 'spec.selector: Invalid value: "a_b": field is immutable -> delete it (--cascade=orphan)';
    expect(markdownText(message)).to.equal(message);
    expect(markdownText("v1.2.3, 100 % of a/b:c+d = e; it's 3 > 2?")).to.equal(
      "v1.2.3, 100 % of a/b:c+d = e; it's 3 > 2?",
    );
  });

  it("at the start of a list item it begins no list, heading, quotation or rule", () => {
    for (const mark of ["-", "+", "#", "##", ">", "---", "1.", "23)", "==="]) {
      expect(markdownText(`${mark} text`), mark).to.match(/^\d*&#\d+;/);
      expect(markdownText(mark), mark).to.match(/^\d*&#\d+;/);
    }
    expect(markdownText("-v is a flag, 1.5 a number")).to.equal("-v is a flag, 1.5 a number");
  });

  it("what is escaped reads as it was after rendering", () => {
    const rendered = (text: string) =>
      text.replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code))).replace(/\u200b/g, "");
    for (const text of ["<b>&amp;</b>", "a|b", "*x* _y_ `z`", "a@b.c #1 !2", "https://a.b/?c=[d]~e$f\\g"]) {
      expect(rendered(markdownText(text))).to.equal(text);
      expect(rendered(markdownCode(`${text}|\``).replace(/<\/?code>/g, ""))).to.equal(`${text}|\``);
      expect(rendered(xmlText(text))).to.equal(text);
    }
  });

  it("code is in backticks unless it holds what backticks or tables do not", () => {
    expect(markdownCode('{"a":"<b>\\n@c"}')).to.equal('`{"a":"<b>\\n@c"}`');
    expect(markdownCode("a|b")).to.equal("<code>a&#124;b</code>");
    expect(markdownCode("a`b")).to.equal("<code>a&#96;b</code>");
    expect(markdownCode(" a")).to.equal("<code>&nbsp;a</code>");
    expect(markdownCode("")).to.equal("<code>&nbsp;</code>");
    expect(markdownCode("a\nb")).to.equal("`a⏎b`");
  });

  it("what cannot be seen is shown", () => {
    expect(visibleLine("a\u202eb\u200bc\u001bd")).to.equal("a<U+202E>b<U+200B>c<U+001B>d");
    expect(visibleLine(" a\t\n b\u2028c ")).to.equal("a b c");
  });

  it("a text is shortened between characters, never within one", () => {
    expect(shorten("abcdef", 6)).to.equal("abcdef");
    expect(shorten("abcdefg", 6)).to.equal("abcde…");
    expect(shorten("ab😀cd", 4)).to.equal("ab…");
    expect(shorten("😀".repeat(10), 4)).to.equal("😀…");
  });

  it("a secret that the review hides stays hidden", () => {
    const text = renderMarkdown(reviewOf({ ...sampleReview() }));
    expect(text).to.contain("`data.password`: `[secret]` → `[secret]`");
  });
});
