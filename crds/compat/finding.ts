import { z } from "zod";

/** One finding of the CRD comparison. */
export const crdFindingSchema = z.strictObject({
  rule: z.string().meta({ description: "id of the rule; those that crdify knows carry crdify's names" }),
  severity: z.enum(["error", "warning", "none"]),
  version: z.string().optional().meta({ description: "API version, where the rule is about one" }),
  path: z.string().optional().meta({ description: "schema path, e.g. ^.spec.realm" }),
  text: z.string(),
  accepted: z.string().optional().meta({ description: "the reason that the config gives for accepting it" }),
});

export type CrdFinding = z.infer<typeof crdFindingSchema>;
