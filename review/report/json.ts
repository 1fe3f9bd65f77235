import { UserError } from "../../shared/user-error";
import { z } from "zod";
import { type Review, reviewSchema } from "./schema";

const AGAIN = "make a new one: npx casa-upgrade plan";

/**
 * The review as JSON: keys in the order of the schema, hashes by name, so that equal reviews are equal files.
 *
 * @throws ZodError when it is not as the schema says, which is a mistake of this program.
 */
export function renderJson(review: Review): string {
  const checked = reviewSchema.parse(review);
  const reviewed = Object.fromEntries(Object.entries(checked.reviewed).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify({ ...checked, reviewed }, null, 2)}\n`;
}

/**
 * Reads what {@link renderJson} wrote.
 *
 * @throws UserError that says what is wrong with the file and how to get a good one.
 */
export function parseReview(text: string): Review {
  const value = parseJson(text);
  const version = z.looseObject({ schemaVersion: z.unknown() }).safeParse(value).data?.schemaVersion;
  if (version === undefined) throw new UserError("plan-file", "this is not a review of casa-upgrade", AGAIN);
  if (version !== 1) {
    throw new UserError(
      "plan-file",
      `this review has schema version ${JSON.stringify(version)}, this program reads version 1`,
      `use the version of casa-upgrade that made it, or ${AGAIN}`,
    );
  }
  const parsed = reviewSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.length ? issue.path.join(".") : "the file";
  throw new UserError("plan-file", `this review is damaged: ${where}: ${issue?.message ?? "invalid"}`, AGAIN);
}

function parseJson(text: string): unknown {
  // Some editors put a byte order mark in front, which JSON does not allow.
  const json = text.replace(/^\uFEFF/, "");
  try {
    return JSON.parse(json);
  } catch {
    if (json.trim() === "") throw new UserError("plan-file", "this file is empty", AGAIN);
    if (isCutOff(json))
      throw new UserError("plan-file", "this review is truncated: the file ends in the middle of it", AGAIN);
    throw new UserError("plan-file", "this is not JSON, so it is not a review of casa-upgrade", AGAIN);
  }
}

/** Whether it begins as a map and ends before that map does. */
function isCutOff(json: string): boolean {
  if (!json.trimStart().startsWith("{")) return false;
  // What is within strings does not count; a string that does not end is one that was cut off.
  const outside = json.replace(/"(?:[^"\\]|\\.)*("|\\?$)/gs, (_, end: string) => (end === '"' ? "" : "{"));
  const number = (brackets: RegExp) => [...outside.matchAll(brackets)].length;
  return number(/[[{]/g) > number(/[\]}]/g);
}
