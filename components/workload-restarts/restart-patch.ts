import type { RestartTarget } from "./restarts";
import { AGAIN_ANNOTATION, BROKEN_ANNOTATION, FIELD_MANAGER, REASON_ANNOTATION, STAMP_ANNOTATION } from "./stamp";

/**
 * What restarting a workload writes to it: the stamp on its pod template, and how the provider is to patch. Applied
 * with the field manager that is named here, taking the stamp over from a hand edit.
 */
export function restartPatch(
  stamp: string,
  { again, reason, brokenBefore }: Pick<RestartTarget, "again" | "reason" | "brokenBefore">,
) {
  const marker: Record<string, string> = {
    ...(again === undefined ? {} : { [AGAIN_ANNOTATION]: again }),
    ...(reason === undefined ? {} : { [REASON_ANNOTATION]: reason }),
  };
  const broken: Record<string, string> = brokenBefore ? { [BROKEN_ANNOTATION]: stamp } : {};
  return {
    metadata: {
      annotations: {
        "pulumi.com/patchFieldManager": FIELD_MANAGER,
        // Only our own annotation is written; taking it over from a hand edit is meant.
        "pulumi.com/patchForce": "true",
        // The gate that follows waits; waiting twice only makes the window slower.
        "pulumi.com/skipAwait": "true",
        ...broken,
      },
    },
    spec: { template: { metadata: { annotations: { [STAMP_ANNOTATION]: stamp, ...marker } } } },
  };
}
