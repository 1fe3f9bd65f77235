import { migrationLines } from "../log-lines";
import { rollbackLines } from "../rollback";
import type { GateSettings } from "../settings";
import type { MigrationTarget, ObjectName } from "../target";
import type { ClusterClient } from "../../../kubernetes/connect";
import { explainWorkloads, type ExplainOptions, type WorkloadName } from "../../../diagnosis/diagnose";
import { readRelease } from "../../../helm/release";

/** Takes known secrets out of a text. */
export type Mask = (text: string) => string;

/**
 * How the logs of the auth service and of migration Jobs are shown: the lines about the migration. Secrets go before
 * lines are cut to their length, so that no half of one stays.
 */
export function migrationLog(target: MigrationTarget, mask: Mask): NonNullable<ExplainOptions["linesOf"]> {
  const ours = [...(target.deployment ? [target.deployment] : []), ...target.jobs];
  const select = (log: string) => migrationLines(mask(log));
  return (workload) => (ours.some((one) => isSame(one, workload)) ? select : undefined);
}

/** What the pods of the auth service and of the migration Jobs say, ready or not. Never throws. */
export async function migrationEvidence(client: ClusterClient, target: MigrationTarget, mask: Mask): Promise<string> {
  const linesOf = migrationLog(target, mask);
  const deployment = target.deployment ? [target.deployment] : [];
  const text = await Promise.all([
    explainWorkloads(client, [...deployment], { linesOf, evenComplete: true }),
    jobEvidence(client, target, mask),
  ]);
  return mask(text.filter((part) => part !== "").join("\n"));
}

/** The migration Jobs that did not complete; those that are gone say nothing. */
export async function jobEvidence(client: ClusterClient, target: MigrationTarget, mask: Mask): Promise<string> {
  const text = await explainWorkloads(client, [...target.jobs], { linesOf: migrationLog(target, mask) });
  const gone = /^Job \S+ does not exist$/;
  return mask(
    text
      .split("\n")
      .filter((line) => !gone.test(line))
      .join("\n"),
  );
}

/** How to go back, from helm's own record; empty when that cannot be read. Never throws. */
export async function rollbackAdvice(client: ClusterClient, facts: GateSettings["rollback"]): Promise<string[]> {
  const state = await readRelease(client, facts.namespace, facts.release).catch(() => undefined);
  return state ? rollbackLines(facts, state.revisions) : [];
}

function isSame(a: ObjectName, b: WorkloadName): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name;
}
