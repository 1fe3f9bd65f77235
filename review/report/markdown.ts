import { figures } from "./figures";
import { markdownCode, markdownText, shorten } from "./escape";
import { details } from "./markdown-details";
import { policySections, type Violation } from "./markdown-policies";
import { fit, MOST_CHARACTERS } from "./markdown-fit";
import type { Review } from "./schema";

/** What the part that is never cut may take at most; details share the rest. */
const TOP_CHARACTERS = MOST_CHARACTERS - 15_000;
/**
 * How long texts may be, and how many refusals are listed, from generous to terse: the first that fits is taken. A
 * chart's or an API server's text may be of any length, and with escapes becomes longer still.
 */
const TERSENESS = [
  { text: 3500, refusals: Number.MAX_SAFE_INTEGER },
  { text: 1000, refusals: 100 },
  { text: 300, refusals: 50 },
  { text: 120, refusals: 25 },
  { text: 40, refusals: 10 },
];
/** Names are at most 253 characters in Kubernetes; a file that was edited by hand may hold anything. */
const LONGEST_NAME = 260;

const CLOSING =
  "Made by `npx casa-upgrade plan`; `npx casa-upgrade up --plan plan.json` carries out exactly this, or refuses.";

type Terseness = (typeof TERSENESS)[number];

const code = (text: string) => markdownCode(shorten(text, LONGEST_NAME));
const plain = (text: string, most: number) => markdownText(shorten(text, most));

/**
 * The review as Markdown for a comment on a pull or merge request: verdict, figures, refusals and risks first, details
 * folded. It stays below what GitHub takes as a comment: the least important details are cut first, with a line that
 * says so. Verdict, figures and risks are never cut; their texts are shortened where even those are too long, and of
 * very many refusals the first are listed.
 *
 * @param violations what policies said of it, where some were asked.
 */
export function renderMarkdown(review: Review, violations: readonly Violation[] = []): string {
  let top = "";
  for (const terseness of TERSENESS) {
    top = topOf(review, violations, terseness);
    if (top.length <= TOP_CHARACTERS) break;
  }
  return fit(top, details(review), CLOSING);
}

function topOf(review: Review, violations: readonly Violation[], terseness: Terseness): string {
  return [
    ...heading(review),
    ...refusals(review, terseness),
    ...policySections(violations, terseness.text, terseness.refusals),
    ...risks(review, terseness),
    ...acknowledged(review, terseness),
  ].join("\n");
}

const VERDICTS = { unchanged: "nothing to do", changes: "changes to review", refused: "refused" };

function heading(review: Review): string[] {
  const { chart, cluster, release, stack } = review.identity;
  const step =
    chart.before === null ? `${code(chart.after)} (install)` : `${code(chart.before)} → ${code(chart.after)}`;
  return [
    `## Upgrade of ${code(chart.name)} ${step}: ${VERDICTS[review.verdict]}`,
    "",
    `Stack ${code(stack)}, release ${code(`${release.namespace}/${release.name}`)}` +
      `${release.revision === null ? "" : ` (revision ${release.revision})`}, ` +
      `cluster ${code(cluster.context)} (${code(cluster.id)}, Kubernetes ${code(cluster.version)}).`,
    "",
    "| | |",
    "|---|---|",
    ...figures(review).map(([what, number]) => `| ${what} | ${number} |`),
    "",
  ];
}

function refusals({ refusals: refused }: Review, { text, refusals: most }: Terseness): string[] {
  if (refused.length === 0) return [];
  const more = refused.length - most;
  return [
    "### Refused",
    "",
    ...refused
      .slice(0, most)
      .flatMap(({ object, problem, fix }) => [
        `- ${code(object)}: ${plain(problem, text)}`,
        `  - Fix: ${plain(fix, text)}`,
      ]),
    ...(more > 0 ? [`- … and ${more} more, which plan.json holds`] : []),
    "",
  ];
}

function risks({ risks: ranked, verdict }: Review, { text }: Terseness): string[] {
  if (ranked.length === 0) return verdict === "changes" ? ["No risks found.", ""] : [];
  const words = { high: "**high**", medium: "medium", low: "low" };
  return [
    "### Risks, the worst first",
    "",
    ...ranked.flatMap(({ severity, title, detail, fix }, i) => [
      `${i + 1}. ${words[severity]}: **${plain(title, text)}**: ${plain(detail, text)}`,
      ...(fix === undefined ? [] : [`   - Fix: ${plain(fix, text)}`]),
    ]),
    "",
  ];
}

/** What policies would refuse otherwise: whoever approves the upgrade approves these with it. */
function acknowledged({ acknowledgements }: Review, { text, refusals: most }: Terseness): string[] {
  if (acknowledgements.length === 0) return [];
  return [
    "### Acknowledged for policies",
    "",
    ...acknowledgements
      .slice(0, most)
      .map(({ policy, until, reason }) => `- ${code(policy)} until ${code(until)}: ${plain(reason, text)}`),
    ...(acknowledgements.length > most ? [`- … and ${acknowledgements.length - most} more`] : []),
    "",
  ];
}
