import { shortDigest } from "../../shared/digest";
import { dig, digList, groupKind, type KubeObject, objectKey } from "../../kubernetes/objects";
import { configReferences } from "../../kubernetes/references";
import { hasApplied, ownsField, writersBelow } from "../../kubernetes/managed-fields";
import type { LiveWorkload } from "../../kubernetes/workloads";
import { maskUnstable, type UnstableFields } from "../../helm/unstable";

/**
 * Pod-template annotation that says which injected configuration a workload's pods were started under. Changing it is
 * what restarts the workload; an unchanged value restarts nothing.
 */
export const STAMP_ANNOTATION = "casa-upgrade.dev/config-stamp";

/**
 * Pod-template annotation that restarts a workload once more under the same stamp, because the stamp was taken back or
 * its pods lack what the injector injects.
 */
export const AGAIN_ANNOTATION = "casa-upgrade.dev/restarted-again";
/** Pod-template annotation with the reason that a user gave for a restart of everything. */
export const REASON_ANNOTATION = "casa-upgrade.dev/restart-reason";
/**
 * Annotation of a workload, not of its pods: it was not available before the restart for this stamp, so that it is not
 * afterwards is no failure.
 */
export const BROKEN_ANNOTATION = "casa-upgrade.dev/broken-before";
/**
 * Annotation of a workload that carries its stamp itself, not on its pod template: no pod is older than this moment. So
 * it is for Argo Rollouts, where another template would begin a canary update with all its steps, and for workloads
 * that somebody else restarted in time.
 */
export const RESTARTED_AT_ANNOTATION = "casa-upgrade.dev/restarted-at";
/** By this name the API server knows who wrote the annotations. */
export const FIELD_MANAGER = "casa-upgrade";

type Marked = Pick<LiveWorkload, "kind" | "annotations" | "podAnnotations" | "restartAt">;

/** The annotations among which a restart leaves its marks. */
export function marksOf(workload: Marked): Readonly<Record<string, string>> {
  return isByMoment(workload) ? workload.annotations : workload.podAnnotations;
}

/** The moment that no pod of a workload is to be older than; undefined where its pods carry the stamp. */
export function momentOf({ kind, annotations, restartAt }: Marked): string | undefined {
  return kind === "Rollout" ? restartAt : annotations[RESTARTED_AT_ANNOTATION];
}

/** This program's marks on a pod template, which taking away would restart the workload. */
export function templateMarks({ podAnnotations }: Pick<LiveWorkload, "podAnnotations">): Record<string, string> {
  const ours = [STAMP_ANNOTATION, AGAIN_ANNOTATION, REASON_ANNOTATION];
  return Object.fromEntries(Object.entries(podAnnotations).filter(([key]) => ours.includes(key)));
}

function isByMoment({ kind, annotations }: Marked): boolean {
  return kind === "Rollout" || annotations[RESTARTED_AT_ANNOTATION] !== undefined;
}

/** The stamp that a workload's pods carry; undefined before this program first restarted it. */
export function stampOn(workload: Marked): string | undefined {
  return lostRestartAt(workload) ? undefined : marksOf(workload)[STAMP_ANNOTATION];
}

/** Whether an Argo Rollout is told no more to have pods that are newer than its last restart by this program. */
export function lostRestartAt({ kind, annotations, restartAt }: Marked): boolean {
  const written = annotations[RESTARTED_AT_ANNOTATION];
  if (kind !== "Rollout" || written === undefined) return false;
  return restartAt === undefined || Date.parse(restartAt) < Date.parse(written);
}

/**
 * Whether somebody took this program's stamp back: it wrote to the workload once, and the stamp of now, or its absence,
 * is another one's doing.
 *
 * @returns who writes its pod template, which is known of everybody but of who only removed something.
 */
export function takenBack(workload: Marked & Pick<LiveWorkload, "managedFields">): { writers: string[] } | undefined {
  const { kind, managedFields } = workload;
  const own = ["metadata", "annotations", STAMP_ANNOTATION];
  const path = isByMoment(workload) ? own : ["spec", "template", ...own];
  if (!hasApplied(managedFields, FIELD_MANAGER)) return undefined;
  if (ownsField(managedFields, FIELD_MANAGER, path) && !lostRestartAt(workload)) return undefined;
  return { writers: writersBelow(managedFields, kind === "Rollout" ? ["spec"] : ["spec", "template"], FIELD_MANAGER) };
}

/** Which objects of a release the injected configuration comes from. */
export interface StampRules {
  namespace: string;
  /** Deployment that the injected proxy configuration points at. */
  sidecarDeployment: string;
  /** Further objects that count, as `Kind/name`. */
  inputs: string[];
}

/**
 * Kinds whose every object configures what is injected into MAS pods (istio's proxies, or the cilium mode's webhook).
 */
const INJECTION_KINDS = new Set([
  "networking.istio.io/EnvoyFilter",
  "extensions.istio.io/WasmPlugin",
  "admissionregistration.k8s.io/MutatingWebhookConfiguration",
]);

/**
 * The stamp: a hash over what the injected configuration depends on and nothing else, so that an upgrade which changes
 * none of it restarts nothing. That is: EnvoyFilters, WasmPlugins and mutating webhooks; the pod specs of the sidecar
 * Deployment and of the Deployments behind those webhooks; the ConfigMaps these pods read; what `inputs` names.
 *
 * Left out: chart labels and checksum annotations (they change with every version), replica counts, CA bundles and
 * generated values (they change with every rendering), and Secrets (their values must not show in an annotation).
 */
export function configStamp(objects: KubeObject[], unstable: UnstableFields, rules: StampRules): string {
  const relevant = stampObjects(maskUnstable(objects, unstable, rules.namespace), rules);
  const byKey = relevant.map((object) => [objectKey(object, rules.namespace), essence(object)] as const);
  return shortDigest(byKey.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The objects of a release that go into the stamp. */
export function stampObjects(objects: KubeObject[], rules: StampRules): KubeObject[] {
  const injection = objects.filter((object) => INJECTION_KINDS.has(groupKind(object)));
  const named = objects.filter((object) => rules.inputs.includes(`${object.kind}/${object.metadata.name ?? ""}`));
  const deployments = objects.filter((object) => groupKind(object) === "apps/Deployment");
  const sidecar = deployments.filter((object) => object.metadata.name === rules.sidecarDeployment);
  const injectors = injection.flatMap((object) => deploymentsBehind(object, objects, deployments, rules.namespace));
  const pods = [...sidecar, ...injectors];
  const configMaps = objects.filter(
    (object) => groupKind(object) === "/ConfigMap" && pods.some((pod) => readsConfigMap(pod, object, rules.namespace)),
  );
  return [...new Set([...injection, ...pods, ...configMaps, ...named])];
}

/** The Deployments that the Services behind a webhook configuration select. */
function deploymentsBehind(
  webhook: KubeObject,
  objects: KubeObject[],
  deployments: KubeObject[],
  namespace: string,
): KubeObject[] {
  return digList(webhook, "webhooks").flatMap((hook) => {
    const name = dig(hook, "clientConfig", "service", "name");
    const where = dig(hook, "clientConfig", "service", "namespace") ?? namespace;
    const service = objects.find(
      (object) =>
        groupKind(object) === "/Service" &&
        object.metadata.name === name &&
        (object.metadata.namespace ?? namespace) === where,
    );
    const selector = Object.entries((dig(service, "spec", "selector") ?? {}) as Record<string, unknown>);
    if (selector.length === 0) return [];
    return deployments.filter((deployment) =>
      selector.every(([key, value]) => dig(deployment, "spec", "template", "metadata", "labels", key) === value),
    );
  });
}

function readsConfigMap(deployment: KubeObject, configMap: KubeObject, namespace: string): boolean {
  if ((deployment.metadata.namespace ?? namespace) !== (configMap.metadata.namespace ?? namespace)) return false;
  const references = configReferences(dig(deployment, "spec", "template", "spec"));
  return references.some(({ kind, name }) => kind === "ConfigMap" && name === configMap.metadata.name);
}

/** An object without what changes while the injected configuration stays the same. */
function essence(object: KubeObject): unknown {
  if (groupKind(object) === "apps/Deployment") return dig(object, "spec", "template", "spec");
  const { metadata: _metadata, status: _status, ...rest } = object;
  return withoutCaBundles(rest);
}

function withoutCaBundles(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutCaBundles);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== "caBundle")
      .map(([key, at]) => [key, withoutCaBundles(at)]),
  );
}
