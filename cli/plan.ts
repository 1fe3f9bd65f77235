import { UserError } from "../shared/user-error";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseReview, renderJson } from "../review/report/json";
import { renderMarkdown } from "../review/report/markdown";
import type { Violation } from "../review/report/markdown-policies";
import { renderPage } from "../review/report/page/page";
import type { Review } from "../review/report/schema";
import { summarize } from "../review/report/summary";
import { renderTimeline } from "../review/report/timeline";
import type { Target } from "./arguments";
import { openStack, preview } from "./engine";
import { colored, type Outcome, say, styled } from "./output";
import { withProgress } from "./progress";

/** Exit codes of `casa-upgrade plan`; docs/cli.md has all. */
const EXIT = { unchanged: 0, refused: 1, changes: 2 } as const;

/**
 * Previews the upgrade and writes the review as plan.md, plan.html, plan.json and plan.svg into a folder. A refused
 * upgrade is written, too, as far as it was reviewed.
 *
 * @throws UserError when there is no review because the upgrade was refused early, with the reasons.
 */
export async function planCommand(target: Target, out = "."): Promise<Outcome> {
  const { review, errors, violations } = await makeReview(target);
  const files = writeReview(review, violations, out);
  say(colored(summarize(review)));
  const advice = violations.filter(({ mandatory }) => !mandatory).map(({ policy, text }) => ({ policy, text }));
  for (const { policy, text } of advice) say(`\nadvice: policy ${policy}: ${text}`);
  say(`\nwritten: ${files.join(", ")}`);
  for (const error of errors) console.error(`\n${styled("red", "error:", process.stderr)} ${error}`);
  const verdict = errors.length > 0 ? "refused" : review.verdict;
  const { identity, risks, refusals, warnings } = review;
  return { code: EXIT[verdict], result: { verdict, identity, risks, refusals, errors, advice, warnings, files } };
}

/**
 * Runs a preview and reads the review that its program left.
 *
 * @param configFile another configuration than the stack's file.
 * @throws UserError when there is none.
 */
export async function makeReview(
  target: Target,
  configFile?: string,
): Promise<{ review: Review; errors: string[]; violations: Violation[] }> {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "casa-upgrade-plan-"));
  try {
    const report = path.join(scratch, "review.json");
    const run = await withProgress("previewing the upgrade", async () =>
      preview(await openStack(target), target, report, configFile),
    );
    if (!fs.existsSync(report)) {
      throw new UserError(
        "no-review",
        run.errors.join("\n") || "the preview left no review; is this the casa-upgrade project?",
      );
    }
    const review = parseReview(fs.readFileSync(report, "utf8"));
    return { review, errors: run.ok ? [] : run.errors, violations: run.violations };
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

function writeReview(review: Review, violations: readonly Violation[], out: string): string[] {
  const contents = {
    "plan.md": renderMarkdown(review, violations),
    "plan.html": renderPage(review, violations),
    "plan.json": renderJson(review),
    "plan.svg": renderTimeline(review),
  };
  try {
    fs.mkdirSync(out, { recursive: true });
    return Object.entries(contents).map(([name, text]) => {
      const file = path.join(out, name);
      fs.writeFileSync(file, text);
      return file;
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(
      "plan-file",
      `the review cannot be written: ${why}`,
      `casa-upgrade plan --out <a folder you may write>`,
    );
  }
}
