import { setTimeout as sleep } from "node:timers/promises";
import { explainWorkloads } from "../../../diagnosis/diagnose";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import { type ClusterClient, connect } from "../../../kubernetes/connect";
import { runHelperProgram } from "../../../shared/helper-program";
import { type GateJob, gateJob } from "../gate-job";
import type { GateVerdict } from "../gate-verdict";
import { lookAtRestart } from "./gate";

const POLL_MS = 200;
/** Longest time that the explanation of a failure may take, in milliseconds. */
const EXPLAIN_MS = 10_000;

/** Waits until every pod of a restarted workload is one of the restart; fails with what is wrong with them. */
runHelperProgram("gate-program.ts", { job: gateJob, run: waitUntilDone });

async function waitUntilDone(context: string, job: GateJob): Promise<undefined> {
  const client = await connect({ context, timeoutSeconds: 10 });
  const end = Date.now() + job.timeoutSeconds * 1000;
  for (;;) {
    const verdict = await look(client, job);
    if (verdict.state === "done") return undefined;
    if (verdict.state === "failed" || Date.now() >= end) throw new Error(await failure(client, job, verdict));
    await sleep(Math.min(POLL_MS, Math.max(end - Date.now(), 0)));
  }
}

/** An API server that fails for a moment is no reason to give up before the time is. */
async function look(client: ClusterClient, job: GateJob): Promise<GateVerdict> {
  try {
    return await lookAtRestart(client, job);
  } catch (error) {
    const passing = error instanceof UnreachableError || (error instanceof ApiError && error.code >= 500);
    if (!passing) throw error;
    return { state: "waiting", why: `the cluster does not answer: ${error.message}` };
  }
}

async function failure(client: ClusterClient, job: GateJob, verdict: GateVerdict): Promise<string> {
  const { kind, namespace, name, timeoutSeconds } = job;
  const id = `${kind}/${namespace}/${name}`;
  const why = verdict.state === "done" ? "" : verdict.why;
  const what =
    verdict.state === "failed"
      ? `${id} is not restarted as it should be: ${why}`
      : `${id} did not become available within ${timeoutSeconds} s: ${why}`;
  const details = await explainWorkloads(client, [{ kind, namespace, name }], { limitMs: EXPLAIN_MS });
  return [`${what}; no further workload is restarted.`, ...(details ? [details] : [])].join("\n");
}
