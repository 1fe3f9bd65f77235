import { Redactor, secretTexts } from "../../../kubernetes/redact";
import {
  failureText,
  gateJob,
  type GateJob,
  type GateReport,
  type GateSettings,
  parseReport,
  reportLines,
} from "../settings";
import { kubeObject } from "../../../kubernetes/objects";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import { Changes } from "../../../kubernetes/changes";
import { type ClusterClient, connect } from "../../../kubernetes/connect";
import type { KubectlAccess } from "../../../kubernetes/kubectl";
import { runHelperProgram } from "../../../shared/helper-program";
import { checkMigration, databaseOf, type GateProblem } from "./check";
import { compareData } from "./compare-data";
import { type Mask, migrationEvidence, rollbackAdvice } from "./evidence";
import { readLockWaits } from "./revision";

/** How often is looked at what no watch tells, in milliseconds: logs, HTTP, the databases. */
const UNWATCHED_MS = 1000;
/** How long a final problem must last before the gate gives up, in milliseconds: the program may try again at once. */
const SETTLE_MS = 5000;

/**
 * Waits until the migration of the auth service is known to have gone well. Passed: the result is the report, in words
 * on stderr. Not passed in time: it fails with what the cluster says.
 */
runHelperProgram("gate-program.ts", { job: gateJob, run: pass, failureTo: "stdout" });

async function pass(context: string, job: GateJob): Promise<GateReport> {
  const { settings, secrets } = job;
  const access = { context };
  const client = await connect({ context, timeoutSeconds: 10 });
  const seen = parseReport(process.env["PULUMI_COMMAND_STDOUT"])?.seen ?? [];
  const started = Date.now();
  const outcome = await wait(client, access, job, seen);
  const mask = await maskFor(client, settings, secrets);
  if (!("problem" in outcome)) {
    const report = { ...outcome, ...(outcome.logs ? { logs: mask(outcome.logs) } : {}) };
    console.error(reportLines(report).join("\n"));
    return report;
  }
  const seconds = Math.round((Date.now() - started) / 1000);
  const [evidence, waits, rollback] = await Promise.all([
    migrationEvidence(client, settings, mask),
    databaseOf(client, settings).then((database) => readLockWaits(client, access, database)),
    rollbackAdvice(client, settings.rollback),
  ]);
  const details = [evidence, ...waits.map(mask)].filter((text) => text !== "").join("\n");
  throw new Error(failureText(settings, mask(outcome.problem), seconds, details, rollback));
}

async function wait(
  client: ClusterClient,
  access: KubectlAccess,
  job: GateJob,
  seen: readonly string[],
): Promise<GateReport | GateProblem> {
  const end = Date.now() + job.settings.timeoutSeconds * 1000;
  const changes = Changes.of(client, watched(job));
  let finalSince: number | undefined;
  let data: string | undefined = job.backups ? undefined : "";
  for (;;) {
    const outcome = await look(async () => {
      // First: a service that finds its database empty says all kinds of things.
      const compared = data ?? (await compareData(client, job.backups ?? []));
      if (typeof compared !== "string") return compared;
      data = compared;
      const report = await checkMigration(client, access, job, seen);
      return "problem" in report || data === "" ? report : { ...report, data };
    });
    if (!("problem" in outcome)) return outcome;
    const now = Date.now();
    finalSince = outcome.final ? (finalSince ?? now) : undefined;
    const settledAt = finalSince === undefined ? Infinity : finalSince + SETTLE_MS;
    if (now >= Math.min(settledAt, end)) return outcome;
    if (outcome.podSelector) changes.watchPods(job.settings.deployment.namespace, outcome.podSelector);
    const nextLook = outcome.isWatched ? Infinity : now + UNWATCHED_MS;
    await changes.next(Math.min(end, settledAt, nextLook));
  }
}

/** Whatever the gate waits for that the API server tells of. */
function watched({ settings: { deployment, jobs }, backups = [] }: GateJob) {
  const servers = backups.flatMap(({ comparison: { target } }) =>
    "host" in target.at ? [] : [{ kind: target.at.kind, namespace: target.at.namespace, name: target.at.workload }],
  );
  return [deployment, ...jobs.filter(({ hook }) => !hook), ...servers];
}

/** An API server that fails for a moment is no reason to give up before the time is. */
async function look(check: () => Promise<GateReport | GateProblem>): Promise<GateReport | GateProblem> {
  try {
    return await check();
  } catch (error) {
    const passing = error instanceof UnreachableError || (error instanceof ApiError && error.code >= 500);
    if (!passing) throw error;
    return { problem: `the cluster does not answer: ${error.message}` };
  }
}

/** Hides what was given and what the Secrets of the namespace hold, except what everybody can read in the chart. */
async function maskFor(client: ClusterClient, { deployment, known }: GateSettings, given: string[]): Promise<Mask> {
  const select = { fieldSelector: "type!=helm.sh/release.v1" };
  const secrets = await client
    .list({ apiVersion: "v1", kind: "Secret" }, deployment.namespace, kubeObject, select)
    .catch(() => []);
  const redactor = new Redactor([...given, ...secretTexts(secrets)], new Set(known));
  return (text) => redactor.text(text);
}
