import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { OperationContext } from "../shared/handler";
import type { ProviderApi } from "./api";
import { annotation, type KubeObject, objectId, SKIP_AWAIT, timeoutOf, WAIT_FOR } from "./objects";
import { podProblems } from "./pod-problems";
import { isAwaited, readiness, type Readiness, waitForConditions } from "./readiness";

const POLL_MS = 200;

/** An object after the wait for it. */
export interface Awaited {
  live: KubeObject;
  /** Why it is not ready; empty when it is. */
  problems: string[];
}

/**
 * Waits until an object is ready, time is up, it failed for good, or the run is cancelled; shows what it is waiting
 * for.
 */
export async function awaitReady(
  api: ProviderApi,
  ctx: OperationContext,
  inputs: KubeObject,
  written: KubeObject,
  namespace: string,
): Promise<Awaited> {
  if (!isWaitedFor(inputs, written)) return { live: written, problems: [] };
  const timeout = timeoutOf(inputs, ctx.timeoutSeconds);
  const end = Date.now() + timeout * 1000;
  const { name } = written.metadata;
  let shown = "";
  let latest = written;
  for (;;) {
    const live = await api.object(written, namespace, name);
    if (!live) return { live: latest, problems: [`${written.kind} "${name}" was deleted while it was waited for`] };
    latest = live;
    const now = await judge(api, live, inputs, namespace);
    if (now.ready) return { live, problems: [] };
    const why = ctx.signal.aborted
      ? "the wait was cancelled"
      : now.failed
        ? "it failed"
        : Date.now() > end
          ? `it timed out waiting to be ready after ${timeout} s`
          : undefined;
    if (why !== undefined) {
      const problem = `${live.kind} "${objectId(live)}": ${why}: ${now.message}`;
      return { live, problems: [problem, ...(await podProblems(api, live, namespace))] };
    }
    if (now.message !== shown) ctx.status(`waiting for ${live.kind} "${objectId(live)}": ${now.message}`);
    shown = now.message;
    await sleep(POLL_MS);
  }
}

/** Why an object is not ready right now; empty when it is, or when nobody would wait for it. */
export async function problemsOf(
  api: ProviderApi,
  live: KubeObject,
  inputs: KubeObject,
  namespace: string,
): Promise<string[]> {
  if (annotation(inputs, SKIP_AWAIT) === "true" || !isAwaited(live)) return [];
  const now = await judge(api, live, inputs, namespace);
  return now.ready
    ? []
    : [`${live.kind} "${objectId(live)}": ${now.message}`, ...(await podProblems(api, live, namespace))];
}

function isWaitedFor(inputs: KubeObject, written: KubeObject): boolean {
  if (annotation(inputs, SKIP_AWAIT) === "true") return false;
  return annotation(written, WAIT_FOR) !== undefined || isAwaited(written);
}

async function judge(api: ProviderApi, live: KubeObject, inputs: KubeObject, namespace: string): Promise<Readiness> {
  const expression = annotation(inputs, WAIT_FOR);
  if (expression !== undefined) return waitForConditions(live, expression);
  const now = readiness(live);
  if (live.kind === "Service" && now.ready) return endpoints(api, live, namespace);
  // A claim of a class that binds at first use stays Pending until a pod wants it.
  if (!now.ready && live.kind === "PersistentVolumeClaim" && (await bindsAtFirstUse(api, live, namespace))) {
    return { ready: true, message: "" };
  }
  return now;
}

const claim = z.looseObject({ spec: z.looseObject({ storageClassName: z.string().optional() }) });
const storageClass = z.looseObject({ volumeBindingMode: z.string().optional() });

async function bindsAtFirstUse(api: ProviderApi, live: KubeObject, namespace: string): Promise<boolean> {
  const name = claim.parse(live).spec.storageClassName;
  if (!name) return false;
  const found = await api.object({ apiVersion: "storage.k8s.io/v1", kind: "StorageClass" }, namespace, name);
  return found !== undefined && storageClass.parse(found).volumeBindingMode === "WaitForFirstConsumer";
}

const service = z.looseObject({
  spec: z.looseObject({
    type: z.string().default("ClusterIP"),
    clusterIP: z.string().optional(),
    selector: z.record(z.string(), z.string()).nullish(),
  }),
});
const endpointSlice = z.looseObject({
  endpoints: z
    .array(z.looseObject({ conditions: z.looseObject({ ready: z.boolean().nullish() }).nullish() }))
    .nullish(),
});

/** A Service that selects pods is ready when it has reached at least one and none of them is unready. */
async function endpoints(api: ProviderApi, live: KubeObject, namespace: string): Promise<Readiness> {
  const { spec } = service.parse(live);
  const selects = Object.keys(spec.selector ?? {}).length > 0;
  if (!selects || spec.clusterIP === "None" || spec.type === "ExternalName") return { ready: true, message: "" };
  const type = { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice" };
  const slices = await api.objects(type, namespace, `kubernetes.io/service-name=${live.metadata.name}`);
  const all = slices.flatMap((slice) => endpointSlice.parse(slice).endpoints ?? []);
  const unready = all.filter((endpoint) => endpoint.conditions?.ready === false).length;
  if (all.length > 0 && unready === 0) return { ready: true, message: "" };
  const message =
    all.length === 0 ? "it does not target any Pods" : `${unready} of ${all.length} Pods that it targets are not ready`;
  return { ready: false, message };
}
