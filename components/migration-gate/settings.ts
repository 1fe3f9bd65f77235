import { z } from "zod";
import { comparableBackup } from "../database-backup/job";

const objectName = z.object({ kind: z.string(), namespace: z.string(), name: z.string() });

/** What the gate looks at, and how long; nothing in it is secret. */
export const gateSettings = z.object({
  deployment: objectName,
  jobs: z.array(objectName.extend({ hook: z.boolean() })),
  database: objectName.extend({ container: z.string() }).optional(),
  /** Fail when the log of a ready pod says that its migration failed. */
  checkLogs: z.boolean(),
  /** Probe of each ready pod; undefined: none. */
  probe: z.object({ path: z.string(), port: z.number().int() }).optional(),
  /** Revisions that the schema must be at; undefined: any. */
  expected: z.array(z.string()).optional(),
  /** Longest wait in seconds. */
  timeoutSeconds: z.number(),
  /** For the lines that say how to go back. */
  rollback: z.object({
    release: z.string(),
    namespace: z.string(),
    context: z.string(),
    chart: z.string(),
    chartIsLocal: z.boolean(),
    chartName: z.string(),
    version: z.string(),
    versionIsSet: z.boolean(),
  }),
  /** Texts in Secrets that everybody can read in the chart, such as its default user names: they are not masked. */
  known: z.array(z.string()),
});
export type GateSettings = z.infer<typeof gateSettings>;

/** What the gate's program is told. */
export const gateJob = z.strictObject({
  settings: gateSettings,
  /** Configured secrets, which no text shows. */
  secrets: z.array(z.string()),
  /** Hash of what the chart renders: shows at preview that the gate will run. */
  chart: z.string(),
  /** helm's revision of the release: the gate runs once for each. */
  revision: z.number().int(),
  /** Backups of this very run, which the databases are compared with; absent: none. */
  backups: z.array(comparableBackup).optional(),
  /** A database may lose its data and its revision; absent: not. */
  acceptsLoss: z.literal(true).optional(),
});
export type GateJob = z.infer<typeof gateJob>;

/** What a gate that was passed has found; the program prints it to stdout, and the next gate of the stack reads it. */
export const gateReport = z.object({
  /** Names of the pods that were ready. */
  podsReady: z.array(z.string()),
  /** Revisions of the schema; null when there is no table or it was not checked. */
  revision: z.array(z.string()).nullable(),
  /** The revisions in words: before and after, or why there are none. */
  revisionNote: z.string(),
  /** What the HTTP probe answered, in words. */
  probe: z.string(),
  /** Sets of revisions that passed gates saw, newest last. */
  seen: z.array(z.string()),
  /** What was compared with the backups, in words. */
  data: z.string().optional(),
  /** What logs say that did not stop the gate, in words. */
  logs: z.string().optional(),
});
export type GateReport = z.infer<typeof gateReport>;

/** Reads a report; undefined for anything else, such as the output of another version of the program. */
export function parseReport(text: string | undefined): GateReport | undefined {
  try {
    return gateReport.safeParse(JSON.parse(text ?? "")).data;
  } catch {
    return undefined;
  }
}

/** A passed gate in the lines that `pulumi up` shows. */
export function reportLines({ podsReady, revisionNote, probe, data, logs }: GateReport): string[] {
  const count = podsReady.length;
  const pods = count === 0 ? "no replicas" : `${count} pod${count === 1 ? "" : "s"} ready (${podsReady.join(", ")})`;
  return [`auth service: ${pods}`, revisionNote, probe, ...(data ? [data] : []), ...(logs ? [logs] : [])];
}

/** The text of a gate that was not passed: the problem, what the pods say, how to go back. */
export function failureText(
  { deployment }: Pick<GateSettings, "deployment">,
  problem: string,
  waitedSeconds: number,
  evidence: string,
  rollback: readonly string[],
): string {
  return [
    `the migration gate is not passed: ${problem} (waited ${waitedSeconds} s)`,
    `The auth service is ${deployment.kind} ${deployment.namespace}/${deployment.name}. No MAS workload was restarted; the next pulumi up looks again.`,
    ...(evidence ? [evidence] : []),
    ...rollback,
  ].join("\n");
}
