import { setTimeout as sleep } from "node:timers/promises";
import type { OperationContext } from "../shared/handler";
import type { ProviderApi } from "./api";
import { annotation, DELETION_PROPAGATION, type KubeObject, SKIP_AWAIT, timeoutOf } from "./objects";

const POLL_MS = 200;
/** Kinds whose deletion is not waited for when they skip awaiting. */
const SKIPPING = ["Namespace", "Pod", "ReplicationController", "DaemonSet", "Deployment", "StatefulSet", "Job"];

/**
 * Deletes an object, dependents first unless its annotation says otherwise, and waits until it is really gone, so that
 * what comes next finds its name free. An object of the same name that somebody made since is another one.
 *
 * @throws ApiError 404 when it is gone already; Error when it is still there in the end, naming the finalizers that
 * hold it.
 */
export async function deleteObject(
  api: ProviderApi,
  ctx: OperationContext,
  object: KubeObject,
  { namespace, name }: { namespace: string; name: string },
): Promise<void> {
  const before = await api.object(object, namespace, name);
  if (!before) return;
  const body = { propagationPolicy: propagationPolicy(object) };
  await api.request("DELETE", await api.path(object, namespace, name), { body });
  if (annotation(object, SKIP_AWAIT) === "true" && SKIPPING.includes(object.kind)) return;

  const timeout = timeoutOf(object, ctx.timeoutSeconds);
  const end = Date.now() + timeout * 1000;
  let shown = false;
  for (;;) {
    const live = await api.object(object, namespace, name);
    if (live?.metadata.uid !== before.metadata.uid || live === undefined) return;
    if (ctx.signal.aborted) throw new Error(`the wait for ${object.kind} "${name}" to be deleted was cancelled`);
    if (Date.now() > end) {
      const finalizers = live.metadata["finalizers"];
      const held =
        Array.isArray(finalizers) && finalizers.length > 0 ? `; held by finalizers ${finalizers.join(", ")}` : "";
      throw new Error(`${object.kind} "${name}" is still there ${timeout} s after its deletion was asked for${held}`);
    }
    if (!shown) ctx.status(`waiting for ${object.kind} "${name}" to be deleted`);
    shown = true;
    await sleep(POLL_MS);
  }
}

function propagationPolicy(object: KubeObject): string {
  const policies: Record<string, string> = { orphan: "Orphan", background: "Background" };
  return policies[annotation(object, DELETION_PROPAGATION)?.toLowerCase() ?? ""] ?? "Foreground";
}
