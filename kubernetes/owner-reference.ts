import { z } from "zod";

/** One entry of an object's `ownerReferences`. */
export const ownerReference = z.looseObject({
  apiVersion: z.string().default(""),
  kind: z.string(),
  name: z.string(),
  controller: z.boolean().nullish(),
});
