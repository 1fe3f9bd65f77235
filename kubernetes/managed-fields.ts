import { z } from "zod";
import { isMap } from "./objects";

/** Who wrote which fields of an object, as the API server keeps it. */
export const managedFields = z
  .array(
    z.looseObject({
      manager: z.string().default(""),
      operation: z.string().default(""),
      subresource: z.string().nullish(),
      fieldsV1: z.record(z.string(), z.unknown()).nullish(),
    }),
  )
  .nullish()
  .transform((entries) => entries ?? []);
export type ManagedFields = z.infer<typeof managedFields>;

/** Whether a manager has applied anything to the object that nobody took away since. */
export function hasApplied(entries: ManagedFields, manager: string): boolean {
  return entries.some((entry) => entry.manager === manager && entry.operation === "Apply");
}

/** Whether the field's value is the one that this manager applied last. */
export function ownsField(entries: ManagedFields, manager: string, path: readonly string[]): boolean {
  return entries.some(
    (entry) =>
      entry.manager === manager && entry.operation === "Apply" && at(entry.fieldsV1, path.map(fieldKey)) !== undefined,
  );
}

/**
 * Who writes below a path, each once. Who only took a field away is not among them: the API server remembers what
 * somebody wrote, not what somebody removed.
 */
export function writersBelow(entries: ManagedFields, path: readonly string[], except: string): string[] {
  const writers = entries.filter(
    ({ manager, subresource, fieldsV1 }) =>
      manager !== except && !subresource && at(fieldsV1, path.map(fieldKey)) !== undefined,
  );
  return [...new Set(writers.map(({ manager }) => manager))].sort();
}

const fieldKey = (step: string) => `f:${step}`;

function at(fields: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>((tree, key) => (isMap(tree) ? tree[key] : undefined), fields);
}
