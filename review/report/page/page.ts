import { createHash } from "node:crypto";
import { figures } from "../figures";
import type { Violation } from "../markdown-policies";
import type { Review } from "../schema";
import { renderTimeline } from "../timeline";
import { versionStep } from "../words";
import { details, refusals, remarks, restarts, risks } from "./details";
import { code, type Html, markup, raw } from "./markup";
import { objectsByRisk, objectsSection } from "./objects";
import { PAGE_SCRIPT } from "./script";
import { PAGE_STYLE } from "./style";

const VERDICTS = { unchanged: "nothing to do", changes: "changes to review", refused: "refused" };

/**
 * The review as one HTML file that loads nothing: verdict and risks first, the timeline as a picture, every object's
 * change with before and after side by side, restarts by system. Everything is in the markup; the script only filters.
 * The policy in its head allows the style and script of this file by their hashes, and nothing else.
 *
 * @param violations what policies said of it, where some were asked.
 */
export function renderPage(review: Review, violations: readonly Violation[] = []): string {
  const timeline = renderTimeline(review);
  const [, timelineStyle = ""] = /<style>([^<]*)<\/style>/.exec(timeline) ?? [];
  const policy = [
    "default-src 'none'",
    `style-src ${hashOf(PAGE_STYLE)} ${hashOf(timelineStyle)}`,
    `script-src ${hashOf(PAGE_SCRIPT)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const title = `Upgrade of ${versionStep(review.identity.chart)}: ${VERDICTS[review.verdict]}`;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${raw(PAGE_STYLE)}</style>
</head>
<body>
<a class="skip" href="#objects-title">Skip to the objects</a>
<header><h1>${title}</h1>
${identity(review)}</header>
<main>
${refusals(review, violations)}${risks(review, objectsByRisk(review))}<section aria-labelledby="order-title"><h2 id="order-title">What happens in which order</h2>
${raw(timeline)}</section>
${remarks(review, violations)}${objectsSection(review)}${restarts(review)}${details(review)}</main>
<footer><p class="quiet">Made by ${code("casa-upgrade plan")}; ${code("casa-upgrade up --plan plan.json")} carries out exactly this, or refuses.</p></footer>
<script>${raw(PAGE_SCRIPT)}</script>
</body>
</html>
`.html;
}

function identity(review: Review): Html {
  const { cluster, release, stack } = review.identity;
  const revision = release.revision === null ? "" : ` (revision ${release.revision})`;
  return markup`<p>Stack ${code(stack)}, release ${code(`${release.namespace}/${release.name}`)}${revision}, cluster ${code(cluster.context)} (${code(cluster.id)}, Kubernetes ${code(cluster.version)}).</p>
<dl class="figures">${figures(review).map(([what, number]) => markup`<dt>${what}</dt><dd>${number}</dd>`)}</dl>
`;
}

function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
