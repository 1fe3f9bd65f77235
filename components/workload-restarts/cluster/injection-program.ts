import { setTimeout as sleep } from "node:timers/promises";
import { explainWorkloads } from "../../../diagnosis/diagnose";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import { type ClusterClient, connectWithin } from "../../../kubernetes/connect";
import { runHelperProgram } from "../../../shared/helper-program";
import { type InjectionJob, injectionJob } from "../injection-job";
import { findInjectionProblem, type InjectionProblem } from "./injection";

const POLL_MS = 500;

/** Waits until restarted pods would get the new configuration; fails with what is missing when time is up. */
runHelperProgram("injection-program.ts", { job: injectionJob, run: waitUntilReady });

async function waitUntilReady(context: string, job: InjectionJob): Promise<undefined> {
  const client = await connectWithin(job.timeoutSeconds, { context, timeoutSeconds: 10 });
  const end = Date.now() + job.timeoutSeconds * 1000;
  for (;;) {
    const missing = await look(client, job);
    if (missing === undefined) return undefined;
    if (Date.now() >= end) {
      const details = missing.workload ? `\n${await explainWorkloads(client, [missing.workload])}` : "";
      throw new Error(`no workload was restarted: ${missing.problem} (waited ${job.timeoutSeconds} s)${details}`);
    }
    await sleep(Math.min(POLL_MS, Math.max(end - Date.now(), 0)));
  }
}

/** An API server that fails for a moment is no reason to give up before the time is. */
async function look(client: ClusterClient, check: InjectionJob): Promise<InjectionProblem | undefined> {
  try {
    return await findInjectionProblem(client, check);
  } catch (error) {
    const passing = error instanceof UnreachableError || (error instanceof ApiError && error.code >= 500);
    if (!passing) throw error;
    return { problem: `the cluster does not answer: ${error.message}` };
  }
}
