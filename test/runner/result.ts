import { z } from "zod";

/** Environment variable that names the file for a job's figures. */
export const RESULT_FILE = "CASA_UPGRADE_TEST_RESULT";

const counts = z.object({ passed: z.number(), failed: z.number(), skipped: z.number() });
const file = z.object({ file: z.string(), ms: z.number(), failed: z.number() });
const job = counts.extend({
  files: z.array(file),
  /** A line for each failure: what failed, and the first line of why. */
  headlines: z.array(z.string()),
  /** Failures in full, as text; empty when there are none. */
  failures: z.string(),
});

export type Counts = z.infer<typeof counts>;
/** What one test file took, hooks included. */
export type FileResult = z.infer<typeof file>;
/** What one mocha process found. */
export type JobResult = z.infer<typeof job>;

/** Reads what a job wrote; throws when it is not of that form. */
export function parseJobResult(text: string): JobResult {
  return job.parse(JSON.parse(text));
}

/** `N passed, N failed`, and `, N skipped` when there are any. */
export function sumLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

export function addCounts(all: Counts[]): Counts {
  const sum = (key: keyof Counts) => all.reduce((total, one) => total + one[key], 0);
  return { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
}
