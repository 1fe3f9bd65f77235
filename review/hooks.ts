import type { ClusterClient } from "../kubernetes/connect";
import type { KubeObject } from "../kubernetes/objects";
import type { ObjectChange } from "./report/schema";
import { type ReleaseRendering, tryCreate } from "./release-objects";

/** Hook events of an upgrade and of an install, in helm's words. */
const EVENTS = { upgrade: ["pre-upgrade", "post-upgrade"], install: ["pre-install", "post-install"] };

/**
 * The objects that helm's hooks bring for a while. One that an earlier run left is deleted and made anew, so it is not
 * tried.
 */
export async function hookChanges(
  client: ClusterClient,
  hooks: readonly KubeObject[],
  rendering: ReleaseRendering,
  isUpgrade: boolean,
): Promise<ObjectChange[]> {
  const { namespace } = rendering.release;
  const events = isUpgrade ? EVENTS.upgrade : EVENTS.install;
  const run = hooks.filter((hook) => eventsOf(hook).some((event) => events.includes(event)));
  return Promise.all(
    run.map(async (hook): Promise<ObjectChange> => {
      const { apiVersion, kind, metadata } = hook;
      const served = await client.api.resource(apiVersion, kind);
      const at = served?.namespaced ? (metadata.namespace ?? namespace) : undefined;
      const name = metadata.name ?? "";
      const exists = served && (await client.api.get(hook, at ?? "", name)) !== undefined;
      const check: ObjectChange["check"] = exists
        ? { result: "unchecked", message: "an earlier run of this hook is still there and is replaced" }
        : (await tryCreate(client, hook, at, rendering)).check;
      const where = at === undefined ? {} : { namespace: at };
      const action = exists ? "update" : "create";
      return { apiVersion, kind, ...where, name, action, writer: "hook", fields: [], folded: 0, check };
    }),
  );
}

function eventsOf(hook: KubeObject): string[] {
  return (hook.metadata.annotations?.["helm.sh/hook"] ?? "").split(",").map((event) => event.trim());
}
