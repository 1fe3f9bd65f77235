import type { ClusterClient } from "../kubernetes/connect";
import { isEstablished } from "../kubernetes/crds";
import { dig, groupKind, isCrd, type KubeObject } from "../kubernetes/objects";
import { countOf } from "./crds";
import type { HookChange } from "./hooks";
import type { ReleaseObject } from "./release-objects";
import type { DeletedContents } from "./report/schema";

/**
 * What goes with all that is in it: namespaces, and CRDs with every object of their kind, whether helm deletes them
 * because the chart has them no more or because a hook makes them anew. A CRD without any object is left out.
 */
export async function deletedContents(
  client: ClusterClient,
  objects: readonly ReleaseObject[],
  hooks: readonly HookChange[],
): Promise<DeletedContents[]> {
  const byHelm = objects.flatMap(({ live, change }) =>
    live && change?.action === "delete"
      ? [{ live, why: "the chart does not have it any more, so helm deletes it", fix: keepIt(live) }]
      : [],
  );
  const byHooks = hooks.flatMap(({ live, change }) =>
    live && change.check.result !== "rejected"
      ? [{ live, why: "a helm hook makes it anew, so helm deletes it first", fix: HOOK_FIX }]
      : [],
  );
  const found = [...byHelm, ...byHooks].map(async ({ live, why, fix }): Promise<DeletedContents[]> => {
    const { name = "" } = live.metadata;
    if (isNamespace(live)) return [{ kind: live.kind, name, why: `${why}, and Kubernetes everything in it`, fix }];
    if (!isCrd(live)) return [];
    const count = await countOf(client, live);
    // Nothing goes with it, so it is an object like others. What is not served cannot be counted.
    if (count === 0 && isEstablished(live)) return [];
    const kind = String(dig(live, "spec", "names", "kind"));
    return [{ kind: live.kind, name, why: `${why}, and Kubernetes its ${count} ${kind} objects`, fix }];
  });
  return (await Promise.all(found)).flat();
}

/** No annotation keeps helm from deleting what a hook makes anew. */
const HOOK_FIX = "switch the hook off in the values, or choose a chart version that has it as a plain template";

function keepIt({ kind, metadata }: KubeObject): string {
  return `have it kept: kubectl annotate ${kind.toLowerCase()} ${metadata.name ?? ""} helm.sh/resource-policy=keep`;
}

function isNamespace(object: KubeObject): boolean {
  return groupKind(object) === "/Namespace";
}
