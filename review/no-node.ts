import { isDeepStrictEqual } from "node:util";
import type { ClusterClient } from "../kubernetes/connect";
import { dig, isMap, type KubeObject } from "../kubernetes/objects";
import { podWorkload } from "../kubernetes/pod-templates";
import { noneIfForbidden } from "./pods";
import type { Upgraded } from "./upgraded";

const NODE = { apiVersion: "v1", kind: "Node" };

/**
 * Workloads whose new pods ask for a node with labels that none has. Only what the upgrade brings or changes is looked
 * at; who may not list nodes is not told.
 */
export async function withoutNode(
  client: ClusterClient,
  { objects, namespace }: Pick<Upgraded, "objects" | "namespace">,
): Promise<string[]> {
  const asking = objects.flatMap(({ live, after }) => {
    const workload = podWorkload(after, namespace);
    const wanted = selectorOf(after);
    if (!workload || workload.replicas === 0 || Object.keys(wanted).length === 0) return [];
    return isDeepStrictEqual(wanted, selectorOf(live)) ? [] : [{ workload, wanted }];
  });
  if (asking.length === 0) return [];
  const nodes = (await client.api.list(NODE).catch(noneIfForbidden)) as KubeObject[];
  if (nodes.length === 0) return [];
  return asking.flatMap(({ workload, wanted }) => {
    const fits = nodes.some(({ metadata }) =>
      Object.entries(wanted).every(([key, value]) => metadata.labels?.[key] === value),
    );
    const labels = Object.entries(wanted).map(([key, value]) => `${key}=${String(value)}`);
    return fits
      ? []
      : [
          `new pods of ${workload.id} ask for a node with ${labels.join(", ")}, and no node has that now: unless one comes, helm waits for them until ` +
            `timeouts.release. Correct the value, or label a node: kubectl label node <node> ${labels.join(" ")}`,
        ];
  });
}

function selectorOf(object: KubeObject | undefined): Record<string, unknown> {
  const selector = dig(object, "spec", "template", "spec", "nodeSelector");
  return isMap(selector) ? selector : {};
}
