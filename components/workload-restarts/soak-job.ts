import { z } from "zod";
import { gateJob } from "./gate-job";

/** What the watch over the canaries is told. */
export const soakJob = z.strictObject({
  canaries: z.array(gateJob),
  /** How long; 0: not at all. */
  seconds: z.number().min(0),
});
export type SoakJob = z.infer<typeof soakJob>;
