import { dataPlaces, serverTemplate } from "../../components/database-backup/data-directory";
import { strategyOf } from "../../kubernetes/strategy";
import type { Redactor } from "../../kubernetes/redact";
import { dig, digList, groupKind, type KubeObject } from "../../kubernetes/objects";
import { workloadId } from "../../kubernetes/workload";
import { imageProblem } from "../rolls/images";
import { POD_SPECS } from "../../kubernetes/pod-templates";
import { claimNames } from "../../kubernetes/references";
import { containersOf, podWorkload, type PodWorkload, textOf } from "../../kubernetes/pod-templates";
import { autoscalerLimits, budgetOf } from "./budgets";
import { keycloakClustering } from "./clustering";
import { parseImage } from "../../kubernetes/image";
import { type ComponentNames, componentOf } from "./component";
import type { RuntimeImage, RuntimeJob, RuntimeWorkload } from "./schema";

/** What is known of the release as it will be. */
export interface WorkloadInput {
  /** Objects of the release after the upgrade. */
  objects: readonly KubeObject[];
  /** PodDisruptionBudgets and autoscalers that live beside the release. */
  beside: readonly KubeObject[];
  /** Live PersistentVolumeClaims. */
  claims: readonly KubeObject[];
  /** Ids of the workloads whose pods are replaced. */
  replaced: ReadonlySet<string>;
  namespace: string;
  names: ComponentNames;
  redactor: Redactor;
}

/** The facts of every workload of the release. */
export function workloadFacts(input: WorkloadInput): RuntimeWorkload[] {
  return input.objects.flatMap((object) => {
    const workload = podWorkload(object, input.namespace);
    return workload ? [factsOf(workload, object, input)] : [];
  });
}

function factsOf(workload: PodWorkload, object: KubeObject, input: WorkloadInput): RuntimeWorkload {
  const { namespace, names, redactor } = input;
  const spec = workload.template["spec"];
  const around = [...input.objects, ...input.beside];
  const component = componentOf(workload, names);
  const scaled = autoscalerLimits(workload, around, namespace);
  const replicas = scaled?.fewest ?? workload.replicas;
  const { unavailable } = strategyOf(workload.kind, object["spec"], replicas);
  const surroundings = { at: workload.namespace, namespace, config: input.objects };
  return {
    workload: workload.id,
    component,
    replicas,
    most: scaled?.most ?? replicas,
    unavailable,
    rolls: input.replaced.has(workload.id),
    strategy: workload.strategy.type,
    exclusiveClaims:
      component === "postgres" ? sharedData(workload, object, input) : exclusiveClaims(workload, object, input),
    budget: budgetOf(workload, around, namespace),
    clustering: component === "keycloak" ? keycloakClustering(spec, surroundings) : null,
    images: imagesOf(spec, redactor),
  };
}

function imagesOf(podSpec: unknown, redactor: Redactor): RuntimeImage[] {
  return containersOf(podSpec).map(({ name, fields }) => {
    const image = textOf(fields["image"]) ?? "";
    return {
      container: name,
      image: redactor.text(image),
      registry: parseImage(image).registry,
      digest: parseImage(image).digest !== undefined,
      moving: imageProblem(image) !== undefined,
    };
  });
}

/** Pods that come and go: what they run matters, what becomes of them on a roll does not. */
export function jobFacts(objects: readonly KubeObject[], namespace: string, redactor: Redactor): RuntimeJob[] {
  return objects.flatMap((object) => {
    const isPod = object.apiVersion === "v1" && object.kind === "Pod";
    const path = isPod ? ["spec"] : POD_SPECS[groupKind(object)];
    if (!path || podWorkload(object, namespace)) return [];
    const { kind, metadata } = object;
    const at = { kind, namespace: metadata.namespace ?? namespace, name: metadata.name ?? "" };
    return [{ workload: workloadId(at), images: imagesOf(dig(object, ...path), redactor) }];
  });
}

/**
 * Volumes that an old and a new pod of a database would have at once. Where pods of several nodes may mount one,
 * nothing keeps two servers off the same files. A StatefulSet takes the old pod away first, and what is scaled to 0
 * gets no new one.
 */
function sharedData(workload: PodWorkload, object: KubeObject, input: WorkloadInput): string[] {
  if (workload.kind === "StatefulSet" || workload.replicas === 0) return [];
  const server = serverTemplate(workload, object);
  const place = server && dataPlaces(server, server, undefined).after;
  const data =
    place?.kind === "claim" ? [place.volume.replace(/^claim /, "")] : place?.kind === "hostPath" ? [place.volume] : [];
  return [...new Set([...exclusiveClaims(workload, object, input), ...data])];
}

/**
 * Claims that pods on two nodes cannot mount together; those of a StatefulSet belong to one pod each and do no harm.
 */
function exclusiveClaims(workload: PodWorkload, object: KubeObject, { objects, claims, namespace }: WorkloadInput) {
  const modes = new Map(
    [...claims, ...objects]
      .filter(
        ({ kind, metadata }) =>
          kind === "PersistentVolumeClaim" && (metadata.namespace ?? namespace) === workload.namespace,
      )
      .map((claim) => [claim.metadata.name ?? "", digList(claim, "spec", "accessModes")]),
  );
  const own = digList(object, "spec", "volumeClaimTemplates").length > 0 ? [] : claimNames(workload.template["spec"]);
  return own.filter((name) => {
    const of = modes.get(name);
    return of === undefined || !of.some((mode) => mode === "ReadWriteMany" || mode === "ReadOnlyMany");
  });
}
