import { setTimeout as sleep } from "node:timers/promises";
import { explainWorkloads } from "../../../diagnosis/diagnose";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import { type ClusterClient, connect } from "../../../kubernetes/connect";
import { runHelperProgram } from "../../../shared/helper-program";
import { type GateJob, gateJob } from "../gate-job";
import { type Look, lookAtRestart } from "./gate";

const POLL_MS = 200;
/** So long the same obstacle must stand in the way before it counts as one that stays, in milliseconds. */
const STUCK_MS = 8_000;
/** So long a workload is waited for that was not available before either, in seconds. */
const BROKEN_SECONDS = 60;
/** Longest time that the explanation of a failure may take, in milliseconds. */
const EXPLAIN_MS = 10_000;

/** Waits until every pod of a restarted workload is one of the restart; fails with what is wrong with them. */
runHelperProgram("gate-program.ts", { job: gateJob, run: waitUntilDone });

async function waitUntilDone(context: string, job: GateJob): Promise<undefined> {
  const client = await connect({ context, timeoutSeconds: 10 });
  const started = new Date();
  const limit = job.brokenBefore ? Math.min(job.timeoutSeconds, BROKEN_SECONDS) : job.timeoutSeconds;
  const end = started.getTime() + limit * 1000;
  let stuckSince: number | undefined;
  for (;;) {
    const { verdict, stuck } = await look(client, job, started);
    if (verdict.state === "done") return undefined;
    stuckSince = stuck ? (stuckSince ?? Date.now()) : undefined;
    const certain = stuck && (stuck.hopeless || Date.now() - (stuckSince ?? Date.now()) >= STUCK_MS);
    if (verdict.state === "failed") throw new Error(await failure(client, job, misses(job, verdict.why)));
    if (certain || Date.now() >= end) {
      const why = certain ? stuck.why : verdict.why;
      const what = certain ? `cannot be restarted: ${why}` : `did not become available within ${limit} s: ${why}`;
      if (!job.brokenBefore) throw new Error(await failure(client, job, `${idOf(job)} ${what}`));
      console.error(`${idOf(job)} was not available before the upgrade either, and does not stop it: it ${what}`);
      return undefined;
    }
    await sleep(Math.min(POLL_MS, Math.max(end - Date.now(), 0)));
  }
}

/** An API server that fails for a moment is no reason to give up before the time is. */
async function look(client: ClusterClient, job: GateJob, since: Date): Promise<Look> {
  try {
    return await lookAtRestart(client, job, since);
  } catch (error) {
    const passing = error instanceof UnreachableError || (error instanceof ApiError && error.code >= 500);
    if (!passing) throw error;
    return { verdict: { state: "waiting", why: `the cluster does not answer: ${error.message}` } };
  }
}

const idOf = ({ kind, namespace, name }: GateJob) => `${kind}/${namespace}/${name}`;
const misses = (job: GateJob, why: string) => `${idOf(job)} is not restarted as it should be: ${why}`;

async function failure(client: ClusterClient, { kind, namespace, name }: GateJob, what: string): Promise<string> {
  const details = await explainWorkloads(client, [{ kind, namespace, name }], { limitMs: EXPLAIN_MS });
  return [`${what}; no further workload is restarted.`, ...(details ? [details] : [])].join("\n");
}
