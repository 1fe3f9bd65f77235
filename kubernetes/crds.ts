import { UserError } from "../shared/user-error";
import { z } from "zod";
import { dig, digList, kubeObject, type KubeObject } from "./objects";
import { ApiError } from "./api";
import { type ClusterClient, parseObject } from "./connect";

/** What others put on a CRD that exists on the cluster. */
export interface LiveCrdMetadata {
  name: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** `spec.conversion`. */
  conversion?: object;
  /** `spec.conversion.webhook.clientConfig.caBundle`, which a CA injector may have filled in. */
  caBundle?: string;
}

/** A CRD as it is on the cluster. */
export interface LiveCrd extends LiveCrdMetadata {
  /** Versions that objects are perhaps stored in; none of them may be missing from a new CRD. */
  storedVersions: string[];
  versions: { name: string; served: boolean; storage: boolean }[];
  conditions: { type: string; status: string; reason?: string; message?: string }[];
  /** The whole object, as the API server has it. */
  object: KubeObject;
  /** Being deleted, which lasts as long as objects of its kind have finalizers. */
  terminating: boolean;
}

const CRD = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };
const texts = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});
const condition = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
});
const clientConfig = z.looseObject({ caBundle: z.string().optional() });
const crd = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    labels: texts,
    annotations: texts,
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.looseObject({
    versions: z.array(z.looseObject({ name: z.string(), served: z.boolean(), storage: z.boolean() })),
    conversion: z.looseObject({ webhook: z.looseObject({ clientConfig: clientConfig.nullish() }).nullish() }).nullish(),
  }),
  status: z
    .looseObject({
      storedVersions: z.array(z.string()).nullish(),
      conditions: z.array(condition).nullish(),
    })
    .prefault({}),
});

/**
 * The CRDs of these names that exist on the cluster, by name.
 *
 * @throws UserError when they may not be read.
 */
export async function readLiveCrds(client: ClusterClient, names: string[]): Promise<Map<string, LiveCrd>> {
  const found = await Promise.all(names.map((name) => client.api.get(CRD, "", name).catch(notAllowed)));
  return new Map(found.flatMap((live, i) => (live === undefined ? [] : [[names[i] ?? "", liveCrd(live)]])));
}

/** Whether the API server serves this CRD. */
export function isEstablished(crd: KubeObject | undefined): boolean {
  const conditions = digList(crd, "status", "conditions");
  return conditions.some((one) => dig(one, "type") === "Established" && dig(one, "status") === "True");
}

function liveCrd(object: unknown): LiveCrd {
  const { metadata, spec, status } = parseObject(CRD.kind, object, crd);
  return {
    name: metadata.name,
    labels: metadata.labels,
    annotations: metadata.annotations,
    conversion: spec.conversion ?? undefined,
    caBundle: spec.conversion?.webhook?.clientConfig?.caBundle,
    storedVersions: status.storedVersions ?? [],
    versions: spec.versions.map(({ name, served, storage }) => ({ name, served, storage })),
    conditions: status.conditions ?? [],
    object: parseObject(CRD.kind, object, kubeObject),
    terminating: metadata.deletionTimestamp !== undefined,
  };
}

function notAllowed(error: unknown): never {
  if (!(error instanceof ApiError) || error.code !== 403) throw error;
  throw new UserError(
    "permission",
    `missing permission to read the chart's CRDs: ${error.message}`,
    "let the user get, create and update customresourcedefinitions.apiextensions.k8s.io, or use a context that may",
  );
}
