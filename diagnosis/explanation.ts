import { stripVTControlCharacters } from "node:util";
import { z } from "zod";
import {
  hasCondition,
  type LiveContainer,
  type LivePod,
  newestFirst,
  order,
  type terminated,
} from "../kubernetes/pods";
import { type Rollout, words } from "../kubernetes/rollout";

/** Enough to see the cause, little enough to read. */
export const LIMITS = { pods: 3, events: 5, logLines: 10, lineLength: 400 };

/** Why one workload is not available, as far as the cluster says. */
export interface Explanation {
  rollout: Rollout;
  /** Newest first; only those that are not ready. */
  pods: { name: string; state: string; containers: { state: string; log: string[] }[] }[];
  /** Warnings, newest first, each text once. */
  events: string[];
}

/** An event as an explanation needs it. */
export const eventSchema = z.looseObject({
  reason: z.string().nullish(),
  message: z.string().nullish(),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
  metadata: z.looseObject({ creationTimestamp: z.string().default("") }),
  involvedObject: z.looseObject({ kind: z.string().default(""), name: z.string().default("") }),
});
export type LiveEvent = z.infer<typeof eventSchema>;

/** The pods that hold a workload up, newest first; with `all`, the ready ones after them. */
export function podsToShow(pods: LivePod[], all = false, most = LIMITS.pods): LivePod[] {
  // One that is about to go and does not is in the way of others, ready or not.
  const isReady = ({ metadata, status }: LivePod) =>
    status.phase === "Succeeded" || (hasCondition(status, "Ready", "True") && metadata.deletionTimestamp === undefined);
  const sorted = newestFirst(pods);
  const notReady = sorted.filter((pod) => !isReady(pod));
  return [...notReady, ...(all ? sorted.filter(isReady) : [])].slice(0, most);
}

/** Phase, what holds its deletion, why it is not scheduled or not ready, why the kubelet gave it up. */
export function podState({ metadata, status }: LivePod): string {
  const unscheduled = (status.conditions ?? []).find(
    ({ type, status: value }) => type === "PodScheduled" && value === "False",
  );
  const { deletionTimestamp, finalizers } = metadata;
  const held = finalizers?.length ? ` (held by its finalizer ${finalizers.join(", ")})` : "";
  const containers = status.containerStatuses ?? [];
  // Containers say for themselves why they are not ready; of readiness gates only this tells.
  const gated =
    containers.length > 0 && containers.every(({ ready }) => ready)
      ? (status.conditions ?? []).find(({ type, status: value }) => type === "Ready" && value === "False")
      : undefined;
  const parts = [
    deletionTimestamp ? `${status.phase}, being deleted${held}` : status.phase,
    words(status.reason, status.message),
    unscheduled ? `not scheduled: ${unscheduled.message ?? ""}` : "",
    gated ? `not ready: ${gated.message ?? ""}` : "",
  ];
  return parts.filter((part) => part).join("; ");
}

/** The containers that are not ready; an init container that has ended well is. With `all`, every one. */
export function containersToShow({ status }: LivePod, all = false): LiveContainer[] {
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  return all ? containers : containers.filter(({ ready, state }) => !ready && state?.terminated?.exitCode !== 0);
}

/** Why one container is not ready, or that it is. */
export function containerState({ name, ready, restartCount, state, lastState }: LiveContainer): string {
  const now = state?.waiting
    ? words(state.waiting.reason ?? "waiting", state.waiting.message)
    : state?.terminated
      ? ending(state.terminated)
      : ready
        ? "ready"
        : "running, but not ready";
  const before = lastState?.terminated ? `; before that ${ending(lastState.terminated)}` : "";
  return `container ${name}: ${now}, ${restartCount} restart${restartCount === 1 ? "" : "s"}${before}`;
}

function ending({ exitCode, signal, reason, message }: z.infer<typeof terminated>): string {
  const how = signal ? `signal ${signal}` : `exit code ${exitCode ?? "?"}`;
  return words(`ended with ${how}`, reason ? `(${reason})` : "", message);
}

/** A container that has ended at least once has a log worth reading. */
export function hasCrashed({ restartCount, state }: LiveContainer): boolean {
  return restartCount > 0 || Boolean(state?.terminated);
}

/** Warnings about a workload or another object, its ReplicaSets, its pods and their volume claims. */
export function eventsToShow(events: LiveEvent[], rollout: { kind: string; name: string }, pods: LivePod[]): string[] {
  const podNames = new Set(pods.map(({ metadata }) => metadata.name));
  const claims = new Set(
    pods.flatMap(({ spec }) => (spec.volumes ?? []).flatMap((volume) => volume.persistentVolumeClaim?.claimName ?? [])),
  );
  const time = (event: LiveEvent) => event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
  const own = events
    .filter(({ involvedObject: { kind, name } }) => {
      if (kind === rollout.kind && name === rollout.name) return true;
      if (kind === "Pod") return podNames.has(name);
      if (kind === "PersistentVolumeClaim") return claims.has(name);
      // Where pods cannot even be created (quota, admission), the ReplicaSet says why; its name is the Deployment's and
      // a hash.
      return kind === "ReplicaSet" && rollout.kind === "Deployment" && name.replace(/-[^-]+$/, "") === rollout.name;
    })
    .sort((a, b) => order(time(b), time(a)))
    .map(({ reason, message }) => oneLine(`${reason ?? ""}: ${message ?? ""}`));
  // One cause repeats for every attempt to create a pod, with another random name each time.
  const cause = (text: string) => text.replace("(combined from similar events): ", "").replace(/-[a-z0-9]{5}\b/g, "-*");
  return [...new Map([...own].reverse().map((text) => [cause(text), text])).values()].reverse().slice(0, LIMITS.events);
}

/** The end of a log, without what looks like a secret. */
export function logLines(text: string): string[] {
  return safeLines(text.trimEnd().split("\n")).slice(-LIMITS.logLines);
}

/** Lines of others made safe to print; empty ones are left out. */
export function safeLines(lines: string[]): string[] {
  return lines.filter((line) => line.trim() !== "").map(oneLine);
}

/** Puts an explanation into words, one paragraph. */
export function formatExplanation({ rollout, pods, events }: Explanation): string {
  const { kind, namespace, name, progress, failures } = rollout;
  return [
    `${kind} ${namespace}/${name}: ${progress}`,
    ...failures.map((failure) => `  ${oneLine(failure)}`),
    ...pods.flatMap((pod) => [
      `  pod ${pod.name}: ${oneLine(pod.state)}`,
      ...pod.containers.flatMap(({ state, log }) => [`    ${oneLine(state)}`, ...log.map((line) => `      | ${line}`)]),
    ]),
    ...events.map((event) => `  event ${event}`),
  ].join("\n");
}

/** Text of others as one line that is safe to print: no control characters, no secrets, not endless. */
export function oneLine(text: string): string {
  const plain = maskSecrets(
    stripVTControlCharacters(text)
      .replace(/\p{Cc}+/gu, " ")
      .trimEnd(),
  );
  return plain.length > LIMITS.lineLength ? `${plain.slice(0, LIMITS.lineLength)}…` : plain;
}

const SECRET_NAME = String.raw`[\w.-]*(?:password|passwd|pwd|secret|token|api[-_]?key|access[-_]?key|credential)s?`;

/** Hides what looks like a secret: `password=…`, `"token": "…"`, `--password …`, bearer tokens, user info in a URL. */
export function maskSecrets(line: string): string {
  const value = String.raw`("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,;&}]+)`;
  return line
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, "$1 ***")
    .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, "***")
    .replace(/(\w+:\/\/[^\s:/@]*:)[^\s/]+@/g, "$1***@")
    .replace(new RegExp(String.raw`((?:${SECRET_NAME})["']?\s*[=:]\s*)${value}`, "gi"), "$1***")
    .replace(new RegExp(String.raw`(--?${SECRET_NAME}\s+)${value}`, "gi"), "$1***");
}
