import type { ClusterClient } from "../kubernetes/connect";
import { dig } from "../kubernetes/objects";
import { noneIfForbidden } from "./pods";
import type { ReleaseObject } from "./release-objects";
import type { Refusal } from "./report/schema";

/** Objects of the chart that somebody deleted and that wait for finalizers: helm changes them, and then they go. */
export function beingDeleted(objects: readonly ReleaseObject[], context: string): string[] {
  return objects.flatMap(({ target, live }) => {
    const at = since(live);
    if (!target || !live || at === undefined) return [];
    const { namespace, name = "", finalizers } = live.metadata;
    const where = namespace === undefined ? "" : ` --namespace ${namespace}`;
    const waits = Array.isArray(finalizers) ? finalizers.join(", ") : "";
    return [
      `${live.kind} ${namespace === undefined ? "" : `${namespace}/`}${name} is being deleted since ${at} and waits for its finalizers ` +
        `(${waits}). helm changes it all the same, and does not make it anew once it is gone. Have whoever holds the finalizer ` +
        `end it first: kubectl --context ${context}${where} wait --for=delete ${live.kind.toLowerCase()} ${name}`,
    ];
  });
}

/** The release's namespace, when it is being deleted: nothing can be made in it, not even helm's record. */
export async function deletedNamespace(client: ClusterClient, name: string): Promise<Refusal[]> {
  const namespace = { apiVersion: "v1", kind: "Namespace" };
  const at = since(await client.api.get(namespace, "", name).catch(noneIfForbidden));
  if (at === undefined) return [];
  return [
    {
      object: `Namespace ${name}`,
      problem: `it is being deleted since ${at}: nothing new can be made in it, not even helm's record of the upgrade`,
      fix:
        `look what it waits for (kubectl --context ${client.context} get namespace ${name} --output yaml: status.conditions), and when it is ` +
        "gone, install anew: pulumi up",
    },
  ];
}

function since(object: unknown): string | undefined {
  const at = dig(object, "metadata", "deletionTimestamp");
  return typeof at === "string" ? at : undefined;
}
