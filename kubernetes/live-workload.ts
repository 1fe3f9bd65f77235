import type { ManagedFields } from "./managed-fields";
import type { Strategy } from "./strategy";
import type { WorkloadKind } from "./workload";

/** A Deployment, StatefulSet, DaemonSet or Argo Rollout as it is on the cluster. */
export interface LiveWorkload {
  kind: WorkloadKind;
  namespace: string;
  name: string;
  /** Desired replicas; of a DaemonSet the nodes it is on. */
  replicas: number;
  /** `spec.paused` of a Deployment. */
  paused: boolean;
  /** Update strategy, e.g. `RollingUpdate`, `OnDelete`. */
  updateStrategy: string;
  /** Every replica runs the current template and is available. */
  rolledOut: boolean;
  /** Replicas that run the current template. */
  updated: number;
  ready: number;
  available: number;
  /** Replicas that still run an older template. */
  old: number;
  generation: number;
  observedGeneration: number;
  /** Labels that its pods carry. */
  podLabels: Record<string, string>;
  /** Annotations that its pods carry. */
  podAnnotations: Record<string, string>;
  /** Its own annotations, not those of its pods. */
  annotations: Record<string, string>;
  /** How its controller replaces pods. */
  strategy: Strategy;
  /** The pod template as it is. */
  template: { metadata?: object | null; spec?: object };
  /** Names of the volume claim templates of a StatefulSet: its pods have a volume for each. */
  claimTemplates: string[];
  /** Number of a StatefulSet's first pod; 0 where nothing else is set. */
  firstOrdinal?: number;
  /** Labels and annotations that an Argo Rollout gives its stable pods beside the template. */
  podMetadata?: object;
  /** Its rollout does not get on: its deadline is over, or its pods cannot be created. */
  failing?: true;
  /** Its pods are replaced one by one, each after the one before is ready: a StatefulSet that is not `Parallel`. */
  inOrder?: true;
  /** It is being deleted: its controller does nothing any more. */
  deleting?: true;
  /** Of an Argo Rollout: hash of the template that its newest pods are of. */
  podHash?: string;
  /** What controls it and may write it anew. */
  owner?: { apiVersion: string; kind: string; name: string };
  /** Label selector of its pods, as a request has it. */
  podSelector: string;
  /** Who wrote which of its fields. */
  managedFields: ManagedFields;
  /** Of an Argo Rollout: no pod is to be older than this (RFC 3339). */
  restartAt?: string;
  /** Of an Argo Rollout: the object whose template its pods are of, where it has none of its own. */
  refersTo?: { kind: string; name: string };
}
