import { z } from "zod";
import { dig } from "./objects";

/** One entry of an object's `ownerReferences`. */
export const ownerReference = z.looseObject({
  apiVersion: z.string().default(""),
  kind: z.string(),
  name: z.string(),
  uid: z.string().optional(),
  controller: z.boolean().nullish(),
});
export type OwnerReference = z.infer<typeof ownerReference>;

/** What controls an object; undefined where nothing does. */
export function controllerOf(
  references: readonly OwnerReference[] | null | undefined,
): Pick<OwnerReference, "apiVersion" | "kind" | "name"> | undefined {
  const owner = references?.find(({ controller }) => controller === true);
  return owner && { apiVersion: owner.apiVersion, kind: owner.kind, name: owner.name };
}

/** The owners that an object names; none where it names them in another form. */
export function ownersOf(object: unknown): OwnerReference[] {
  return z.array(ownerReference).safeParse(dig(object, "metadata", "ownerReferences")).data ?? [];
}
