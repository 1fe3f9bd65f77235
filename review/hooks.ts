import type { ClusterClient } from "../kubernetes/connect";
import { groupKind, type KubeObject, objectKey } from "../kubernetes/objects";
import type { ObjectCheck } from "../kubernetes/object-check";
import type { ObjectChange } from "./report/schema";
import { GENERATED } from "../helm/unstable";
import { isTemplatedKind, judged, type ReleaseRendering, tryCreate, unchecked } from "./release-objects";

/** Hook events of an upgrade and of an install, in helm's words. */
const EVENTS = { upgrade: ["pre-upgrade", "post-upgrade"], install: ["pre-install", "post-install"] };

/** What becomes of the object of one hook. */
export interface HookChange {
  readonly key: string;
  /** As the chart renders it. */
  readonly hook: KubeObject;
  /** It is there when the hook runs, so helm deletes it first. */
  readonly live?: KubeObject;
  /** It runs before the objects of the release change. */
  readonly isBefore: boolean;
  readonly change: ObjectChange;
}

/** Whether an install or an upgrade runs a hook; tests, deletions and rollbacks are another matter. */
export function isPartOfUpgrade(hook: KubeObject): boolean {
  return listOf(hook, "helm.sh/hook").some((event) => [...EVENTS.upgrade, ...EVENTS.install].includes(event));
}

/**
 * The objects that helm's hooks bring, some for a while only. One that is there already helm deletes and makes anew, as
 * far as its deletion policy allows that; where it does not, the upgrade would end there (seen with helm 3.22).
 */
export async function hookChanges(
  client: ClusterClient,
  hooks: readonly KubeObject[],
  rendering: ReleaseRendering,
  isUpgrade: boolean,
): Promise<HookChange[]> {
  const events = isUpgrade ? EVENTS.upgrade : EVENTS.install;
  const run = hooks.filter((hook) => listOf(hook, "helm.sh/hook").some((event) => events.includes(event)));
  const [before = ""] = events;
  const isBefore = (hook: KubeObject) => listOf(hook, "helm.sh/hook").includes(before);
  const runsTwice = (hook: KubeObject) => events.every((event) => listOf(hook, "helm.sh/hook").includes(event));
  // What has brought the hook's kind by the time that it runs: crds/, other hooks, and before hooks that run after
  // the templates.
  const isBrought = (hook: KubeObject) =>
    rendering.changingKinds.has(groupKind(hook)) ||
    isTemplatedKind(hook, run) ||
    (!isBefore(hook) && isTemplatedKind(hook, rendering.target));
  const changes = await Promise.all(
    run.map((hook) =>
      hookChange(client, hook, rendering, {
        isBefore: isBefore(hook),
        isBrought: isBrought(hook),
        runsTwice: runsTwice(hook),
      }),
    ),
  );
  return oncePerObject(changes, client.context);
}

/** Of hooks of one name, say one before and one after, the last; one that cannot be made counts before all. */
function oncePerObject(changes: readonly HookChange[], context: string): HookChange[] {
  const found = new Map<string, HookChange>();
  for (const one of [...changes].sort((a, b) => Number(b.isBefore) - Number(a.isBefore))) {
    const earlier = found.get(one.key);
    const stays = earlier !== undefined && !policiesOf(earlier.hook).includes("hook-succeeded");
    const check = stays ? replacement(one.hook, context, one.change.namespace) : one.change.check;
    if (earlier?.change.check.result === "rejected") continue;
    found.set(one.key, { ...one, change: { ...one.change, check } });
  }
  return [...found.values()];
}

async function hookChange(
  client: ClusterClient,
  hook: KubeObject,
  rendering: ReleaseRendering,
  how: { readonly isBefore: boolean; readonly isBrought: boolean; readonly runsTwice: boolean },
): Promise<HookChange> {
  const { apiVersion, kind, metadata } = hook;
  const { isBefore, isBrought, runsTwice } = how;
  const { namespace } = rendering.release;
  const served = await client.api.resource(apiVersion, kind);
  const at = served?.namespaced ? (metadata.namespace ?? namespace) : undefined;
  const key = objectKey(hook, namespace);
  const generated = rendering.unstable.names.get(key);
  const name = generated ?? metadata.name ?? GENERATED;
  const mayExist = served && generated === undefined && metadata.name !== undefined;
  const live = mayExist
    ? ((await client.api.get(hook, at ?? "", metadata.name ?? "")) as KubeObject | undefined)
    : undefined;
  const check = async (): Promise<ObjectCheck> => {
    if (metadata.name === undefined) return NAMELESS;
    if (runsTwice && staysThere(hook)) return STAYS;
    if (live) return replacement(hook, client.context, at);
    if (!served && isBrought) return unchecked("its CRD is installed by this upgrade");
    return judged(await tryCreate(client, hook, at, rendering), isBrought);
  };
  const where = at === undefined ? {} : { namespace: at };
  const temporary = policiesOf(hook).includes("hook-succeeded") ? ({ temporary: true } as const) : {};
  const action = live ? "update" : "create";
  return {
    key,
    hook,
    live,
    isBefore,
    change: {
      ...{ apiVersion, kind, ...where, name, action, writer: "hook", fields: [], folded: 0, ...temporary },
      check: await check(),
    },
  };
}

/** helm 3 looks for the object of an earlier run by its name first, and fails without one. */
const NAMELESS: ObjectCheck = {
  result: "rejected",
  message: "it is a helm hook with generateName and no name, and helm cannot run such a hook",
  fix: "choose a chart version that names it, or switch the hook off in the values",
};

/** Nothing deletes it between two runs of one upgrade. */
function staysThere(hook: KubeObject): boolean {
  const policies = policiesOf(hook);
  return !policies.includes("before-hook-creation") && !policies.includes("hook-succeeded");
}

const STAYS: ObjectCheck = {
  result: "rejected",
  message:
    "it is a helm hook that runs before and after the upgrade, and its deletion policy leaves it there: helm's second creation " +
    "would find that it already exists",
  fix: "choose a chart version that deletes it in between (helm.sh/hook-delete-policy: before-hook-creation), or switch the hook off",
};

/** Whether helm replaces a hook's object that is there already. */
function replacement(hook: KubeObject, context: string, namespace: string | undefined): ObjectCheck {
  const { kind, metadata } = hook;
  const where = namespace === undefined ? "" : ` --namespace ${namespace}`;
  const remove = `kubectl --context ${context}${where} delete ${kind.toLowerCase()} ${metadata.name ?? ""}`;
  if (kind === "CustomResourceDefinition") {
    return {
      result: "rejected",
      message: "it is a helm hook, and it exists: helm never deletes a CRD of a hook, so making it anew fails",
      fix: "choose a chart version that has it in crds/ or as a plain template, or apply it yourself and switch the hook off",
    };
  }
  const policies = policiesOf(hook);
  if (policies.includes("before-hook-creation")) {
    return { result: "unchecked", message: "an earlier run of this hook is still there and is replaced" };
  }
  return {
    result: "rejected",
    message: `an earlier run of this hook is still there, and its deletion policy (${policies.join(", ")}) does not let helm replace it`,
    fix: `look why it was left (kubectl describe), then delete it: ${remove}`,
  };
}

/** When helm deletes the object of a hook; by default before it makes it anew. */
function policiesOf(hook: KubeObject): string[] {
  const policies = listOf(hook, "helm.sh/hook-delete-policy");
  return policies.length > 0 ? policies : ["before-hook-creation"];
}

function listOf(hook: KubeObject, annotation: string): string[] {
  const list = (hook.metadata.annotations?.[annotation] ?? "").split(",");
  return list.map((one) => one.trim().toLowerCase()).filter((one) => one !== "");
}
