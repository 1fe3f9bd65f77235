import { oneLine } from "../../diagnosis/explanation";
import { type MigrationAttempt, wasDoneBy } from "./log-lines";

/** What the log of one container says, or why it could not be read. */
export type ContainerLog = LogPlace & (MigrationAttempt | { readonly unread: string });

/** Whose log it is. */
export interface LogPlace {
  readonly pod: string;
  /** The Job that the pod was of. */
  readonly job?: string;
}

/**
 * Pods may be ready because a port is open while their log says that the migration failed. Of replicas that start
 * together one migrates, and the others may fail at what it does; that is said. So is which logs nobody looked at.
 */
export function judgeLogs(logs: readonly ContainerLog[]): { problem: string; final: true } | { note: string } {
  const attempts = logs.flatMap((log) => ("unread" in log ? [] : [log]));
  const notes: string[] = [];
  for (const attempt of attempts) {
    const { pod, job, failure } = attempt;
    if (failure === undefined) continue;
    const by = wasDoneBy(attempt, attempts);
    const said = `the migration failed: ${oneLine(failure)}`;
    if (!by) {
      const fix = "should it say so for nothing: pulumi config set --path migrationGate.checkLogs false";
      const whose =
        job === undefined ? `pod ${pod} is ready, but its log` : `Job ${job} completed, but the log of its pod ${pod}`;
      return { problem: `${whose} says that ${said}; ${fix}`, final: true };
    }
    notes.push(`pod ${pod} says that ${said}; pod ${by.pod} did the same at the same time, and it went well`);
  }
  const unread = logs.flatMap((log) => ("unread" in log ? [`${log.pod} (${oneLine(log.unread)})`] : []));
  if (unread.length > 0) notes.push(`logs that were not looked at, of pod ${[...new Set(unread)].join(", ")}`);
  return { note: notes.join("; ") };
}
