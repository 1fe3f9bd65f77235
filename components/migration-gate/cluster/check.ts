import { type ContainerLog, judgeLogs, type LogPlace } from "../judge-logs";
import { migrationAttempt } from "../log-lines";
import { judgeRevision, withSeen } from "../revision";
import type { GateJob, GateReport, GateSettings } from "../settings";
import { readRelease, type ReleaseState } from "../../../helm/release";
import { dig, parseManifest } from "../../../kubernetes/objects";
import { alsoMigrating, databaseNamedOtherwise, type ObjectName } from "../target";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { LOG_LIMITS, readLog } from "../../../diagnosis/diagnose";
import { type LivePod, podSchema, readyPods } from "../../../kubernetes/pods";
import type { KubectlAccess } from "../../../kubernetes/kubectl";
import { probePod } from "./probe";
import { readRevision } from "./revision";
import { rolloutOf, WORKLOAD_VERSIONS } from "../../../kubernetes/rollout";

/** Why the gate is not passed now. */
export interface GateProblem {
  readonly problem: string;
  /** Waiting does not help, unless the program itself tries its migration again. */
  readonly final?: boolean;
  /** The API server tells when it may have changed. */
  readonly isWatched?: boolean;
  /** Of the pods that it depends on. */
  readonly podSelector?: string;
}

/** One look at everything, in the order in which things can be told: rollout, Jobs, logs, HTTP, schema. */
export async function checkMigration(
  client: ClusterClient,
  access: KubectlAccess,
  { settings, acceptsLoss }: Pick<GateJob, "settings" | "acceptsLoss">,
  seen: readonly string[],
): Promise<GateReport | GateProblem> {
  const rolledOut = await workloadProblem(client, settings.deployment);
  if ("problem" in rolledOut) return rolledOut;
  const { installed, jobs, others } = await alsoOf(client, settings);
  const problem = await jobsProblem(client, [...settings.jobs, ...jobs]);
  if (problem) return problem;
  const { namespace } = settings.deployment;
  const pods = await readyPodsOf(client, namespace, rolledOut.podSelector);
  const logs = settings.checkLogs
    ? judgeLogs(
        (
          await Promise.all([
            readLogs(client, namespace, pods),
            jobLogs(client, [...settings.jobs, ...jobs], installed),
            ...others.map((other) => workloadLogs(client, other)),
          ])
        ).flat(),
      )
    : { note: "" };
  if ("problem" in logs) return logs;
  const probed = await probeAll(access, namespace, pods, settings.probe);
  if (typeof probed !== "string") return probed;
  const reading = await readRevision(client, access, await databaseOf(client, settings));
  const { problem: unfit, note } = judgeRevision(reading, { expected: settings.expected, seen, acceptsLoss });
  if (unfit) return { problem: unfit };
  return {
    podsReady: pods.map(({ metadata }) => metadata.name).sort(),
    revision: reading.state === "read" ? [...reading.revisions] : null,
    revisionNote: note,
    probe: probed,
    seen: withSeen(seen, reading),
    ...(logs.note ? { logs: logs.note } : {}),
  };
}

/** The auth service's database; where the chart calls its server otherwise, the one among the release's objects. */
export async function databaseOf(
  client: ClusterClient,
  { database, rollback: { release, namespace } }: Pick<GateSettings, "database" | "rollback">,
): Promise<GateSettings["database"]> {
  if (database) return database;
  const installed = await readRelease(client, namespace, release).catch(() => undefined);
  const objects = parseManifest(installed?.latest.manifest ?? "").map(({ object }) => object);
  return databaseNamedOtherwise(objects, namespace);
}

/** Every replica runs the new template and is ready; no pod of an older one is left. */
async function workloadProblem(client: ClusterClient, { kind, namespace, name }: GateSettings["deployment"]) {
  const live = await client.api.get({ apiVersion: WORKLOAD_VERSIONS[kind] ?? "", kind }, namespace, name);
  if (live === undefined) return { problem: `${kind} ${namespace}/${name} does not exist`, isWatched: true };
  const rollout = rolloutOf(kind, live);
  if (rollout.complete) return rollout;
  const { progress, podSelector } = rollout;
  return { problem: `${kind} ${namespace}/${name}: ${progress}`, isWatched: true, podSelector };
}

/** A Job that the gate waits for; one that it was not told of is not watched. */
type GateJobName = ObjectName & { readonly hook: boolean; readonly isWatched?: boolean };

/** The release as helm has it, and what of it migrates beside what the gate was told. */
async function alsoOf(client: ClusterClient, { deployment, jobs, rollback: { release, namespace } }: GateSettings) {
  const installed = await readRelease(client, namespace, release).catch(() => undefined);
  const objects = parseManifest(installed?.latest.manifest ?? "").map(({ object }) => object);
  const also = alsoMigrating(objects, namespace, [deployment, ...jobs]);
  return {
    installed,
    jobs: also.flatMap((one): GateJobName[] => (one.kind === "Job" ? [{ ...one, hook: false, isWatched: false }] : [])),
    others: also.filter(({ kind }) => kind !== "Job"),
  };
}

/** A Job that is gone was removed after it had ended (its TTL, a hook's delete policy). */
async function jobsProblem(client: ClusterClient, jobs: readonly GateJobName[]): Promise<GateProblem | undefined> {
  for (const { namespace, name, hook, isWatched = true } of jobs) {
    if (hook) continue;
    const live = await client.api.get({ apiVersion: "batch/v1", kind: "Job" }, namespace, name);
    if (live === undefined) continue;
    const { complete, progress, failures } = rolloutOf("Job", live);
    if (complete) continue;
    const final = failures.some((text) => /^Failed/.test(text));
    return { problem: `Job ${namespace}/${name}: ${progress}`, final, isWatched };
  }
  return undefined;
}

async function readyPodsOf(client: ClusterClient, namespace: string, labelSelector: string): Promise<LivePod[]> {
  return readyPods(await client.list({ apiVersion: "v1", kind: "Pod" }, namespace, podSchema, { labelSelector }));
}

/** Between the clock of the API server and that of who upgrades, in milliseconds. */
const LEEWAY_MS = 60_000;

/** What the logs of Jobs that completed in this very upgrade say. */
async function jobLogs(
  client: ClusterClient,
  jobs: readonly GateJobName[],
  installed: ReleaseState | undefined,
): Promise<ContainerLog[]> {
  const since = Date.parse(installed?.latest.deployedAt ?? "") - LEEWAY_MS;
  const logs = jobs.map(async ({ namespace, name }) => {
    const ended = await endedPods(client, { namespace, name }, since);
    return readLogs(client, namespace, ended, `${namespace}/${name}`);
  });
  return (await Promise.all(logs)).flat();
}

/** What the logs of a workload beside the service say. helm has waited for it. */
async function workloadLogs(client: ClusterClient, { kind, namespace, name }: ObjectName): Promise<ContainerLog[]> {
  try {
    const live = await client.api.get({ apiVersion: WORKLOAD_VERSIONS[kind] ?? "", kind }, namespace, name);
    if (live === undefined) return [];
    return await readLogs(client, namespace, await readyPodsOf(client, namespace, rolloutOf(kind, live).podSelector));
  } catch (error) {
    if (error instanceof ApiError) return [{ pod: `of ${kind} ${namespace}/${name}`, unread: error.message }];
    throw error;
  }
}

/** The pods in which a Job ended well; none of a Job that is gone or older. */
async function endedPods(client: ClusterClient, job: { namespace: string; name: string }, since: number) {
  try {
    const live = await client.api.get({ apiVersion: "batch/v1", kind: "Job" }, job.namespace, job.name);
    const created = Date.parse(String(dig(live, "metadata", "creationTimestamp")));
    if (live === undefined || created < since) return [];
    const select = { labelSelector: rolloutOf("Job", live).podSelector };
    const all = await client.list({ apiVersion: "v1", kind: "Pod" }, job.namespace, podSchema, select);
    return all.filter(({ status }) => status.phase === "Succeeded");
  } catch (error) {
    // Those of hooks are helm's, and need not be readable.
    if (error instanceof ApiError) return [];
    throw error;
  }
}

async function readLogs(
  client: ClusterClient,
  namespace: string,
  pods: readonly LivePod[],
  job?: string,
): Promise<ContainerLog[]> {
  const containers = pods.flatMap(({ metadata: { name: pod }, status }) =>
    [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].map(({ name }) => ({ pod, name })),
  );
  return Promise.all(
    containers.map(async ({ pod, name }) => {
      const place: LogPlace = { pod, ...(job === undefined ? {} : { job }) };
      try {
        const text = await readLog(client, { namespace, pod, container: name, ...LOG_LIMITS.long });
        return { ...place, ...migrationAttempt(text) };
      } catch (error) {
        if (error instanceof ApiError) return { ...place, unread: error.message };
        throw error;
      }
    }),
  );
}

async function probeAll(
  access: KubectlAccess,
  namespace: string,
  pods: readonly LivePod[],
  probe: GateSettings["probe"],
): Promise<string | GateProblem> {
  if (!probe) return "no HTTP probe is configured";
  for (const { metadata } of pods) {
    const problem = await probePod(access, { namespace, name: metadata.name }, probe);
    if (problem) return { problem: `pod ${metadata.name} does not answer GET ${probe.path} well: ${problem}` };
  }
  return `GET ${probe.path} on port ${probe.port} answered 2xx in ${pods.length} of ${pods.length} pods`;
}
