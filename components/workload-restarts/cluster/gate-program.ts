import { explainWorkloads } from "../../../diagnosis/diagnose";
import { type ClusterClient, connectWithin } from "../../../kubernetes/connect";
import { runHelperProgram } from "../../../shared/helper-program";
import { type GateJob, gateJob } from "../gate-job";
import { Changes } from "../../../kubernetes/changes";
import { Patience } from "../patience";
import type { GateResult } from "../ended";
import { lookPatiently } from "./gate";

/** How often is looked at what no watch tells, in milliseconds: whether injector and API server answer again. */
const UNWATCHED_MS = 1_000;
/** Longest time that the explanation of a failure may take, in milliseconds. */
const EXPLAIN_MS = 10_000;

/** Waits until every pod of a restarted workload is one of the restart; fails with what is wrong with them. */
runHelperProgram("gate-program.ts", { job: gateJob, run: waitUntilDone });

async function waitUntilDone(context: string, job: GateJob): Promise<GateResult | undefined> {
  const client = await connectWithin(job.timeoutSeconds, { context, timeoutSeconds: 10 });
  const changes = Changes.of(client, [job]);
  const started = new Date();
  const patience = new Patience(job, started.getTime());
  let first: string | undefined;
  for (;;) {
    const look = await lookPatiently(client, job, started);
    const { verdict, stuck, unwatched, podSelector, uid } = look;
    first ??= uid;
    if (verdict.state === "gone") return left(job, verdict.left, verdict.why);
    if (uid !== first && uid !== undefined) return left(job, "not-found", "another one of its name took its place");
    const now = Date.now();
    patience.saw(look, now);
    const { end, stuckAt, failsAt } = patience;
    if (verdict.state === "done") {
      return verdict.note === undefined ? undefined : tell({ told: `${idOf(job)} is restarted; ${verdict.note}` });
    }
    if (verdict.state === "failed") {
      if (now >= failsAt) throw new Error(await failure(client, job, misses(job, verdict.why)));
      await changes.next(Math.min(failsAt, now + UNWATCHED_MS));
      continue;
    }
    const certain = stuck && now >= stuckAt;
    if (certain && look.paused) return left(job, "paused", stuck.why);
    if (certain || now >= end) {
      const why = certain ? stuck.why : verdict.why;
      const what = certain
        ? `cannot be restarted: ${why}`
        : `did not become available within ${patience.seconds} s: ${why}`;
      if (!job.brokenBefore) throw new Error(await failure(client, job, `${idOf(job)} ${what}`));
      console.error(`${idOf(job)} was not available before the upgrade either, and does not stop it: it ${what}`);
      return undefined;
    }
    if (podSelector !== undefined) changes.watchPods(job.namespace, podSelector);
    await changes.next(Math.min(end, stuckAt, unwatched ? now + UNWATCHED_MS : Infinity));
  }
}

/** Told here for who runs it by hand, and by the upgrade, which shows what a gate prints in a failure only. */
function tell(result: GateResult): GateResult {
  console.error(result.told);
  return result;
}

function left(job: GateJob, why: GateResult["left"], words: string): GateResult {
  return tell({ told: `${idOf(job)} is not waited for any more: ${words}`, left: why });
}

const idOf = ({ kind, namespace, name }: GateJob) => `${kind}/${namespace}/${name}`;
const misses = (job: GateJob, why: string) => `${idOf(job)} is not restarted as it should be: ${why}`;

async function failure(client: ClusterClient, { kind, namespace, name }: GateJob, what: string): Promise<string> {
  const details = await explainWorkloads(client, [{ kind, namespace, name }], { limitMs: EXPLAIN_MS });
  return [`${what}; no further workload is restarted.`, ...(details ? [details] : [])].join("\n");
}
