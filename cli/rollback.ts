import { UserError } from "../shared/user-error";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";

import { acknowledgements } from "../history/acknowledge";
import { type Losses, lossesOf } from "../history/losses";
import { manualChange } from "../history/manual";
import { parseDescription } from "../history/recorded-texts";
import { targetOf, whatRuns } from "../history/target";
import { chartVersionOf, revisionsOf, type ReleaseRevision, type Update } from "../history/updates";
import { renderJson } from "../review/report/json";
import type { Review } from "../review/report/schema";
import { visibleLine } from "../review/report/escape";
import { summarize } from "../review/report/summary";
import type { Command } from "./arguments";
import { confirmed } from "./confirm";
import { openStack, update } from "./engine";
import { makeReview } from "./plan";
import { readHistory, readRevisions } from "./read-history";
import { connectStack } from "./stack-config";
import { StackFile } from "./stack-file";
import { schemaOnTheWay } from "./schema-on-the-way";
import { takeBackFailed } from "./take-back";
import { messageFor, userName } from "./user";

type Rollback = Extract<Command, { name: "rollback" }>;

/**
 * Goes back to the configuration of an earlier update: shows what that does, refuses what would lose data, asks, and
 * upgrades to it. Until the answer is yes nothing is changed, the stack's configuration included (a release whose
 * newest revision failed is asked about first, apart); from then on that is the old one, so an update that stops
 * half-way goes on with `pulumi up`.
 *
 * @returns the exit code: 0 done, 1 failed or not wanted.
 * @throws UserError naming what is wrong and its fix.
 */
export async function rollbackCommand(command: Rollback): Promise<number> {
  const stack = await openStack(command.target);
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "casa-upgrade-rollback-"));
  try {
    return await rollback(command, stack, scratch);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

async function rollback({ target, to, acceptDataLoss, yes }: Rollback, stack: Stack, scratch: string): Promise<number> {
  const updates = await readHistory(stack);
  const file = await StackFile.of(stack);
  const goal = targetOf(updates, to, file.present, whatRuns(file.defaults));
  const connected = await connectStack(stack);
  const { namespace, release } = connected.config;
  const revisions = await readRevisions(connected);
  console.log(`back to update ${goal.number} of ${goal.start.toISOString()}: ${describe(goal, revisions)}`);
  const manual = manualChange(`${namespace}/${release}`, revisions);
  if (manual !== undefined) console.log(`note: ${manual}`);

  if (!(await takeBackFailed(connected.config, revisions, yes))) return 1;
  const accepted = acknowledgements(
    revisions.at(-1)?.chartVersion,
    chartVersionOf(goal, revisions),
    goal.number,
    new Date(),
  );
  const config = await file.withConfigOf(goal, accepted, scratch);
  const policies = Object.keys(accepted);
  if (policies.length > 0)
    console.log(`acknowledges for today what policies say of going back: ${policies.join(", ")}`);
  const { review, errors, violations } = await makeReview(target, config);
  console.log(`\n${summarize(review)}`);
  for (const { policy, mandatory, text } of violations)
    if (!mandatory) console.log(`\nadvice: policy ${policy}: ${text}`);
  if (errors.length > 0) throw new UserError("refused", errors.join("\n"));
  if (review.verdict === "refused")
    throw new UserError("refused", "the cluster would refuse it; repair what is named above");
  for (const warning of inputsWarning(goal, revisions, review)) console.log(`\nwarning: ${warning}`);
  refuseLosses(lossesOf(review, await schemaOnTheWay(stack.name, connected, review)), acceptDataLoss);

  const what = `casa-upgrade rollback --to ${goal.number} --yes`;
  if (!yes && !(await confirmed(`Go back to update ${goal.number}?`, what))) return 1;
  const plan = path.join(scratch, "review.json");
  fs.writeFileSync(plan, renderJson(review), { mode: 0o600 });
  file.replaceBy(config);
  console.log(`the configuration of stack ${stack.name} is that of update ${goal.number} again (${file.path})`);
  const message = messageFor(review, userName(), goal.number);
  const { ok } = await update(await openStack({ ...target, stack: stack.name }), target, plan, message);
  if (!ok)
    console.error(
      "\nThe rollback stopped half-way. When the cause is repaired: casa-upgrade rollback, or pulumi up; it goes on with this configuration.",
    );
  return ok ? 0 : 1;
}

function describe(goal: Update, revisions: readonly ReleaseRevision[]): string {
  const version = chartVersionOf(goal, revisions);
  return [version === undefined ? "chart version not known" : `chart ${version}`, visibleLine(goal.message)]
    .filter((text) => text !== "")
    .join(", ");
}

/** The history holds the configuration, not the files that it names. */
function inputsWarning(goal: Update, revisions: readonly ReleaseRevision[], { identity }: Review): string[] {
  const made = revisionsOf(goal, revisions).flatMap(({ description }) => parseDescription(description) ?? []);
  const digest = made.at(-1)?.digest;
  if (digest === identity.chart.digest) return [];
  const at = goal.commit === undefined ? "" : `; the project was at commit ${goal.commit.slice(0, 12)} then`;
  const files = goal.config.get("valueFiles")?.value;
  const usesFiles = Array.isArray(files) && files.length > 0;
  if (digest !== undefined) {
    return [
      `the chart renders otherwise than in update ${goal.number}: a value file, a local chart, or what it looks up on the cluster has changed since${at}`,
    ];
  }
  return usesFiles ? [`value files are read as they are now, not as in update ${goal.number}${at}`] : [];
}

function refuseLosses({ refused, warnings }: Losses, accepted: boolean): void {
  for (const warning of warnings) console.log(`\nwarning: ${warning}`);
  if (refused.length === 0) return;
  const list = refused.map((text) => `    ${text}`).join("\n");
  if (accepted) return console.log(`\naccepted (--accept-data-loss):\n${list}`);
  throw new UserError(
    "data-loss",
    `going back would lose data:\n${list}`,
    `what is named above, or accept it: casa-upgrade rollback --accept-data-loss`,
  );
}
