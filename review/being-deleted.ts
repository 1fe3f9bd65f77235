import { ApiError } from "../kubernetes/api";
import type { ClusterClient } from "../kubernetes/connect";
import type { KubeObject } from "../kubernetes/objects";
import type { ReleaseObject } from "./release-objects";
import type { Refusal } from "./report/schema";

/** Objects of the chart that somebody deleted and that wait for finalizers: helm changes them, and then they go. */
export function beingDeleted(objects: readonly ReleaseObject[], context: string): string[] {
  return objects.flatMap(({ target, live }) => {
    if (!target || !live || since(live) === undefined) return [];
    const { namespace, name = "", finalizers } = live.metadata;
    const where = namespace === undefined ? "" : ` --namespace ${namespace}`;
    const waits = Array.isArray(finalizers) ? finalizers.join(", ") : "";
    return [
      `${live.kind} ${namespace === undefined ? "" : `${namespace}/`}${name} is being deleted since ${since(live)} and waits for its finalizers ` +
        `(${waits}). helm changes it all the same, and does not make it anew once it is gone. Have whoever holds the finalizer ` +
        `end it first: kubectl --context ${context}${where} wait --for=delete ${live.kind.toLowerCase()} ${name}`,
    ];
  });
}

/** The release's namespace, when it is being deleted: nothing can be made in it, not even helm's record. */
export async function deletedNamespace(client: ClusterClient, name: string): Promise<Refusal[]> {
  const found = (await client.api.get({ apiVersion: "v1", kind: "Namespace" }, "", name).catch(unknownIfForbidden)) as
    KubeObject | undefined;
  if (!found || since(found) === undefined) return [];
  return [
    {
      object: `Namespace ${name}`,
      problem: `it is being deleted since ${since(found)}: nothing new can be made in it, not even helm's record of the upgrade`,
      fix:
        `look what it waits for (kubectl --context ${client.context} get namespace ${name} --output yaml: status.conditions), and when it is ` +
        "gone, install anew: pulumi up",
    },
  ];
}

function since({ metadata }: KubeObject): string | undefined {
  const at = metadata["deletionTimestamp"];
  return typeof at === "string" ? at : undefined;
}

function unknownIfForbidden(error: unknown): undefined {
  if (!(error instanceof ApiError && error.code === 403)) throw error;
  return undefined;
}
