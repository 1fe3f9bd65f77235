// Generated from package/results.ts: node --import tsx scripts/package-schema.ts
import type { Output } from "@pulumi/pulumi";

/** What CasaUpgrade puts out. */
export interface CasaUpgradeResults {
  /** The cluster that is upgraded. */
  readonly cluster: Output<Cluster>;
  /** Chart version before this upgrade, which a first install has none of, and after it. */
  readonly versions: Output<Versions>;
  /** Verified backups that the last upgrade made before it changed anything. */
  readonly backups: Output<readonly VerifiedBackup[]>;
  /** What the last migration of custom resources did, for each CRD. */
  readonly customResourcesMigrated: Output<readonly MigratedCustomResources[]>;
  /** CRDs applied for this chart version. */
  readonly crdsApplied: Output<readonly string[]>;
  /** CRDs that stay on the cluster although this chart version does not ship them. */
  readonly crdsRetained: Output<readonly string[]>;
  /** What the gate after the chart found; none when it is turned off or had nothing to wait for. */
  readonly migration: Output<MigrationResult | null>;
  /** MAS workloads (`Kind/namespace/name`) restarted for this configuration. */
  readonly workloadsRestarted: Output<readonly string[]>;
  /** MAS workloads left alone, and why. */
  readonly workloadsSkipped: Output<readonly SkippedWorkload[]>;
}

/** See `workloadsSkipped`. */
export interface SkippedWorkload {
  readonly workload: string;
  readonly reason: string;
}

/** See `migration`. */
export interface MigrationResult {
  readonly podsReady: readonly string[];
  readonly revision: readonly string[] | null;
  readonly revisionNote: string;
  readonly probe: string;
}

/** See `customResourcesMigrated`. */
export interface MigratedCustomResources {
  readonly crd: string;
  readonly from: readonly string[];
  readonly to: string;
  readonly objects: number;
  readonly changed: number;
  readonly backup: string;
  readonly storedVersions: readonly string[];
}

/** See `backups`. */
export interface VerifiedBackup {
  readonly name: string;
  readonly location: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly at: string;
  readonly alembic: string | null;
  readonly verified: boolean;
  readonly tables: number;
  readonly rows: number;
}

/** See `versions`. */
export interface Versions {
  readonly before: string | null;
  readonly after: string;
}

/** See `cluster`. */
export interface Cluster {
  readonly context: string;
  readonly id: string;
  readonly version: string;
}
