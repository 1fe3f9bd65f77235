import { markdownCode, markdownText, shorten } from "./escape";

/** What a policy found in a preview. */
export interface Violation {
  policy: string;
  /** It refuses the upgrade; else it advises. */
  mandatory: boolean;
  /** Its message, over several lines. */
  text: string;
}

/** What policies refuse, and what they advise, folded; for the top of the report. */
export function policySections(
  violations: readonly Violation[],
  mostCharacters: number,
  mostEntries: number,
): string[] {
  const refused = violations.filter(({ mandatory }) => mandatory);
  const advised = violations.filter(({ mandatory }) => !mandatory);
  const list = (of: readonly Violation[]) => {
    const lines = of.slice(0, mostEntries).map(({ policy, text }) => entry(policy, text, mostCharacters));
    return of.length > mostEntries ? [...lines, `- … and ${of.length - mostEntries} more`] : lines;
  };
  return [
    ...(refused.length > 0 ? ["### Refused by policies", "", ...list(refused), ""] : []),
    ...(advised.length > 0
      ? [
          `<details><summary>Advice of policies (${advised.length})</summary>`,
          "",
          ...list(advised),
          "",
          "</details>",
          "",
        ]
      : []),
  ];
}

function entry(policy: string, text: string, most: number): string {
  const lines = text.split("\n").map((line) => markdownText(shorten(line.trim(), most)));
  return [`- ${markdownCode(policy)}: ${lines[0] ?? ""}`, ...lines.slice(1).map((line) => `  - ${line}`)].join("\n");
}
