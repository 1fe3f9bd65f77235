import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { Properties } from "../shared/handler";

/** Any object of the API. */
export const kubeObject = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string().default(""),
    namespace: z.string().optional(),
    uid: z.string().optional(),
    resourceVersion: z.string().optional(),
    generation: z.number().optional(),
    deletionTimestamp: z.string().optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
});
export type KubeObject = z.infer<typeof kubeObject>;

/** What a type token stands for. */
export interface TypeInfo {
  apiVersion: string;
  kind: string;
  /** `DeploymentPatch` and the like: part of an object that somebody else owns. */
  patch: boolean;
}

/** Reads a type token; no built-in kind ends with Patch, so the suffix always means a patch resource. */
export function parseType(token: string): TypeInfo {
  const [, group = "", name = ""] = token.split(":");
  const apiVersion = group.startsWith("core/") ? group.slice("core/".length) : group;
  const patch = name.endsWith("Patch") && name !== "Patch";
  return { apiVersion, kind: patch ? name.slice(0, -"Patch".length) : name, patch };
}

/** `namespace/name`, or `name` for an object without a namespace: the id the official provider uses. */
export function objectId(object: KubeObject): string {
  return object.metadata.namespace ? `${object.metadata.namespace}/${object.metadata.name}` : object.metadata.name;
}

export function parseId(id: string, defaultNamespace: string): { namespace: string; name: string } {
  const slash = id.indexOf("/");
  return slash < 0
    ? { namespace: defaultNamespace, name: id }
    : { namespace: id.slice(0, slash), name: id.slice(slash + 1) };
}

export const PATCH_FORCE = "pulumi.com/patchForce";
export const PATCH_FIELD_MANAGER = "pulumi.com/patchFieldManager";
export const SKIP_AWAIT = "pulumi.com/skipAwait";
export const TIMEOUT_SECONDS = "pulumi.com/timeoutSeconds";
export const WAIT_FOR = "pulumi.com/waitFor";
export const AUTONAMED = "pulumi.com/autonamed";
export const DELETION_PROPAGATION = "pulumi.com/deletionPropagationPolicy";

export function annotation(object: KubeObject, key: string): string | undefined {
  return object.metadata.annotations?.[key];
}

/** Where the state keeps the field manager of an object through all its updates. */
export const FIELD_MANAGER_KEY = "__fieldManager";

/**
 * Who applies this object's fields: what its annotation says, else who did so before, else a new manager of its own, so
 * that two resources never pass for one another.
 */
export function fieldManager(object: KubeObject, state: Properties): string {
  const known = state[FIELD_MANAGER_KEY];
  return (
    annotation(object, PATCH_FIELD_MANAGER) ??
    (typeof known === "string" && known !== "" ? known : `pulumi-kubernetes-${randomBytes(4).toString("hex")}`)
  );
}

/** Longest wait for an object, in seconds: the resource option, else the annotation, else 10 minutes. */
export function timeoutOf(object: KubeObject, optionSeconds: number): number {
  return optionSeconds || Number(annotation(object, TIMEOUT_SECONDS)) || 600;
}

/**
 * Reads properties as an object to send. Null means absent, and the SDK's names for `x-kubernetes-*` fields (which its
 * languages cannot spell) become the API's.
 */
export function asObject(properties: Properties): KubeObject {
  return kubeObject.parse(toApi(properties));
}

/** Properties with the API's field names and without nulls. */
export function toApi(value: unknown): unknown {
  return rename(value, (key) => (key.startsWith("x_kubernetes_") ? key.replaceAll("_", "-") : key), true);
}

/** Fields of the API with the SDK's names. */
export function toSdk(value: unknown): unknown {
  return rename(value, (key) => (key.startsWith("x-kubernetes-") ? key.replaceAll("-", "_") : key), false);
}

function rename(value: unknown, name: (key: string) => string, dropNulls: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => rename(item, name, dropNulls));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, at]) => !dropNulls || (at !== null && at !== undefined))
      .map(([key, at]) => [name(key), rename(at, name, dropNulls)]),
  );
}
