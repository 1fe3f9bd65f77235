import { z } from "zod";
import { destination } from "../database-backup/destination";
import { migrationRule } from "./rules";

/**
 * What the migration of one CRD's objects does; part of what cluster/migration-program.ts is told. Holds nothing
 * secret.
 */
export const crMigrationJob = z.strictObject({
  crd: z.string(),
  from: z.array(z.string()),
  to: z.string(),
  readIn: z.string(),
  rules: z.array(migrationRule),
  storage: z.boolean(),
  /** The new CRD, which is put in place at the end. */
  manifest: z.looseObject({}),
  stack: z.string(),
  release: z.strictObject({ name: z.string(), namespace: z.string() }),
  /** Where the objects are saved before anything changes. */
  destination,
  /** Longest time for all of it, in seconds. */
  timeoutSeconds: z.number().positive(),
});

/** What cluster/migration-program.ts is told. */
export const customResourcesJob = z.strictObject({
  migrations: z.array(crMigrationJob),
  /** Tells this run's migrations from equal ones of before, so that they run again. */
  occasion: z.string(),
});

export type CrMigrationJob = z.infer<typeof crMigrationJob>;

/** What was done, as the program prints it and the stack puts it out. */
export const crMigrationResult = z.strictObject({
  crd: z.string(),
  from: z.array(z.string()),
  to: z.string(),
  /** Objects there were, and how many of them were changed by rules in this run. */
  objects: z.number().int(),
  changed: z.number().int(),
  /** Where they are as they were before. */
  backup: z.string(),
  /** `status.storedVersions` of the CRD at the end. */
  storedVersions: z.array(z.string()),
});

export type CrMigrationResult = z.infer<typeof crMigrationResult>;
