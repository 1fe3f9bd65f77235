import { z } from "zod";
import { dig, type KubeObject } from "../plan/objects";
import { workloadFacts } from "./workloads";
import type { ClusterClient } from "./connect";

/** A workload to explain. */
export interface WorkloadName {
  kind: string;
  namespace: string;
  name: string;
}

/** Newest events and log lines shown for one workload: enough to see the cause, little enough to read. */
const MAX_EVENTS = 5;
const MAX_LOG_LINES = 10;
const MAX_PODS = 3;

const containerState = z.looseObject({
  name: z.string(),
  ready: z.boolean().default(false),
  restartCount: z.number().default(0),
  state: z
    .looseObject({
      waiting: z.looseObject({ reason: z.string().optional(), message: z.string().optional() }).nullish(),
    })
    .nullish(),
  lastState: z
    .looseObject({
      terminated: z.looseObject({ exitCode: z.number().optional(), reason: z.string().optional() }).nullish(),
    })
    .nullish(),
});
const condition = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
});
const pod = z.looseObject({
  metadata: z.looseObject({ name: z.string(), creationTimestamp: z.string().default("") }),
  status: z
    .looseObject({
      phase: z.string().default("Unknown"),
      conditions: z.array(condition).default([]),
      containerStatuses: z.array(containerState).default([]),
      initContainerStatuses: z.array(containerState).default([]),
    })
    .prefault({}),
});
type Pod = z.infer<typeof pod>;
const event = z.looseObject({
  type: z.string().default(""),
  reason: z.string().default(""),
  message: z.string().default(""),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
  metadata: z.looseObject({ creationTimestamp: z.string().default("") }),
  involvedObject: z.looseObject({ name: z.string().default("") }),
});
const conditions = z.looseObject({
  status: z.looseObject({ conditions: z.array(condition).default([]) }).prefault({}),
  spec: z.looseObject({
    selector: z.looseObject({ matchLabels: z.record(z.string(), z.string()).default({}) }).prefault({}),
  }),
});

/** Why a release is not fully rolled out: each workload that lags, with its pods and events. Never throws. */
export async function explainRelease(client: ClusterClient, namespace: string, objects: KubeObject[]): Promise<string> {
  const workloads = objects
    .filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet")
    .map(({ kind, metadata }) => ({ kind, namespace: metadata.namespace ?? namespace, name: metadata.name ?? "" }));
  const text = await explainWorkloads(client, workloads);
  return text === "" ? "every workload of the release is rolled out; the cause is in the error above" : text;
}

/** One paragraph for each workload that is not fully rolled out; empty when all are. Never throws: it explains errors. */
export async function explainWorkloads(client: ClusterClient, workloads: WorkloadName[]): Promise<string> {
  const parts = await Promise.all(
    workloads.map((workload) =>
      explain(client, workload).catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        return `${workload.kind} ${workload.namespace}/${workload.name}: its state cannot be read: ${why}`;
      }),
    ),
  );
  return parts.filter((part) => part !== "").join("\n");
}

async function explain(client: ClusterClient, { kind, namespace, name }: WorkloadName): Promise<string> {
  const live = await client.api.get({ apiVersion: "apps/v1", kind }, namespace, name);
  if (live === undefined) return `${kind} ${namespace}/${name} does not exist`;
  const facts = workloadFacts(kind === "StatefulSet" ? "StatefulSet" : "Deployment", live);
  if (facts.rolledOut) return "";
  const { status, spec } = conditions.parse(live);
  const number = (field: string) => Number(dig(live, "status", field) ?? 0);
  const lines = [
    `${kind} ${namespace}/${name}: ${number("updatedReplicas")} of ${facts.replicas} replicas updated, ` +
      `${number("availableReplicas")} available${facts.paused ? ", paused" : ""}`,
  ];
  for (const { type, status: value, reason, message } of status.conditions) {
    if (type !== "Available" && value === "False") lines.push(`  ${type}: ${reason ?? ""} ${message ?? ""}`.trimEnd());
  }
  const selector = Object.entries(spec.selector.matchLabels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const pods = (await client.api.list({ apiVersion: "v1", kind: "Pod" }, namespace, selector))
    .map((item) => pod.parse(item))
    .filter((item) => !isReady(item))
    .sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1));
  const [shown, events] = await Promise.all([
    Promise.all(pods.slice(0, MAX_PODS).map((item) => podLines(client, namespace, item))),
    warningEvents(client, namespace, [name, ...pods.map((item) => item.metadata.name)]),
  ]);
  return [...lines, ...shown.flat(), ...events].join("\n");
}

function isReady(item: Pod): boolean {
  return item.status.conditions.some(({ type, status }) => type === "Ready" && status === "True");
}

async function podLines(client: ClusterClient, namespace: string, item: Pod): Promise<string[]> {
  const { name } = item.metadata;
  const lines = [`  pod ${name}: ${item.status.phase}`];
  const unscheduled = item.status.conditions.find(({ type, status }) => type === "PodScheduled" && status === "False");
  if (unscheduled) lines.push(`    not scheduled: ${unscheduled.message ?? ""}`);
  for (const container of [...item.status.initContainerStatuses, ...item.status.containerStatuses]) {
    if (container.ready) continue;
    const waiting = container.state?.waiting;
    const last = container.lastState?.terminated;
    const why = waiting ? `${waiting.reason ?? "waiting"} ${waiting.message ?? ""}`.trim() : "running, but not ready";
    const before = last ? `; ended before with exit code ${last.exitCode ?? "?"} (${last.reason ?? ""})` : "";
    lines.push(`    container ${container.name}: ${why}, ${container.restartCount} restarts${before}`);
    if (container.restartCount > 0) lines.push(...(await logLines(client, namespace, name, container.name)));
  }
  return lines;
}

/** The end of a container's log; none when it cannot be read, the rest is still worth showing. */
async function logLines(
  client: ClusterClient,
  namespace: string,
  podName: string,
  container: string,
): Promise<string[]> {
  const path = `/api/v1/namespaces/${namespace}/pods/${podName}/log`;
  const query = { container, tailLines: `${MAX_LOG_LINES}` };
  const text = await client.api.request("GET", path, { query }).catch(() => "");
  if (typeof text !== "string") return [];
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => `      | ${maskSecrets(line)}`);
}

/** Hides what looks like a secret in a log line: `password=…`, `token: …`, user info in a URL. */
export function maskSecrets(line: string): string {
  return line
    .replace(/((?:password|passwd|secret|token|api[-_]?key)["']?\s*[=:]\s*)("[^"]*"|'[^']*'|\S+)/gi, "$1***")
    .replace(/(\w+:\/\/[^\s:/@]+:)[^\s@/]+@/g, "$1***@");
}

async function warningEvents(client: ClusterClient, namespace: string, names: string[]): Promise<string[]> {
  const all = (await client.api.list({ apiVersion: "v1", kind: "Event" }, namespace)).map((item) => event.parse(item));
  const time = (item: z.infer<typeof event>) => item.lastTimestamp ?? item.eventTime ?? item.metadata.creationTimestamp;
  const own = all
    .filter((item) => item.type === "Warning" && names.includes(item.involvedObject.name))
    .sort((a, b) => (time(a) < time(b) ? 1 : -1))
    .map((item) => `  event ${item.reason}: ${maskSecrets(item.message)}`);
  return [...new Set(own)].slice(0, MAX_EVENTS);
}
