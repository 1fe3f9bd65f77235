import { z } from "zod";
import { WORKLOAD_KINDS } from "../../kubernetes/workload";

/** What the check before the first restart is told. */
export const injectionJob = z.strictObject({
  mode: z.enum(["istio", "cilium"]),
  /** Namespace of the runtime. */
  namespace: z.string().min(1),
  sidecarDeployment: z.string(),
  /** MutatingWebhookConfiguration of mode `cilium`. */
  webhook: z.string(),
  /** Workloads whose new pods are asked about, and the containers that they got when the plan was made. */
  askAbout: z.array(
    z.strictObject({
      kind: z.enum(WORKLOAD_KINDS),
      namespace: z.string(),
      name: z.string(),
      injects: z.array(z.string()),
    }),
  ),
  /** Longest wait, in seconds. */
  timeoutSeconds: z.number().nonnegative(),
  /** The configuration that the restarts are for; another one is checked again. */
  stamp: z.string(),
});
export type InjectionJob = z.infer<typeof injectionJob>;
