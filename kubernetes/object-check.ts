import { z } from "zod";

/** How the API server answered when the change was sent as a dry-run. */
export const checkSchema = z.strictObject({
  result: z.enum(["accepted", "rejected", "unchecked"]),
  message: z.string().optional().meta({ description: "the API server's words, or why it could not be asked" }),
  fix: z.string().optional(),
});

export type ObjectCheck = z.infer<typeof checkSchema>;

/** Said of what only those may ask who may write, dry-runs too. */
export const ONLY_READS = "it was not asked, because the user of this preview may only read";
