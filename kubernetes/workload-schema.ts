import { z } from "zod";
import { managedFields } from "./managed-fields";
import { ownerReference } from "./owner-reference";

/** A count of a status, which is left out where it is 0. */
export const count = z
  .number()
  .nullish()
  .transform((value) => value ?? 0);
/** Labels or annotations. */
export const texts = z.record(z.string(), z.string()).nullish();

/** Metadata of a workload of any kind. */
export const workloadMetadata = z.looseObject({
  namespace: z.string(),
  name: z.string(),
  generation: z.number().default(0),
  deletionTimestamp: z.string().nullish(),
  annotations: texts,
  managedFields,
  ownerReferences: z.array(ownerReference).nullish(),
});

/** Its pod template. */
export const podTemplate = z.looseObject({
  metadata: z.looseObject({ annotations: texts, labels: texts }).nullish(),
  spec: z.looseObject({}).optional(),
});
