import { z } from "zod";

/** What a review says of the backup. */
export const backupFactSchema = z.strictObject({
  planned: z.boolean().meta({ description: "this run makes and verifies a backup before anything changes" }),
  needed: z.boolean().meta({ description: "the chart changes, and there is a database" }),
  why: z.string().meta({ description: "what is backed up to where, or why nothing is" }),
  missing: z
    .array(z.strictObject({ what: z.string(), fix: z.string() }))
    .default([])
    .meta({ description: "databases that this run does not back up; absent in reviews of 0.2.0" }),
});

export type BackupFact = z.infer<typeof backupFactSchema>;
