import { z } from "zod";
import { timescale } from "./proof";
import { databaseProperty } from "./properties";

/** A table of a database and how many rows it holds. */
export const tableFacts = z.strictObject({ table: z.string(), rows: z.number().int().nonnegative() });

/** What a database holds, as far as a backup is compared with it. */
export const contentFacts = z.strictObject({
  /** Ordinary tables as `schema.table`, by name; tables of extensions are left out, as `pg_dump` does. */
  tables: z.array(tableFacts),
  /** Alembic's revision; several heads are joined by commas; null when there is no table `alembic_version`. */
  alembic: z.string().nullable(),
});

export type ContentFacts = z.infer<typeof contentFacts>;

/** How far Liquibase has brought a schema. */
export const liquibaseChanges = z.strictObject({
  /** As `schema.table`. */
  table: z.string(),
  changes: z.number().int(),
  /** Id of the change that was made last. */
  newest: z.string(),
});
export type LiquibaseChanges = z.infer<typeof liquibaseChanges>;

/** What is written beside each dump; a dump without it was not verified. */
export const backupManifest = z.strictObject({
  schemaVersion: z.literal(1),
  stack: z.string(),
  /** UID of the cluster's kube-system namespace. */
  cluster: z.string(),
  release: z.strictObject({
    name: z.string(),
    namespace: z.string(),
    chartVersion: z.string(),
    revision: z.number().int(),
    /** helm's status when the backup was made: `deployed`, or `failed` after an upgrade that did not succeed. */
    status: z.string(),
  }),
  /** Backups with the same run were begun together. */
  run: z.string(),
  /** Name of the database in the configuration of the stack. */
  name: z.string(),
  /** Name of the database on its server. */
  database: z.string(),
  /** Where the server is. */
  server: z.string(),
  serverVersion: z.string(),
  /** Moment of the snapshot, by the server's clock, RFC 3339. */
  at: z.iso.datetime(),
  /** Name of the dump, beside this file. */
  file: z.string(),
  bytes: z.number().int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  ...contentFacts.shape,
  /** Settings, rights, comment and connection limit of the database; absent in backups of 0.2.0. */
  properties: z.array(databaseProperty).optional(),
  /** Roles that the dump names: owners, holders of rights, those of policies; absent in backups of 0.2.0. */
  roles: z.array(z.string()).optional(),
  /** Liquibase's tables; absent where there is none, and in backups of 0.2.0. */
  liquibase: z.array(liquibaseChanges).optional(),
  /** TimescaleDB, where the database has it: a restore has to be announced. */
  timescale: timescale.optional(),
  /** The stored dump was restored elsewhere, and that was equal. */
  verified: z.literal(true),
});

export type BackupManifest = z.infer<typeof backupManifest>;

/** Parses a manifest; undefined for anything that is none. */
export function parseManifest(text: string): BackupManifest | undefined {
  try {
    return backupManifest.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** The last part of a path or URL. */
const base = (path: string) => path.split("/").at(-1) ?? path;

/** Name without ending of the backup of a database in a run. The run sorts by time. */
export function backupId(name: string, run: string): string {
  return `${name}-${run}`;
}

/** A run: its time and something random, so that no two are the same. */
export function newRun(now: Date, random: string): string {
  return `${compactTime(now)}-${random}`;
}

/** A moment in UTC without what file and database names do not take: `20261123T100000Z`. */
export function compactTime(at: Date): string {
  return at.toISOString().replaceAll(/[-:]|\.\d+/g, "");
}

/** Whether a file is a backup of this database (or CRD) that never got finished; another file is never touched. */
export function isLeftOver(file: string, name: string): boolean {
  const rest = base(file).startsWith(`${name}-`) ? base(file).slice(name.length + 1) : "";
  return /^\d{8}T\d{6}Z-[0-9a-f]{6}\.(dump|json|json\.gz)\.partial$/.test(rest);
}

/** All rows of all tables. */
export function rowsOf({ tables }: Pick<ContentFacts, "tables">): number {
  return tables.reduce((sum, { rows }) => sum + rows, 0);
}
