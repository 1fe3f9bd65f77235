import { dig, digList, isMap, type KubeObject } from "./objects";
import { workloadId } from "./workload";
import { type Strategy, strategyOf } from "./strategy";

/** An object of the release on both sides of the upgrade. */
export interface ObjectPair {
  /** As kubernetes/objects.ts `objectKey` makes it. */
  key: string;
  /** As it is on the cluster; undefined for an object that the upgrade creates. */
  before?: KubeObject;
  /** As it will be, by the API server's dry-run; undefined for an object that the upgrade deletes. */
  after?: KubeObject;
}

/** Kinds whose controllers replace pods when the template changes. */
export type RollingKind = "Deployment" | "StatefulSet" | "DaemonSet";

/** What a rolling update depends on, of one workload. */
export interface PodWorkload {
  /** `Kind/namespace/name`. */
  id: string;
  kind: RollingKind;
  namespace: string;
  name: string;
  /** Desired pods; of a DaemonSet the nodes it is on. */
  replicas: number;
  /** The pod template. */
  template: Record<string, unknown>;
  strategy: Strategy;
}

/** One container of a pod template. */
export interface PodContainer {
  name: string;
  init: boolean;
  fields: Record<string, unknown>;
}

/** Reads a Deployment, StatefulSet or DaemonSet; undefined for any other object. */
export function podWorkload(object: KubeObject | undefined, defaultNamespace: string): PodWorkload | undefined {
  if (!object?.apiVersion.startsWith("apps/") || !isRollingKind(object.kind)) return undefined;
  const { kind, metadata } = object;
  const at = { kind, namespace: metadata.namespace ?? defaultNamespace, name: metadata.name ?? "" };
  // The API server fills in 1 where a Deployment or StatefulSet has none.
  const desired =
    kind === "DaemonSet" ? dig(object, "status", "desiredNumberScheduled") : dig(object, "spec", "replicas");
  const replicas = typeof desired === "number" ? desired : 1;
  const template = dig(object, "spec", "template");
  return {
    ...at,
    id: workloadId(at),
    replicas,
    template: isMap(template) ? template : {},
    strategy: strategyOf(kind, object["spec"], replicas),
  };
}

function isRollingKind(kind: string): kind is RollingKind {
  return kind === "Deployment" || kind === "StatefulSet" || kind === "DaemonSet";
}

/** All containers of a pod spec, init containers first, as they start. */
export function containersOf(podSpec: unknown): PodContainer[] {
  const read = (field: string, init: boolean) =>
    digList(podSpec, field)
      .filter(isMap)
      .map((fields) => ({ name: textOf(fields["name"]) ?? "", init, fields }));
  return [...read("initContainers", true), ...read("containers", false)];
}

/** The value when it is a text. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Where the kinds that run pods keep the pod spec. */
export const POD_SPECS: Readonly<Record<string, readonly string[]>> = {
  "apps/Deployment": ["spec", "template", "spec"],
  "apps/StatefulSet": ["spec", "template", "spec"],
  "apps/DaemonSet": ["spec", "template", "spec"],
  "batch/Job": ["spec", "template", "spec"],
  "batch/CronJob": ["spec", "jobTemplate", "spec", "template", "spec"],
};
