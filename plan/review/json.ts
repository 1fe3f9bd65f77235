import { z } from "zod";
import { type Review, reviewSchema } from "./schema";

/** A file that is no review, or none that this version reads. */
export class ReviewError extends Error {
  constructor(
    readonly problem: string,
    readonly fix: string,
  ) {
    super(`${problem}\n  Fix: ${fix}`);
  }
}

const AGAIN = "make a new one: npx casa-upgrade plan";

/** The review as JSON, in the order of the schema. @throws when it is not as the schema says, which is our mistake. */
export function renderJson(review: Review): string {
  return `${JSON.stringify(reviewSchema.parse(review), null, 2)}\n`;
}

/** Reads what {@link renderJson} wrote. @throws ReviewError that says what is wrong and how to get a good one. */
export function parseReview(text: string): Review {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ReviewError("this is no JSON, or only a part of it", AGAIN);
  }
  const version = z.looseObject({ schemaVersion: z.unknown() }).safeParse(value).data?.schemaVersion;
  if (version === undefined) throw new ReviewError("this is no review of casa-upgrade", AGAIN);
  if (version !== 1) {
    throw new ReviewError(
      `this review has schema version ${JSON.stringify(version)}, this program reads version 1`,
      "use the version of casa-upgrade that made it, or " + AGAIN,
    );
  }
  const parsed = reviewSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.length ? issue.path.join(".") : "the file";
  throw new ReviewError(`this review is damaged: ${where}: ${issue?.message ?? "invalid"}`, AGAIN);
}
