import { z } from "zod";
import type { KubeObject } from "./objects";

/** Where an object stands: ready, or what it is waiting for. `failed` will not get better by waiting. */
export interface Readiness {
  ready: boolean;
  message: string;
  failed?: boolean;
}

const conditions = z
  .array(
    z.looseObject({
      type: z.string(),
      status: z.string(),
      reason: z.string().optional(),
      message: z.string().optional(),
    }),
  )
  .default([]);
const replicaStatus = z.looseObject({
  observedGeneration: z.number().default(0),
  replicas: z.number().default(0),
  updatedReplicas: z.number().default(0),
  availableReplicas: z.number().default(0),
  readyReplicas: z.number().default(0),
  currentRevision: z.string().optional(),
  updateRevision: z.string().optional(),
  conditions,
});
const workload = z.looseObject({
  spec: z.looseObject({
    replicas: z.number().default(1),
    paused: z.boolean().default(false),
    updateStrategy: z.looseObject({ type: z.string() }).optional(),
  }),
  status: replicaStatus.default({
    observedGeneration: 0,
    replicas: 0,
    updatedReplicas: 0,
    availableReplicas: 0,
    readyReplicas: 0,
    conditions: [],
  }),
});
const phased = z.looseObject({ status: z.looseObject({ phase: z.string().default(""), conditions }).optional() });

const READY: Readiness = { ready: true, message: "" };
const waiting = (message: string): Readiness => ({ ready: false, message });

/** Judges one object as it is now; kinds that nobody waits for are always ready. */
export function readiness(object: KubeObject): Readiness {
  switch (groupKind(object)) {
    case "apps/Deployment":
      return deployment(object);
    case "apps/StatefulSet":
      return statefulSet(object);
    case "v1/Pod":
      return pod(object);
    case "v1/PersistentVolumeClaim":
      return volumeClaim(object);
    case "v1/Service":
      return service(object);
    case "batch/Job":
      return job(object);
    default:
      return READY;
  }
}

/** Kinds that are waited for. */
export function isAwaited(object: KubeObject): boolean {
  return AWAITED.has(groupKind(object));
}

const AWAITED = new Set([
  "apps/Deployment",
  "apps/StatefulSet",
  "v1/Pod",
  "v1/PersistentVolumeClaim",
  "v1/Service",
  "batch/Job",
]);

function groupKind({ apiVersion, kind }: KubeObject): string {
  return `${apiVersion.split("/")[0] ?? ""}/${kind}`;
}

/**
 * Judges `pulumi.com/waitFor`: `condition=Type[=status]`, or a JSON list of such.
 *
 * @throws for a form that the embedded plugin does not know.
 */
export function waitForConditions(object: KubeObject, annotated: string): Readiness {
  const expressions = annotated.startsWith("[") ? z.array(z.string()).parse(JSON.parse(annotated)) : [annotated];
  const all = expressions.map((expression) => waitForCondition(object, expression));
  return all.find(({ ready }) => !ready) ?? READY;
}

function waitForCondition(object: KubeObject, expression: string): Readiness {
  const match = /^condition=([^=]+)(?:=(.+))?$/.exec(expression);
  if (!match)
    throw new Error(`the embedded kubernetes plugin knows no wait for "${expression}", only for condition=TYPE`);
  const [, type = "", wanted = "True"] = match;
  const found = phased.parse(object).status?.conditions.find((condition) => condition.type === type);
  if (found && found.status.toLowerCase() === wanted.toLowerCase()) return READY;
  return waiting(`condition ${type} is ${found?.status ?? "not set"}${found?.message ? `: ${found.message}` : ""}`);
}

function deployment(object: KubeObject): Readiness {
  const { spec, status } = workload.parse(object);
  const progressing = status.conditions.find((condition) => condition.type === "Progressing");
  if (status.observedGeneration < (object.metadata.generation ?? 0))
    return waiting("the controller has not seen it yet");
  const counts = `${status.updatedReplicas} of ${spec.replicas} updated, ${status.availableReplicas} available`;
  // As the official provider: reported while waiting, but it does not end the wait early.
  const late = progressing?.reason === "ProgressDeadlineExceeded" ? "; progress deadline exceeded" : "";
  const done =
    status.updatedReplicas >= spec.replicas &&
    status.availableReplicas >= spec.replicas &&
    status.replicas <= Math.max(spec.replicas, status.updatedReplicas);
  return done && !spec.paused ? READY : waiting(`${spec.paused ? "paused; " : ""}${counts}${late}`);
}

function statefulSet(object: KubeObject): Readiness {
  const { spec, status } = workload.parse(object);
  if (status.observedGeneration < (object.metadata.generation ?? 0))
    return waiting("the controller has not seen it yet");
  const rolling = spec.updateStrategy?.type !== "OnDelete";
  const done =
    status.readyReplicas >= spec.replicas &&
    (!rolling || (status.updatedReplicas >= spec.replicas && status.currentRevision === status.updateRevision));
  return done ? READY : waiting(`${status.updatedReplicas} of ${spec.replicas} updated, ${status.readyReplicas} ready`);
}

function pod(object: KubeObject): Readiness {
  const { status } = phased.parse(object);
  if (status?.phase === "Succeeded") return READY;
  const ready = status?.conditions.find((condition) => condition.type === "Ready");
  return ready?.status === "True"
    ? READY
    : waiting(`phase ${status?.phase ?? "unknown"}: ${ready?.message ?? "not ready"}`);
}

function volumeClaim(object: KubeObject): Readiness {
  const { status } = phased.parse(object);
  return status?.phase === "Bound" ? READY : waiting(`phase ${status?.phase ?? "unknown"}`);
}

const balanced = z.looseObject({
  spec: z.looseObject({ type: z.string().default("ClusterIP") }),
  status: z
    .looseObject({ loadBalancer: z.looseObject({ ingress: z.array(z.unknown()).default([]) }).optional() })
    .optional(),
});

/** The Service object itself; the pods behind it are judged elsewhere. */
function service(object: KubeObject): Readiness {
  const { spec, status } = balanced.parse(object);
  if (spec.type !== "LoadBalancer" || (status?.loadBalancer?.ingress ?? []).length > 0) return READY;
  return waiting("it was not allocated an IP address by a load balancer");
}

function job(object: KubeObject): Readiness {
  const { status } = phased.parse(object);
  if (status?.conditions.some(({ type, status: at }) => type === "Complete" && at === "True")) return READY;
  const failed = status?.conditions.find(({ type, status: at }) => type === "Failed" && at === "True");
  return failed ? { ready: false, failed: true, message: failed.message ?? "the job failed" } : waiting("running");
}
