import { parseWaits, WAITS_SQL, waitLines } from "../lock-waits";
import { parseRevisions, psqlScript, REVISION_SCRIPT, type SchemaReading } from "../revision";
import type { MigrationTarget } from "../target";
import type { ClusterClient } from "../../../kubernetes/connect";
import { oneLine } from "../../../diagnosis/explanation";
import { kubectlProblem, type KubectlAccess, startKubectl } from "../../../kubernetes/kubectl";
import { workloadWithReadyPods } from "../../../kubernetes/workload-pods";

/** Longest time for one look at the database, in milliseconds. */
const LIMIT_MS = 30_000;

/**
 * Reads the schema revision with psql inside the pod of the chart's PostgreSQL. What prevents that (no such pod, no
 * permission, no psql) is an answer and no error.
 */
export async function readRevision(
  client: ClusterClient,
  access: KubectlAccess,
  database: MigrationTarget["database"],
): Promise<SchemaReading> {
  const answer = await ask(client, access, database, REVISION_SCRIPT);
  return "why" in answer ? { state: "not checked", why: oneLine(answer.why) } : parseRevisions(answer.text);
}

/** Who waits for whose lock in the database, in lines; none where that cannot be told. Never throws. */
export async function readLockWaits(
  client: ClusterClient,
  access: KubectlAccess,
  database: MigrationTarget["database"],
): Promise<string[]> {
  const answer = await ask(client, access, database, psqlScript(WAITS_SQL));
  return "why" in answer ? [] : waitLines(parseWaits(answer.text)).map(oneLine);
}

async function ask(
  client: ClusterClient,
  access: KubectlAccess,
  database: MigrationTarget["database"],
  script: string,
): Promise<{ text: string } | { why: string }> {
  if (!database) return { why: "the chart brings no database for the auth service, so it is an external one" };
  const { kind, namespace, name, container } = database;
  try {
    const { live, pods } = await workloadWithReadyPods(client, database);
    if (live === undefined) return { why: `${kind} ${namespace}/${name} does not exist` };
    const pod = pods[0];
    if (!pod) return { why: `${kind} ${namespace}/${name} has no pod that is ready` };
    const where = ["--namespace", namespace, pod.metadata.name, "--container", container];
    const run = await startKubectl(access, ["exec", "--stdin", ...where, "--", "sh", "-s"], {
      input: script,
      timeout: LIMIT_MS,
    });
    if (run.timedOut) return { why: `psql in pod ${pod.metadata.name} did not answer within ${LIMIT_MS / 1000} s` };
    if (run.exitCode !== 0) return { why: `psql in pod ${pod.metadata.name}: ${kubectlProblem(run.stderr)}` };
    return { text: run.stdout };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}
