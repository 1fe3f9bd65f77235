import { explainWorkloads } from "../../../diagnosis/diagnose";
import { type ClusterClient, connectWithin } from "../../../kubernetes/connect";
import { runHelperProgram } from "../../../shared/helper-program";
import { type GateJob, gateJob } from "../gate-job";
import { Changes } from "../../../kubernetes/changes";
import { lookPatiently } from "./gate";

/** So long the same obstacle must stand in the way before it counts as one that stays, in milliseconds. */
const STUCK_MS = 8_000;
/** So long pods must lack something before that counts, in milliseconds: an injector that goes may have answered. */
const LACKING_MS = 5_000;
/** So long after a quota got room a controller may take until it tries again, in milliseconds. */
const ROOM_MS = 45_000;
/** So long a workload is waited for that was not available before either, in seconds. */
const BROKEN_SECONDS = 60;
/** How often is looked at what no watch tells, in milliseconds: whether injector and API server answer again. */
const UNWATCHED_MS = 1_000;
/** Longest time that the explanation of a failure may take, in milliseconds. */
const EXPLAIN_MS = 10_000;

/** Waits until every pod of a restarted workload is one of the restart; fails with what is wrong with them. */
runHelperProgram("gate-program.ts", { job: gateJob, run: waitUntilDone });

async function waitUntilDone(context: string, job: GateJob): Promise<undefined> {
  const client = await connectWithin(job.timeoutSeconds, { context, timeoutSeconds: 10 });
  const changes = Changes.of(client, [job]);
  const started = new Date();
  const last = started.getTime() + job.timeoutSeconds * 1000;
  // A workload that was not available may be one that was just scaled up: while it gets on it is waited for.
  const endOf = (at: number) => (job.brokenBefore ? Math.min(last, at + BROKEN_SECONDS * 1000) : last);
  let end = endOf(started.getTime());
  let progress: string | undefined;
  let stuckSince: number | undefined;
  let lackingSince: number | undefined;
  let roomUntil = 0;
  for (;;) {
    const { verdict, stuck, unwatched, podSelector, counts, getsRoom } = await lookPatiently(client, job, started);
    const now = Date.now();
    if (getsRoom) roomUntil = now + ROOM_MS;
    if (counts !== undefined && counts !== progress) {
      if (progress !== undefined) [stuckSince, end] = [undefined, endOf(now)];
      progress = counts;
    }
    if (verdict.state === "done") {
      if (verdict.note !== undefined) console.error(`${idOf(job)} is restarted; ${verdict.note}`);
      return undefined;
    }
    if (verdict.state === "failed") {
      lackingSince = verdict.mayPass ? (lackingSince ?? now) : undefined;
      const until = Math.min((lackingSince ?? -Infinity) + LACKING_MS, end);
      if (now >= until) throw new Error(await failure(client, job, misses(job, verdict.why)));
      await changes.next(Math.min(until, now + UNWATCHED_MS));
      continue;
    }
    stuckSince = stuck ? (stuckSince ?? now) : undefined;
    const patience = stuck?.patience === undefined ? STUCK_MS : stuck.patience * 1000;
    const isFull = stuck?.why.includes("exceeded quota") === true;
    const certainAt = stuckSince === undefined ? Infinity : Math.max(stuckSince + patience, isFull ? roomUntil : 0);
    const certain = stuck && (stuck.hopeless || now >= certainAt);
    if (certain || now >= end) {
      const why = certain ? stuck.why : verdict.why;
      const seconds = Math.round((end - started.getTime()) / 1000);
      const what = certain ? `cannot be restarted: ${why}` : `did not become available within ${seconds} s: ${why}`;
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
