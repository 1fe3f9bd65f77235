import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import { type Losses, lossesOf } from "../history/losses";
import { decideRollback, inputsWarning } from "../history/rollback";
import type { Update } from "../history/updates";
import { renderJson } from "../review/report/json";
import type { Review } from "../review/report/schema";
import { summarize } from "../review/report/summary";
import { UserError } from "../shared/user-error";
import type { Command } from "./arguments";
import { confirmed } from "./confirm";
import { openStack, update } from "./engine";
import { colored, type Outcome, say } from "./output";
import { makeReview } from "./plan";
import { withProgress } from "./progress";
import { readHistory, readRevisions } from "./read-history";
import { schemasOnTheWay } from "./schema-on-the-way";
import { connectStack } from "./stack-config";
import { StackFile } from "./stack-file";
import { takeBackFailed } from "./take-back";
import { messageFor, userName } from "./user";

const NOT_WANTED: Outcome = { code: 1, result: { outcome: "not-wanted" } };

type Rollback = Extract<Command, { name: "rollback" }>;

/**
 * Goes back to the configuration of an earlier update: shows what that does, refuses what would lose data, asks, and
 * upgrades to it. Until the answer is yes nothing is changed, the stack's configuration included (a release whose
 * newest revision failed is asked about first, apart); from then on that is the old one, so an update that stops
 * half-way goes on with `pulumi up`.
 *
 * @returns exit code 0: done, 1: failed or not wanted.
 * @throws UserError naming what is wrong and its fix.
 */
export async function rollbackCommand(command: Rollback): Promise<Outcome> {
  const stack = await openStack(command.target);
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "casa-upgrade-rollback-"));
  try {
    return await rollback(command, stack, scratch);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

async function rollback(
  { target, to, acceptDataLoss, yes }: Rollback,
  stack: Stack,
  scratch: string,
): Promise<Outcome> {
  // Read: the stack's history and file, and the release.
  const updates = await withProgress("reading the history", () => readHistory(stack, true));
  const file = await StackFile.of(stack);
  const connected = await connectStack(stack);
  const { namespace, release } = connected.config;
  const revisions = await readRevisions(connected);
  const { present, defaults } = file;

  // Decide: where it goes.
  const snapshot = { updates, revisions, present, defaults, release: `${namespace}/${release}` };
  const { goal, acknowledge, lines } = decideRollback(snapshot, to, new Date());
  for (const line of lines) say(line);

  // Review: what it does and what it would lose.
  if (!(await takeBackFailed(connected.config, revisions, yes))) return NOT_WANTED;
  // What is acknowledged counts for this run only, so the stack's file never holds it: it would let a breaking change
  // pass on the way forward, too.
  const config = await file.withConfigOf(goal, acknowledge, fs.mkdtempSync(path.join(scratch, "for-this-run-")));
  const lasting = await file.withConfigOf(goal, {}, fs.mkdtempSync(path.join(scratch, "lasting-")));
  const policies = Object.keys(acknowledge);
  if (policies.length > 0) {
    say(`acknowledges for this run what policies say of going back: ${policies.join(", ")}`);
  }
  const review = await reviewed(target, config).catch((error: unknown) => {
    throw unreviewed(error, goal);
  });
  const warning = inputsWarning(goal, revisions, review);
  if (warning !== undefined) say(`\nwarning: ${warning}`);
  refuseLosses(lossesOf(review, await schemasOnTheWay(stack.name, connected, review)), acceptDataLoss);

  // Carry out, once the user agreed.
  const what = `casa-upgrade rollback --to ${goal.number} --yes`;
  if (!yes && !(await confirmed(`Go back to update ${goal.number}?`, what))) return NOT_WANTED;
  const plan = path.join(scratch, "review.json");
  fs.writeFileSync(plan, renderJson(review), { mode: 0o600 });
  file.replaceBy(lasting);
  say(`the configuration of stack ${stack.name} is that of update ${goal.number} again (${file.path})`);
  const message = messageFor(review, userName(), goal.number);
  const { ok, errors } = await update(await openStack({ ...target, stack: stack.name }), target, plan, message, config);
  if (!ok) {
    console.error(
      "\nThe rollback stopped half-way. When the cause is repaired: " +
        `casa-upgrade rollback --to ${goal.number}, or pulumi up; it goes on with this configuration.`,
    );
  }
  const result = { outcome: ok ? "done" : "failed", update: goal.number, errors };
  return { code: ok ? 0 : 1, result };
}

/** The review of going back. @throws UserError when the preview or the cluster refuses it. */
async function reviewed(target: Rollback["target"], config: string): Promise<Review> {
  const { review, errors, violations } = await makeReview(target, config);
  say(`\n${colored(summarize(review))}`);
  for (const { policy, mandatory, text } of violations) {
    if (!mandatory) say(`\nadvice: policy ${policy}: ${text}`);
  }
  if (errors.length > 0) throw new UserError("refused", errors.join("\n"));
  if (review.verdict === "refused") {
    throw new UserError("refused", "the cluster would refuse it; repair what is named above");
  }
  return review;
}

/** What a preview says to set would be set in the stack's file, which is not the configuration that is gone back to. */
function unreviewed(error: unknown, { number, commit }: Update): unknown {
  if (!(error instanceof UserError) || error.code !== "no-review") return error;
  const at = commit === undefined ? "" : ` (the project was at commit ${commit.slice(0, 12)} then)`;
  return new UserError(
    error.code,
    `the configuration of update ${number} cannot be reviewed: ${error.message}`,
    `for update ${number} what is set now does not count: bring back what is missing${at}, or casa-upgrade rollback --to another one`,
  );
}

function refuseLosses({ refused, warnings }: Losses, accepted: boolean): void {
  for (const warning of warnings) say(`\nwarning: ${warning}`);
  if (refused.length === 0) return;
  const list = refused.map((text) => `    ${text}`).join("\n");
  if (accepted) return say(`\naccepted (--accept-data-loss):\n${list}`);
  throw new UserError(
    "data-loss",
    `going back would lose data:\n${list}`,
    `what is named above, or accept it: casa-upgrade rollback --accept-data-loss`,
  );
}
