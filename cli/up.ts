import { UserError } from "../shared/user-error";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseReview, renderJson } from "../review/report/json";
import type { Review } from "../review/report/schema";
import { summarize } from "../review/report/summary";
import type { Target } from "./arguments";
import { confirmed } from "./confirm";
import { openStack, update } from "./engine";
import { colored, type Outcome, say } from "./output";
import { makeReview } from "./plan";
import { messageFor, userName } from "./user";

/**
 * Upgrades exactly what was reviewed. Without a plan file the review is made now, shown, and asked about; with one it
 * is the file's. Either way the update itself refuses when anything differs from that review.
 *
 * @returns exit code 0: done (or nothing to do), 1: refused, failed, or not wanted.
 */
export async function upCommand(target: Target, planFile: string | undefined, yes: boolean): Promise<Outcome> {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "casa-upgrade-up-"));
  try {
    const review = planFile === undefined ? await freshReview(target) : readPlan(planFile);
    const file = planFile ?? path.join(scratch, "review.json");
    if (planFile === undefined) fs.writeFileSync(file, renderJson(review));
    say(colored(summarize(review)));
    if (review.verdict === "refused")
      throw new UserError("refused", "this plan was refused; repair what it names and plan again");
    if (!yes && !(await confirmed("Do this upgrade?", "casa-upgrade up --yes, with --plan for what was reviewed")))
      return { code: 1, result: { outcome: "not-wanted" } };
    // The engine prints its errors itself.
    const { ok, errors } = await update(
      await openStack({ ...target, stack: target.stack ?? review.identity.stack }),
      target,
      file,
      messageFor(review, userName()),
    );
    const { identity } = review;
    return ok ? { code: 0, result: { outcome: "done", identity } } : { code: 1, result: { outcome: "failed", errors } };
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

async function freshReview(target: Target): Promise<Review> {
  const { review, errors, violations } = await makeReview(target);
  if (errors.length > 0) throw new UserError("refused", errors.join("\n"));
  for (const { policy, text } of violations) say(`advice: policy ${policy}: ${text}\n`);
  return review;
}

function readPlan(file: string): Review {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError("plan-file", `the plan cannot be read: ${why}`, `casa-upgrade plan makes one (plan.json)`);
  }
  try {
    return parseReview(text);
  } catch (error) {
    if (error instanceof UserError) throw new UserError(error.code, `${file}: ${error.problem}`, error.fix);
    throw error;
  }
}
