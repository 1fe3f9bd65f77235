import { UserError } from "../shared/user-error";
import { readFileSync, writeFileSync } from "node:fs";

import { parseReview, renderJson } from "./report/json";
import type { Review } from "./report/schema";
import { reviewedDifferences } from "./reviewed";

/** Environment variable with the path that the program writes its review to; `casa-upgrade plan` sets it. */
export const REPORT_VARIABLE = "CASA_UPGRADE_REPORT";
/** Environment variable with the path of the review that an update is bound to; `casa-upgrade up --plan` sets it. */
export const PLAN_VARIABLE = "CASA_UPGRADE_PLAN";

/** Which upgrade of this program has written which report. */
const written = new Map<string, string>();

/**
 * Hands the review to who asked for it.
 *
 * @param upgrade what the upgrade is called in its program.
 * @throws UserError when the file cannot be written, or would take the place of another upgrade's review.
 */
export function writeReport(review: Review, upgrade: string, file = process.env[REPORT_VARIABLE]): void {
  if (!file) return;
  const other = written.get(file);
  if (other !== undefined && other !== upgrade) {
    throw new UserError(
      "plan-file",
      `this program has several upgrades, ${other} and ${upgrade} among them, and a plan is of one`,
      "pulumi preview --diff shows all; or have a program for each",
    );
  }
  written.set(file, upgrade);
  try {
    writeFileSync(file, renderJson(review));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(
      "plan-file",
      `the review cannot be written: ${why}`,
      `set ${REPORT_VARIABLE} to a path that can be written`,
    );
  }
}

/**
 * Refuses when the present differs from what was reviewed. Asked in the very run that upgrades, so nothing can change
 * between the comparison and the plan that is carried out.
 *
 * @throws UserError naming every difference.
 */
export function refuseUnlessReviewed(present: Review, file = process.env[PLAN_VARIABLE]): void {
  if (!file) return;
  const found = differencesFrom(readReview(file), present);
  if (found.length === 0) return;
  throw new UserError(
    "plan-changed",
    `this is not what was reviewed in ${file}:\n${found.map((line) => `    ${line}`).join("\n")}`,
    "look at what changed, make a new plan (npx casa-upgrade plan), have it reviewed, and use that one",
  );
}

/** What differs between a review and the present, in words. */
export function differencesFrom(reviewed: Review, present: Review): string[] {
  const [then, now] = [reviewed.identity, present.identity];
  const identity = (
    [
      ["stack", then.stack, now.stack],
      ["cluster", then.cluster.id, now.cluster.id],
      ["release", `${then.release.namespace}/${then.release.name}`, `${now.release.namespace}/${now.release.name}`],
      ["chart", `${then.chart.name} ${then.chart.after}`, `${now.chart.name} ${now.chart.after}`],
      ["installed revision", revisionText(then.release.revision), revisionText(now.release.revision)],
    ] as const
  ).flatMap(([what, was, is]) => (was === is ? [] : [`${what}: reviewed ${was}, now ${is}`]));
  // The hashes are keyed by the installed revision, so with another one none of them could be compared.
  return identity.length > 0 ? identity : reviewedDifferences(reviewed.reviewed, present.reviewed);
}

function revisionText(revision: number | null): string {
  return revision === null ? "none" : String(revision);
}

function readReview(file: string): Review {
  try {
    return parseReview(readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof UserError) throw new UserError("plan-file", `${file}: ${error.problem}`, error.fix);
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError("plan-file", `the plan cannot be read: ${why}`, "npx casa-upgrade plan makes one");
  }
}
