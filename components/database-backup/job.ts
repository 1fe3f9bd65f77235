import { z } from "zod";
import { destination } from "./destination";
import { backupManifest } from "./manifest";
import { proofChoice, proofKind } from "./proof";
import { databaseTarget } from "./references";

/** What one backup run does; told to cluster/backup-program.ts. Holds no password. */
export const backupJob = z.strictObject({
  ...backupManifest.pick({ stack: true, cluster: true, release: true }).shape,
  destination,
  /** Backups of each database that are left. */
  keep: z.number().int().positive(),
  /** Longest time for the dump of one database, and again for its verification, in seconds. */
  timeoutSeconds: z.number().positive(),
  databases: z.array(databaseTarget),
  /** How backups are tried: config `backup.proof`, and by name what came of it; a throw-away server if nothing did. */
  proof: z.strictObject({ choice: proofChoice, kinds: z.record(z.string(), proofKind) }).optional(),
  /** Differs from that of every earlier backup, so that each upgrade and each attempt at one makes its own. */
  occasion: z.string(),
});

export type BackupJob = z.infer<typeof backupJob>;

/** The database's own collation among {@link collationVersions}, where the server keeps no version of it. */
export const C_LIBRARY = "C library";

/** Versions of the libraries that sort texts, by collation; null where the library does not tell. */
export const collationVersions = z.record(z.string(), z.string().nullable());

/** What of a backup the data is compared with once the chart has changed. */
export const backupComparison = z.strictObject({
  target: databaseTarget,
  /** Undefined where the user may not ask for it. */
  systemIdentifier: z.string().optional(),
  /** Rows outside of Alembic's own tables. */
  dataRows: z.number().int(),
  /** Of the collations that indexes are sorted by; absent where there are none, and in what 0.2.0 put out. */
  collations: collationVersions.optional(),
});

/** A finished backup of one database, as the program prints it and the stack puts it out. */
export const backupResult = z.strictObject({
  name: z.string(),
  /** Path or URL of the dump. */
  location: z.string(),
  ...backupManifest.pick({ bytes: true, sha256: true, at: true, alembic: true, verified: true }).shape,
  tables: z.number().int(),
  rows: z.number().int(),
  /** Absent in what 0.2.0 put out. */
  comparison: backupComparison.optional(),
});

export type BackupResult = z.infer<typeof backupResult>;

/** What is told of a backup to people. */
export type BackupOutput = Omit<BackupResult, "comparison">;

/** A backup that the data can be compared with. */
export const comparableBackup = backupResult.required({ comparison: true });
export type ComparableBackup = z.infer<typeof comparableBackup>;
