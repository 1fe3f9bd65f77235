import { AGAIN_ANNOTATION, FIELD_MANAGER, STAMP_ANNOTATION } from "./stamp";

/**
 * What restarting a workload writes to it: the stamp on its pod template, and how the provider is to patch. Applied
 * with the field manager that is named here, taking the stamp over from a hand edit.
 *
 * @param again marker of an additional restart, as the plan has it.
 */
export function restartPatch(stamp: string, again?: string) {
  const marker: Record<string, string> = again === undefined ? {} : { [AGAIN_ANNOTATION]: again };
  return {
    metadata: {
      annotations: {
        "pulumi.com/patchFieldManager": FIELD_MANAGER,
        // Only our own annotation is written; taking it over from a hand edit is meant.
        "pulumi.com/patchForce": "true",
        // The gate that follows waits; waiting twice only makes the window slower.
        "pulumi.com/skipAwait": "true",
      },
    },
    spec: { template: { metadata: { annotations: { [STAMP_ANNOTATION]: stamp, ...marker } } } },
  };
}
