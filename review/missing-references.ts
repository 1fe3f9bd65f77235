import type { ClusterClient } from "../kubernetes/connect";
import { dig, digList, isMap, type KubeObject } from "../kubernetes/objects";
import { podWorkload, textOf } from "../kubernetes/pod-templates";
import { claimNames, configReferences } from "../kubernetes/references";
import { ApiError } from "../kubernetes/api";
import { listed } from "../shared/listed";
import type { HookChange } from "./hooks";
import type { ReleaseObject } from "./release-objects";
import type { Upgraded } from "./upgraded";

/** Objects of others that are read; more would only load the API server. */
const MOST = 30;
/** The control plane makes these in each namespace. */
const EVERYWHERE = new Set(["kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert", "default"]);

type Kind = "ConfigMap" | "Secret" | "PersistentVolumeClaim" | "ServiceAccount";

/** What a pod does not start without. */
interface Need {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  /** Keys that must be in it. */
  readonly keys: readonly string[];
  readonly workload: string;
  /** The upgrade makes pods of that workload. */
  readonly isComing: boolean;
}

/**
 * What new pods of the release need and will not find: the API server takes them, and the kubelet or the scheduler
 * waits for what is not there until helm's time is up. And what an upgrade deletes although pods need it: the next ones
 * do not start.
 */
export async function missingReferences(
  client: ClusterClient,
  { objects, hooks, replaced, namespace }: Upgraded,
): Promise<string[]> {
  const all = objects.flatMap(({ live, after }) => needsOf(live, after, replaced, namespace));
  const maybeMade = others(objects, hooks);
  const open = all.filter(({ name }) => !EVERYWHERE.has(name));
  const release = new Map(
    objects.flatMap((one) => [one.live, one.after].flatMap((of) => (of ? [[idOf(of, namespace), one] as const] : []))),
  );
  const own = open.flatMap((need) => {
    const found = release.get(id(need));
    if (!found) return [];
    if (found.after) return need.isComing ? lacking(need, found.after) : [];
    return [{ need, why: "which this upgrade deletes", later: true }];
  });
  const lost = own.filter(({ need }) => !maybeMade(need.name));
  const outside = new Map<string, Need[]>();
  for (const need of open) {
    // A pod with an account that does not exist is refused, which is told by the API server itself.
    if (!need.isComing || release.has(id(need)) || need.kind === "ServiceAccount") continue;
    if (maybeMade(need.name)) continue;
    outside.set(id(need), [...(outside.get(id(need)) ?? []), need]);
  }
  const asked = await Promise.all([...outside.values()].slice(0, MOST).map((needs) => look(client, needs)));
  const problems = [...lost, ...asked.flatMap(({ problems: found }) => found)];
  const closed = asked.flatMap(({ closed: what }) => what ?? []);
  return [
    ...texts(problems),
    ...(closed.length > 0
      ? [`whether ${listed(closed)} exist, which new pods need, cannot be told: they may not be read`]
      : []),
    ...(outside.size > MOST
      ? [`of ${outside.size} objects of others that new pods need, only ${MOST} were looked for`]
      : []),
  ];
}

interface Problem {
  readonly need: Need;
  readonly why: string;
  /** Only pods that come after the upgrade are concerned. */
  readonly later?: boolean;
}

function needsOf(
  live: KubeObject | undefined,
  after: KubeObject | undefined,
  replaced: ReadonlySet<string>,
  defaultNamespace: string,
): Need[] {
  const workload = podWorkload(after, defaultNamespace);
  if (!workload) return [];
  const { id: of, namespace, replicas } = workload;
  const spec = workload.template["spec"];
  const isComing = replicas > 0 && (live === undefined || replaced.has(of));
  const need = (kind: Kind, name: string, keys: readonly string[] = []): Need => ({
    ...{ kind, namespace, name, keys, workload: of, isComing },
  });
  const account = textOf(dig(spec, "serviceAccountName"));
  return [
    ...configReferences(spec).flatMap(({ kind, name, keys, optional }) => (optional ? [] : [need(kind, name, keys)])),
    ...claimNames(spec).map((name) => need("PersistentVolumeClaim", name)),
    ...(account === undefined ? [] : [need("ServiceAccount", account)]),
  ];
}

/** Whether something else of the release may make an object of that name: a hook, a Job, a controller. */
function others(objects: readonly ReleaseObject[], hooks: readonly HookChange[]): (name: string) => boolean {
  const rest = [...objects.flatMap(({ after }) => after ?? []), ...hooks.map(({ hook }) => hook)];
  const custom = rest.filter(({ apiVersion }) => isCustom(apiVersion)).flatMap(({ metadata }) => metadata.name ?? []);
  const made = rest.filter(
    (object) => /^batch\//.test(object.apiVersion) || isCustom(object.apiVersion) || isSigned(object),
  );
  const ofHooks = hooks.map(({ hook }) => hook);
  // A program that may write an object of that name.
  const written = rest.flatMap((object) => (/^(Cluster)?Role$/.test(object.kind) ? writingRules(object) : []));
  const words = [...new Set([...made, ...ofHooks, ...written])].map((object) => JSON.stringify(object));
  return (name) =>
    // Operators name what they make after the object that they make it for.
    custom.some((one) => name.startsWith(`${one}-`) || name === one) || words.some((text) => names(text, name));
}

/** Whether a text has a name, and not only as a part of another one. */
function names(text: string, name: string): boolean {
  return new RegExp(`(?<![a-z0-9.-])${name.replaceAll(".", "\\.")}(?![a-z0-9-])`).test(text);
}

function writingRules(role: KubeObject): unknown[] {
  return digList(role, "rules").filter((rule) =>
    digList(rule, "verbs").some((verb) => ["create", "update", "patch", "*"].includes(String(verb))),
  );
}

/** Of a kind that Kubernetes itself does not have. */
function isCustom(apiVersion: string): boolean {
  const [group = "", version] = apiVersion.split("/");
  return version !== undefined && group.includes(".") && !group.endsWith(".k8s.io");
}

/** A Service whose certificate a controller puts into a Secret. */
function isSigned({ kind, metadata }: KubeObject): boolean {
  return kind === "Service" && JSON.stringify(metadata.annotations ?? {}).includes("serving-cert");
}

/** Keys that an object of the release does not have. */
function lacking(need: Need, object: KubeObject): Problem[] {
  const has = (key: string) =>
    ["data", "binaryData", "stringData"].some((field) => isMap(object[field]) && key in object[field]);
  const missing = need.keys.filter((key) => !has(key));
  return missing.length > 0 ? [{ need, why: `which has no key ${missing.join(", ")}` }] : [];
}

/** Looks for an object that is none of the release's, and that these workloads need. */
async function look(client: ClusterClient, needs: readonly Need[]): Promise<{ problems: Problem[]; closed?: string }> {
  const [first] = needs;
  if (!first) return { problems: [] };
  const { kind, namespace, name } = first;
  try {
    const live = (await client.api.get({ apiVersion: "v1", kind }, namespace, name)) as KubeObject | undefined;
    if (live === undefined) return { problems: needs.map((need) => ({ need, why: "which does not exist" })) };
    return { problems: needs.flatMap((need) => lacking(need, live)) };
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return { problems: [], closed: id(first) };
    throw error;
  }
}

/** One text for each object and what is wrong with it. */
function texts(problems: readonly Problem[]): string[] {
  const alike = new Map<string, Problem[]>();
  for (const problem of problems) {
    const key = `${id(problem.need)} ${problem.why}`;
    alike.set(key, [...(alike.get(key) ?? []), problem]);
  }
  return [...alike.values()].flatMap((same) => {
    const [first] = same;
    if (!first) return [];
    const ids = listed([...new Set(same.map(({ need }) => need.workload))]);
    const what = `pods of ${ids} need ${id(first.need)}, ${first.why}`;
    return first.later
      ? [
          `${what}: those that start afterwards would not come. Keep it in the chart, or annotate it helm.sh/resource-policy=keep`,
        ]
      : [
          `new ${what}: they would not start, and helm would wait for them until timeouts.release. Make it beforehand, or correct ` +
            "the value that names it",
        ];
  });
}

const id = ({ kind, namespace, name }: Pick<Need, "kind" | "namespace" | "name">) => `${kind} ${namespace}/${name}`;

function idOf(object: KubeObject, namespace: string): string {
  return id({
    kind: object.kind as Kind,
    namespace: object.metadata.namespace ?? namespace,
    name: object.metadata.name ?? "",
  });
}
