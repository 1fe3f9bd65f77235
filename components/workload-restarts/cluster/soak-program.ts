import { explainWorkloads } from "../../../diagnosis/diagnose";
import { type ClusterClient, connectWithin } from "../../../kubernetes/connect";
import { runHelperProgram } from "../../../shared/helper-program";
import type { GateJob } from "../gate-job";
import { type SoakJob, soakJob } from "../soak-job";
import { Changes } from "../../../kubernetes/changes";
import { type Look, lookPatiently } from "./gate";

/** Longest time that the explanation of a failure may take, in milliseconds. */
const EXPLAIN_MS = 10_000;

/** Watches the canaries for a while; fails when one of them does not stay as the restart left it. */
runHelperProgram("soak-program.ts", { job: soakJob, run: watchCanaries });

async function watchCanaries(context: string, { canaries, seconds }: SoakJob): Promise<undefined> {
  if (seconds === 0 || canaries.length === 0) return undefined;
  const client = await connectWithin(seconds, { context, timeoutSeconds: 10 });
  const started = new Date();
  const end = started.getTime() + seconds * 1000;
  console.error(`watching ${canaries.length} restarted first for ${seconds} s before the others follow`);
  const changes = Changes.of(client, canaries);
  const restarts = new Map<string, number>();
  const gone = new Set<GateJob>();
  for (let first = true; ; first = false) {
    const over = Date.now() >= end;
    for (const job of canaries.filter((one) => !gone.has(one))) {
      const look = await lookPatiently(client, job, started);
      if (look.verdict.state === "gone") {
        gone.add(job);
        console.error(`${job.kind}/${job.namespace}/${job.name} is not watched any more: ${look.verdict.why}`);
        continue;
      }
      if (look.podSelector !== undefined) changes.watchPods(job.namespace, look.podSelector);
      const problem = problemOf(job, look, { restarts, first, over });
      if (problem !== undefined) throw new Error(await failure(client, job, problem));
    }
    if (over || gone.size === canaries.length) return undefined;
    await changes.next(end);
  }
}

/** How often containers of its pods had been started again at the first look is no doing of the watch. */
function problemOf(
  job: GateJob,
  { verdict, pods = [] }: Look,
  { restarts, first, over }: { restarts: Map<string, number>; first: boolean; over: boolean },
): string | undefined {
  const pod = ({ name }: { name: string }) => `${job.namespace}/${name}`;
  if (first) for (const one of pods) restarts.set(pod(one), one.restarts);
  const crashed = pods.find((one) => one.restarts > (restarts.get(pod(one)) ?? 0));
  if (crashed) return `a container of pod ${crashed.name} was started again`;
  if (verdict.state === "failed") return verdict.why;
  // One that is replaced meanwhile, for a node that is drained for instance, has until the end.
  return over && verdict.state === "waiting" ? verdict.why : undefined;
}

async function failure(client: ClusterClient, { kind, namespace, name }: GateJob, why: string): Promise<string> {
  const details = await explainWorkloads(client, [{ kind, namespace, name }], { limitMs: EXPLAIN_MS });
  const what = `${kind}/${namespace}/${name}, restarted first, did not stay available: ${why}`;
  return [`${what}; no further workload is restarted.`, ...(details ? [details] : [])].join("\n");
}
