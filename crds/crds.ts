import { UserError } from "../shared/user-error";
import { z } from "zod";
import { isDeepStrictEqual } from "node:util";
import type { LiveCrdMetadata } from "../kubernetes/crds";
import { type KubeObject, dig, isCrd, type SourcedObject } from "../kubernetes/objects";

/** On a CRD while its objects are migrated (components/custom-resource-migration): what is being done, as JSON. */
export const MIGRATION_ANNOTATION = "casa-upgrade.io/custom-resource-migration";

/** A CustomResourceDefinition as a chart ships it. */
const crdSchema = z.looseObject({
  apiVersion: z.literal("apiextensions.k8s.io/v1"),
  kind: z.literal("CustomResourceDefinition"),
  metadata: z.looseObject({
    name: z.string().min(1),
    labels: z.record(z.string(), z.string()).nullish(),
    annotations: z.record(z.string(), z.string()).nullish(),
  }),
  spec: z.looseObject({
    group: z.string(),
    names: z.looseObject({ plural: z.string(), kind: z.string() }),
    scope: z.enum(["Namespaced", "Cluster"]),
    versions: z.array(z.looseObject({ name: z.string(), served: z.boolean(), storage: z.boolean() })).min(1),
    conversion: z.looseObject({ strategy: z.string() }).nullish(),
  }),
});

export type Crd = z.infer<typeof crdSchema>;

/**
 * Size of a CRD, in characters of its JSON, above which it is too expensive as a resource: the engine keeps, compares,
 * logs and sends each value of its schema, some seconds for each megabyte.
 */
const LARGE = 64 * 1024;

/** Whether a CRD is written by a command instead of being a resource with its whole schema. */
export function isLarge(crd: Crd): boolean {
  return JSON.stringify(crd).length > LARGE;
}

/** One CRD of the configured chart version, ready to be applied. */
export interface PlannedCrd {
  name: string;
  /** The chart's CRD with what others put on the live one. */
  manifest: Crd;
  /** It exists on the cluster, so it is adopted instead of created. */
  exists: boolean;
  /** It is large, so a command writes it; no resource of the stack holds it. */
  byCommand: boolean;
  /**
   * What a preview asks the API server about in its place: the manifest drops versions that objects are still stored
   * in, which it would refuse; when it is applied they have been migrated.
   */
  asked?: Crd;
}

/**
 * Parses the CRDs of a chart. A CRD that several files bring is taken once: the first one like helm does, or the one of
 * the file that is chosen.
 *
 * @param chosen CRD names to the file that counts, as {@link differentCrds} names it.
 * @throws UserError naming the file.
 */
export function parseCrds(documents: SourcedObject[], chosen: Readonly<Record<string, string>> = {}): Crd[] {
  const byName = new Map<string, { crd: Crd; source: string }>();
  for (const { source, object } of documents) {
    const crd = parseCrd(source, object);
    const { name } = crd.metadata;
    if (!byName.has(name) || chosen[name] === source) byName.set(name, { crd, source });
  }
  return [...byName.values()].map(({ crd }) => crd);
}

/** CRDs that two files of a chart bring with different contents; the first file is the one that counts by itself. */
export function differentCrds(documents: SourcedObject[]): { name: string; first: string; other: string }[] {
  return documents.flatMap(({ source, object }, i) => {
    const { name = "" } = object.metadata;
    const first = documents.slice(0, i).find((one) => one.object.metadata.name === name);
    return first && !isDeepStrictEqual(first.object, object) ? [{ name, first: first.source, other: source }] : [];
  });
}

function parseCrd(source: string, object: KubeObject): Crd {
  const name = object.metadata.name ?? "?";
  if (object.apiVersion !== "apiextensions.k8s.io/v1") {
    throw crdError(`${source}: CRD ${name} is ${object.apiVersion}; the API server knows apiextensions.k8s.io/v1 only`);
  }
  const parsed = crdSchema.safeParse(object);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw crdError(`${source}: CRD ${name} is malformed: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}

/** Names of the CRDs among objects. */
export function crdNames(objects: readonly KubeObject[]): string[] {
  return objects.filter(isCrd).map(({ metadata }) => metadata.name ?? "");
}

/** An object as a CRD; undefined when it is none. */
export function asCrd(object: KubeObject | undefined): Crd | undefined {
  return crdSchema.safeParse(object).data;
}

/** The CRDs among objects. */
export function crdsAmong(objects: readonly KubeObject[]): Crd[] {
  return objects.flatMap((object) => asCrd(object) ?? []);
}

/** A document in `crds/` that is no usable CRD. */
function crdError(problem: string): UserError {
  return new UserError("crd", problem, "repair the chart's crds/ folder, or choose another version");
}

/**
 * Joins a chart's CRD with what others put on the live one. The provider replaces CRDs whole, so labels, annotations
 * and an injected CA bundle that are not in the inputs would be lost. Keys that the installed chart
 * version brought are not "others'": when the new version drops them, they go.
 */
export function keepForeign(crd: Crd, live: LiveCrdMetadata | undefined, installed: Crd | undefined): Crd {
  if (!live) return crd;
  const labels = foreign(live.labels, installed?.metadata.labels);
  const annotations = foreign(live.annotations, installed?.metadata.annotations);
  const merged: Crd = {
    ...crd,
    metadata: {
      ...crd.metadata,
      ...nonEmpty("labels", { ...labels, ...crd.metadata.labels }),
      ...nonEmpty("annotations", { ...annotations, ...crd.metadata.annotations }),
    },
  };
  return withCaBundle(withForeignConversion(merged, live, installed), live.caBundle);
}

/** A conversion webhook that neither chart version mentions was set by an operator, whose objects need it. */
function withForeignConversion(crd: Crd, live: LiveCrdMetadata, installed: Crd | undefined): Crd {
  const { conversion } = live;
  if (crd.spec.conversion || installed?.spec.conversion || dig(conversion, "strategy") !== "Webhook") return crd;
  return { ...crd, spec: { ...crd.spec, conversion: conversion as Crd["spec"]["conversion"] } };
}

/** Annotation by which helm leaves an object alone that the chart no longer has. */
export const RESOURCE_POLICY = "helm.sh/resource-policy";

/** The same CRD, which helm will not delete. */
export function keptByHelm(crd: Crd): Crd {
  const annotations = { ...crd.metadata.annotations, [RESOURCE_POLICY]: "keep" };
  return { ...crd, metadata: { ...crd.metadata, annotations } };
}

function foreign(live: Record<string, string>, installed: Record<string, string> | null | undefined) {
  const ours = (key: string) => key === MIGRATION_ANNOTATION || key in (installed ?? {});
  return Object.fromEntries(Object.entries(live).filter(([key]) => !ours(key)));
}

function nonEmpty(key: string, value: Record<string, string>): Record<string, Record<string, string>> {
  return Object.keys(value).length > 0 ? { [key]: value } : {};
}

function withCaBundle(crd: Crd, caBundle: string | undefined): Crd {
  const clientConfig = dig(crd.spec.conversion, "webhook", "clientConfig");
  if (!caBundle || !clientConfig || dig(clientConfig, "caBundle")) return crd;
  const copy = structuredClone(crd);
  (dig(copy.spec.conversion, "webhook", "clientConfig") as Record<string, unknown>)["caBundle"] = caBundle;
  return copy;
}

/** Names of CRDs that the installed chart version ships and the configured one does not; they stay on the cluster. */
export function droppedCrds(installed: KubeObject[], configured: Crd[]): string[] {
  const still = new Set(configured.map((crd) => crd.metadata.name));
  const before = installed.filter((object) => object.kind === "CustomResourceDefinition");
  return [...new Set(before.map((object) => object.metadata.name ?? ""))]
    .filter((name) => name && !still.has(name))
    .sort();
}
