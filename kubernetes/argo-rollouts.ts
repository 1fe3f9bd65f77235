import { z } from "zod";
import { ApiError } from "./api";
import { type ClusterClient, parseObject } from "./connect";
import { dig, isMap } from "./objects";
import { controllerOf } from "./owner-reference";
import { count, podTemplate, texts, workloadMetadata } from "./workload-schema";
import { labelSelector, selectorText } from "./selector-text";
import { strategyOf } from "./strategy";
import type { LiveWorkload } from "./live-workload";

const metadata = z.looseObject({ labels: texts, annotations: texts }).nullish();
const reference = z.looseObject({ apiVersion: z.string(), kind: z.string(), name: z.string() });
const rollout = z.looseObject({
  metadata: workloadMetadata,
  spec: z.looseObject({
    replicas: z.number().nullish(),
    restartAt: z.string().nullish(),
    selector: labelSelector.nullish(),
    workloadRef: reference.nullish(),
    template: podTemplate.nullish(),
    strategy: z
      .looseObject({
        canary: z.looseObject({ stableMetadata: metadata }).nullish(),
        blueGreen: z.looseObject({ activeMetadata: metadata }).nullish(),
      })
      .nullish(),
  }),
  status: z
    .looseObject({
      // A number as text; a hash in old versions.
      observedGeneration: z.union([z.string(), z.number()]).nullish(),
      restartedAt: z.string().nullish(),
      readyReplicas: count,
      availableReplicas: count,
      selector: z.string().nullish(),
      currentPodHash: z.string().nullish(),
    })
    .prefault({}),
});

/**
 * An Argo Rollout with the pod template and the selector of the object that it refers to, as its controller fills them
 * in for itself; as it is when it has a template of its own.
 */
export async function withReferredTemplate(client: ClusterClient, object: unknown): Promise<unknown> {
  const ref = reference.safeParse(dig(object, "spec", "workloadRef")).data;
  const namespace = dig(object, "metadata", "namespace");
  if (!ref || !isMap(object) || typeof namespace !== "string") return object;
  const { apiVersion, kind } = ref;
  const found = await client.api.get({ apiVersion, kind }, namespace, ref.name).catch((error: unknown) => {
    // The injector is asked about a pod without a template then, and the review says that it refuses it.
    if (error instanceof ApiError && error.code === 403) return undefined;
    throw error;
  });
  const at = kind === "PodTemplate" ? found : dig(found, "spec");
  const spec = isMap(object["spec"]) ? object["spec"] : {};
  return {
    ...object,
    spec: {
      ...spec,
      ...(isMap(dig(at, "template")) ? { template: dig(at, "template") } : {}),
      ...(spec["selector"] === undefined && isMap(dig(at, "selector")) ? { selector: dig(at, "selector") } : {}),
    },
  };
}

/**
 * Reads an Argo Rollout, with the template that it refers to. Its controller restarts it by evicting pods that are
 * older than `spec.restartAt`, a paused one, too.
 *
 * @throws UserError when the object is not as its kind says.
 */
export function rolloutFacts(item: unknown): LiveWorkload {
  const { metadata: at, spec, status } = parseObject("Rollout", item, rollout);
  const replicas = spec.replicas ?? 1;
  const observed = Number(status.observedGeneration ?? 0);
  // What a hash says of the generation nobody knows; the pods are looked at either way.
  const observedGeneration = Number.isInteger(observed) ? observed : at.generation;
  const restarted = !spec.restartAt || sameTime(spec.restartAt, status.restartedAt);
  const owner = controllerOf(at.ownerReferences);
  const { template = {}, workloadRef, restartAt, strategy: by } = spec;
  const given = by?.canary?.stableMetadata ?? by?.blueGreen?.activeMetadata;
  return {
    ...{ kind: "Rollout", namespace: at.namespace, name: at.name, replicas, paused: false },
    ...{ updateStrategy: "restartAt", updated: restarted ? replicas : 0, old: 0 },
    ...{ ready: status.readyReplicas, available: status.availableReplicas },
    ...{ generation: at.generation, observedGeneration },
    rolledOut: observedGeneration >= at.generation && restarted && status.availableReplicas >= replicas,
    podLabels: { ...template?.metadata?.labels, ...given?.labels },
    podAnnotations: { ...template?.metadata?.annotations, ...given?.annotations },
    ...(given ? { podMetadata: given } : {}),
    ...(status.currentPodHash ? { podHash: status.currentPodHash } : {}),
    ...(at.deletionTimestamp ? { deleting: true as const } : {}),
    annotations: at.annotations ?? {},
    strategy: strategyOf("Rollout", spec, replicas),
    template: template ?? {},
    claimTemplates: [],
    podSelector: status.selector ? status.selector : selectorText(spec.selector ?? {}),
    managedFields: at.managedFields,
    ...(owner ? { owner } : {}),
    ...(restartAt ? { restartAt } : {}),
    ...(workloadRef ? { refersTo: { kind: workloadRef.kind, name: workloadRef.name } } : {}),
  };
}

function sameTime(a: string, b: string | null | undefined): boolean {
  return b !== null && b !== undefined && Date.parse(a) === Date.parse(b);
}
