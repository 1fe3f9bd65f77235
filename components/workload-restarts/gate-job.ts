import { z } from "zod";
import { WORKLOAD_KINDS } from "../../kubernetes/workload";

/** What the gate behind one restart is told. */
export const gateJob = z.strictObject({
  kind: z.enum(WORKLOAD_KINDS),
  namespace: z.string().min(1),
  name: z.string().min(1),
  /** The stamp that the restart wrote. */
  stamp: z.string().min(1),
  /** Marker of an additional restart. */
  again: z.string().optional(),
  /** The user's reason for the restart, which is on the pod template, too. */
  reason: z.string().optional(),
  /** It was not available before the restart: that it is not afterwards is told, and no failure of the upgrade. */
  brokenBefore: z.boolean().optional(),
  mode: z.enum(["istio", "cilium"]),
  /** Longest wait, in seconds. */
  timeoutSeconds: z.number().positive(),
});
export type GateJob = z.infer<typeof gateJob>;
