import { z } from "zod";

/** One entry of an object's `ownerReferences`. */
export const ownerReference = z.looseObject({
  apiVersion: z.string().default(""),
  kind: z.string(),
  name: z.string(),
  controller: z.boolean().nullish(),
});
type OwnerReference = z.infer<typeof ownerReference>;

/** What controls an object; undefined where nothing does. */
export function controllerOf(
  references: readonly OwnerReference[] | null | undefined,
): Pick<OwnerReference, "apiVersion" | "kind" | "name"> | undefined {
  const owner = references?.find(({ controller }) => controller === true);
  return owner && { apiVersion: owner.apiVersion, kind: owner.kind, name: owner.name };
}
