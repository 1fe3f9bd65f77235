import { z } from "zod";
import { skipCode } from "./skipped";

/** What a review says of the restarts. */
export const restartsSchema = z.strictObject({
  enabled: z.boolean(),
  maxConcurrent: z.number().int().min(0),
  groups: z.array(
    z.strictObject({
      name: z.string(),
      workloads: z.array(
        z.strictObject({
          workload: z.string(),
          done: z.boolean(),
          replicas: z.number().int().min(0),
          seconds: z.number().meta({ description: "estimated time of its restart" }),
          start: z.number().meta({ description: "estimated start, seconds after the first restart" }),
          why: z.string().optional().meta({
            description: "why it is restarted although the release's configuration gives no reason",
          }),
        }),
      ),
    }),
  ),
  skipped: z.array(
    z.strictObject({
      workload: z.string(),
      reason: z.string(),
      code: skipCode.optional().meta({ description: "the reason as a code; absent in reviews of 0.1" }),
    }),
  ),
  estimate: z.strictObject({
    seconds: z.number(),
    worstSeconds: z.number().meta({ description: "until the time limit of every workload in its turn" }),
    basis: z.string().meta({ description: "what the estimate rests on" }),
  }),
});

export type RestartReview = z.infer<typeof restartsSchema>;
