import { expect } from "chai";
import { type KubeObject, objectKey } from "../../../../kubernetes/objects";
import { planRolls, type RollOptions } from "../../../../review/rolls/rolls";
import type { ObjectPair } from "../../../../kubernetes/pod-templates";

/** What a made-up workload has beside one container with a readiness probe. */
export interface Shape {
  replicas?: number;
  /** Of the first container. */
  container?: object;
  /** Further containers. */
  more?: object[];
  pod?: object;
  metadata?: object;
  spec?: object;
  status?: object;
}

export const LABELS = { app: "web" };
const probe = { readinessProbe: { httpGet: { port: 80 } } };

/** A workload `web` of namespace `casa`. */
export function workload(
  kind: string,
  { replicas = 1, container, more = [], pod, metadata, spec, status }: Shape = {},
) {
  const containers = [{ name: "main", image: "r.example/web:1.0.0", ...probe, ...container }, ...more];
  const object: KubeObject = {
    apiVersion: "apps/v1",
    kind,
    metadata: { name: "web", namespace: "casa" },
    spec: {
      ...(kind === "DaemonSet" ? {} : { replicas }),
      selector: { matchLabels: LABELS },
      ...spec,
      template: { metadata: { labels: LABELS, ...metadata }, spec: { containers, ...pod } },
    },
    status: kind === "DaemonSet" ? { desiredNumberScheduled: replicas, ...status } : { ...status },
  };
  return object;
}

/** Any other object of namespace `casa`. */
export function object(kind: string, name: string, rest: object = {}, apiVersion = "v1"): KubeObject {
  return { apiVersion, kind, metadata: { name, namespace: "casa" }, ...rest };
}

export function pair(before: KubeObject | undefined, after: KubeObject | undefined): ObjectPair {
  const either = before ?? after;
  if (!either) throw new Error("a pair of nothing");
  return { key: objectKey(either, "casa"), before, after };
}

/** The rolls of these pairs; what they become is all of the release unless the options say otherwise. */
export function plan(pairs: ObjectPair[], options: Partial<RollOptions> = {}) {
  const predicted = pairs.flatMap(({ after }) => after ?? []);
  return planRolls(pairs, { namespace: "casa", predicted, liveClaims: [], ...options });
}

/** The only roll of a workload that goes from one shape to another. */
export function roll(kind: string, before: Shape, after: Shape, options: Partial<RollOptions> = {}) {
  const { rolls } = plan([pair(workload(kind, before), workload(kind, after))], options);
  expect(rolls).to.have.lengthOf(1);
  return rolls[0]!;
}

/** A shape that rolls. */
export const newImage = { container: { image: "r.example/web:1.1.0" } };

export const claim = (name: string, accessModes: string[], rest: object = {}) =>
  object("PersistentVolumeClaim", name, { spec: { accessModes, ...rest } });
export const mounting = (name: string) => ({ volumes: [{ name: "data", persistentVolumeClaim: { claimName: name } }] });
