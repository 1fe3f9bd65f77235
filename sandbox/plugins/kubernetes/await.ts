import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { InitError, type OperationContext, type Properties } from "../shared/handler";
import type { ProviderApi } from "./api";
import { annotation, type KubeObject, objectId, SKIP_AWAIT, TIMEOUT_SECONDS, WAIT_FOR } from "./objects";
import { readiness, type Readiness, waitForCondition } from "./readiness";

const POLL_MS = 250;
/** Seconds to wait when nothing else is said; the official provider's for Deployments and StatefulSets. */
const DEFAULT_TIMEOUT = 600;

/** Where the wait was asked from: the inputs carry the annotations that govern it. */
export interface AwaitOptions {
  api: ProviderApi;
  ctx: OperationContext;
  inputs: KubeObject;
  namespace: string;
  /** Properties to report with an object that does not become ready. */
  state(live: KubeObject): Properties;
  rawInputs: Properties;
}

/**
 * Waits until the object is ready, with progress shown beside the resource.
 *
 * @throws InitError when time is up or it failed for good: the object stays in state and is tried again next time.
 */
export async function awaitReady(options: AwaitOptions): Promise<KubeObject | undefined> {
  const { api, ctx, inputs, namespace } = options;
  if (annotation(inputs, SKIP_AWAIT) === "true") return undefined;
  const timeout = Number(annotation(inputs, TIMEOUT_SECONDS)) || ctx.timeoutSeconds || DEFAULT_TIMEOUT;
  const end = Date.now() + timeout * 1000;
  let shown = "";
  for (;;) {
    const live = await api.object(inputs, namespace, inputs.metadata.name);
    if (!live) throw new Error(`${inputs.kind} ${inputs.metadata.name} was deleted while waiting for it`);
    const now = await judge(api, live, inputs, namespace);
    if (now.ready) return live;
    if (now.failed || Date.now() > end || ctx.signal.aborted) {
      const why = ctx.signal.aborted ? "cancelled" : now.failed ? "failed" : `timed out after ${timeout} s`;
      const reasons = [`${live.kind} ${objectId(live)} ${why}: ${now.message}`, ...(await podReasons(api, live, namespace))];
      throw new InitError(objectId(live), options.state(live), options.rawInputs, reasons);
    }
    if (now.message !== shown) ctx.status(`waiting for ${live.kind} ${objectId(live)}: ${now.message}`);
    shown = now.message;
    await sleep(POLL_MS);
  }
}

async function judge(api: ProviderApi, live: KubeObject, inputs: KubeObject, namespace: string): Promise<Readiness> {
  const expression = annotation(inputs, WAIT_FOR);
  const asked = expression === undefined ? undefined : waitForCondition(live, expression);
  if (asked) return asked;
  const now = readiness(live);
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

const selected = z.looseObject({
  spec: z.looseObject({ selector: z.looseObject({ matchLabels: z.record(z.string(), z.string()).default({}) }).optional() }),
});
const podStatus = z.looseObject({
  status: z
    .looseObject({
      containerStatuses: z
        .array(
          z.looseObject({
            name: z.string(),
            ready: z.boolean().default(false),
            state: z
              .looseObject({
                waiting: z.looseObject({ reason: z.string().default(""), message: z.string().default("") }).optional(),
              })
              .optional(),
          }),
        )
        .default([]),
    })
    .optional(),
});

/** Why the pods of a workload are not ready, as their containers say it. */
async function podReasons(api: ProviderApi, live: KubeObject, namespace: string): Promise<string[]> {
  const labels = live.kind === "Deployment" || live.kind === "StatefulSet" ? selected.parse(live).spec.selector?.matchLabels : {};
  const selector = Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  if (!selector) return [];
  const pods = await api.objects({ apiVersion: "v1", kind: "Pod" }, namespace, selector);
  return pods.flatMap((pod) =>
    (podStatus.parse(pod).status?.containerStatuses ?? [])
      .filter((container) => !container.ready)
      .map(({ name, state }) => {
        const why = state?.waiting ? `${state.waiting.reason} ${state.waiting.message}`.trim() : "not ready";
        return `Pod ${pod.metadata.name}, container ${name}: ${why}`;
      }),
  );
}
