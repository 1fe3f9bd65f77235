import { z } from "zod";
import { crMigrationResult } from "../components/custom-resource-migration/job";
import { backupResult } from "../components/database-backup/job";
import { gateReport } from "../components/migration-gate/settings";

const texts = z.array(z.string());

/** What an upgrade puts out, for the schema of the package; upgrade/casa-upgrade.ts says the same in types. */
export const resultsSchema = z.object({
  cluster: z
    .object({ context: z.string(), id: z.string(), version: z.string() })
    .meta({ description: "the cluster that is upgraded" }),
  versions: z
    .object({ before: z.string().nullable(), after: z.string() })
    .meta({ description: "chart version before this upgrade, which a first install has none of, and after it" }),
  backups: z
    .array(backupResult.omit({ comparison: true }))
    .meta({ description: "verified backups that the last upgrade made before it changed anything" }),
  customResourcesMigrated: z
    .array(crMigrationResult)
    .meta({ description: "what the last migration of custom resources did, for each CRD" }),
  crdsApplied: texts.meta({ description: "CRDs applied for this chart version" }),
  crdsRetained: texts.meta({
    description: "CRDs that stay on the cluster although this chart version does not ship them",
  }),
  migration: gateReport.omit({ seen: true, data: true, logs: true }).nullable().meta({
    description: "what the gate after the chart found; none when it is turned off or had nothing to wait for",
  }),
  workloadsRestarted: texts.meta({
    description: "MAS workloads (`Kind/namespace/name`) restarted for this configuration",
  }),
  workloadsSkipped: z
    .array(z.object({ workload: z.string(), reason: z.string() }))
    .meta({ description: "MAS workloads left alone, and why" }),
});
