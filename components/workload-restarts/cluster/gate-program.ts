import { explainWorkloads } from "../../../diagnosis/diagnose";
import { type ClusterClient, connect } from "../../../kubernetes/connect";
import { runHelperProgram } from "../../../shared/helper-program";
import { type GateJob, gateJob } from "../gate-job";
import { Changes } from "../../../kubernetes/changes";
import { lookPatiently } from "./gate";

/** So long the same obstacle must stand in the way before it counts as one that stays, in milliseconds. */
const STUCK_MS = 8_000;
/** So long a workload is waited for that was not available before either, in seconds. */
const BROKEN_SECONDS = 60;
/** How often is looked at what no watch tells, in milliseconds: whether injector and API server answer again. */
const UNWATCHED_MS = 1_000;
/** Longest time that the explanation of a failure may take, in milliseconds. */
const EXPLAIN_MS = 10_000;

/** Waits until every pod of a restarted workload is one of the restart; fails with what is wrong with them. */
runHelperProgram("gate-program.ts", { job: gateJob, run: waitUntilDone });

async function waitUntilDone(context: string, job: GateJob): Promise<undefined> {
  const client = await connect({ context, timeoutSeconds: 10 });
  const changes = Changes.of(client, [job]);
  const started = new Date();
  const limit = job.brokenBefore ? Math.min(job.timeoutSeconds, BROKEN_SECONDS) : job.timeoutSeconds;
  const end = started.getTime() + limit * 1000;
  let stuckSince: number | undefined;
  for (;;) {
    const { verdict, stuck, unwatched, podSelector } = await lookPatiently(client, job, started);
    if (verdict.state === "done") return undefined;
    if (verdict.state === "failed") throw new Error(await failure(client, job, misses(job, verdict.why)));
    const now = Date.now();
    stuckSince = stuck ? (stuckSince ?? now) : undefined;
    const certainAt = stuckSince === undefined ? Infinity : stuckSince + STUCK_MS;
    const certain = stuck && (stuck.hopeless || now >= certainAt);
    if (certain || now >= end) {
      const why = certain ? stuck.why : verdict.why;
      const what = certain ? `cannot be restarted: ${why}` : `did not become available within ${limit} s: ${why}`;
      if (!job.brokenBefore) throw new Error(await failure(client, job, `${idOf(job)} ${what}`));
      console.error(`${idOf(job)} was not available before the upgrade either, and does not stop it: it ${what}`);
      return undefined;
    }
    if (podSelector !== undefined) changes.watchPods(job.namespace, podSelector);
    await changes.next(Math.min(end, certainAt, unwatched ? now + UNWATCHED_MS : Infinity));
  }
}

const idOf = ({ kind, namespace, name }: GateJob) => `${kind}/${namespace}/${name}`;
const misses = (job: GateJob, why: string) => `${idOf(job)} is not restarted as it should be: ${why}`;

async function failure(client: ClusterClient, { kind, namespace, name }: GateJob, what: string): Promise<string> {
  const details = await explainWorkloads(client, [{ kind, namespace, name }], { limitMs: EXPLAIN_MS });
  return [`${what}; no further workload is restarted.`, ...(details ? [details] : [])].join("\n");
}
