import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { isMap, type Properties } from "../shared/handler";
import { ApiError, type ProviderApi } from "./api";
import { annotation, type KubeObject, kubeObject, PATCH_FORCE } from "./objects";

const APPLY = "application/apply-patch+yaml";
const MERGE = "application/merge-patch+json";
const JSON_PATCH = "application/json-patch+json";

/** The manager by which every object is created; its first update moves the fields to a manager of the object's own. */
const CREATOR = "pulumi-kubernetes";
/**
 * Managers (by their beginning) whose plain updates the official provider takes over: a conflict with them is none, and
 * what they set beyond the program's inputs is gone after the next update.
 */
const TAKEN_OVER = ["kubectl", "before-first-apply", CREATOR, "pulumi-resource-kubernetes"];

/** How an object is sent. */
export interface WriteOptions {
  dryRun: boolean;
  namespace: string;
  fieldManager: string;
}

const dryRun = (options: { dryRun: boolean }) => (options.dryRun ? "All" : undefined);

/** POST: an object that exists already is an error. */
export async function createObject(api: ProviderApi, object: KubeObject, options: Omit<WriteOptions, "fieldManager">) {
  const sent = await inScope(api, object);
  const query = { fieldManager: CREATOR, dryRun: dryRun(options) };
  return kubeObject.parse(await api.request("POST", await api.path(sent, options.namespace), { body: sent, query }));
}

/**
 * Server-side apply. What the object was created with is taken over from the creator first, because the API server
 * takes creating and applying for two managers. Fields of anybody else are a conflict unless `pulumi.com/patchForce`
 * says not.
 *
 * @param live the object as it is; undefined for a patch, which leaves the managers of its target alone.
 */
export async function applyObject(
  api: ProviderApi,
  object: KubeObject,
  live: KubeObject | undefined,
  options: WriteOptions,
) {
  const sent = await inScope(api, object);
  const path = await api.path(sent, options.namespace, sent.metadata.name);
  let force = annotation(object, PATCH_FORCE) === "true";
  if (live && options.dryRun) force ||= managersOf(live).some(isTakenOver);
  if (live && !options.dryRun) await takeOver(api, path, live, options.fieldManager);
  const query = { fieldManager: options.fieldManager, force: `${force}`, dryRun: dryRun(options) };
  try {
    return kubeObject.parse(await api.request("PATCH", path, { body: sent, query, contentType: APPLY }));
  } catch (error) {
    if (error instanceof ApiError && error.code === 409) throw conflict(error, options.fieldManager);
    throw error;
  }
}

/** PUT of the whole object: what is not in it is gone. The way of CustomResourceDefinitions. */
export async function replaceObject(api: ProviderApi, object: KubeObject, live: KubeObject, options: WriteOptions) {
  const metadata = { ...object.metadata, resourceVersion: live.metadata.resourceVersion };
  const path = await api.path(object, options.namespace, object.metadata.name);
  const query = { fieldManager: options.fieldManager, dryRun: dryRun(options) };
  return kubeObject.parse(await api.request("PUT", path, { body: { ...object, metadata }, query }));
}

/** Client-side apply: only what changed between the inputs is sent. */
export async function mergeObject(api: ProviderApi, before: KubeObject, after: KubeObject, options: WriteOptions) {
  const path = await api.path(after, options.namespace, after.metadata.name);
  const query = { fieldManager: options.fieldManager, dryRun: dryRun(options) };
  return kubeObject.parse(
    await api.request("PATCH", path, { body: mergePatch(before, after), query, contentType: MERGE }),
  );
}

/** Gives up the fields that a manager set, by applying nothing in its name. Nothing happens when the object is gone. */
export async function releaseFields(api: ProviderApi, object: KubeObject, options: Omit<WriteOptions, "dryRun">) {
  const live = await api.object(object, options.namespace, object.metadata.name);
  if (!live) return;
  const { name, namespace, uid } = live.metadata;
  // With its uid, the apply cannot create the object anew should it vanish just now.
  const metadata = { name, uid, ...(namespace === undefined ? {} : { namespace }) };
  const body = { apiVersion: object.apiVersion, kind: object.kind, metadata };
  const path = await api.path(object, options.namespace, name);
  await api.request("PATCH", path, {
    body,
    query: { fieldManager: options.fieldManager, force: "true" },
    contentType: APPLY,
  });
}

/** A kind whose scope was not known when the inputs were checked may have got a namespace that it must not have. */
async function inScope(api: ProviderApi, object: KubeObject): Promise<KubeObject> {
  if (
    object.metadata.namespace === undefined ||
    (await api.resource(object.apiVersion, object.kind))?.namespaced !== false
  ) {
    return object;
  }
  const { namespace: _namespace, ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, name: object.metadata.name } };
}

const managedField = z.looseObject({
  manager: z.string().default(""),
  operation: z.string(),
  apiVersion: z.string().optional(),
  subresource: z.string().optional(),
  fieldsV1: z.record(z.string(), z.unknown()).optional(),
});
type ManagedField = z.infer<typeof managedField>;

function managersOf(live: KubeObject): ManagedField[] {
  return z.array(managedField).catch([]).parse(live.metadata["managedFields"]);
}

function isTakenOver({ manager, operation, subresource }: ManagedField): boolean {
  if (subresource) return false;
  const names = operation === "Update" ? TAKEN_OVER : ["kubectl"];
  return names.some((name) => manager.startsWith(name));
}

/** Moves the fields of the creator and of plain kubectl to the object's own manager. */
async function takeOver(api: ProviderApi, path: string, live: KubeObject, manager: string): Promise<void> {
  const all = managersOf(live);
  const taken = all.filter(isTakenOver);
  if (taken.length === 0) return;
  const isOwn = (field: ManagedField) => field.manager === manager && field.operation === "Apply" && !field.subresource;
  const fieldsV1 = [...all.filter(isOwn), ...taken].reduce<Properties>(
    (sum, field) => union(sum, field.fieldsV1 ?? {}),
    {},
  );
  const own = { manager, operation: "Apply", apiVersion: live.apiVersion, fieldsType: "FieldsV1", fieldsV1 };
  const others = all.filter((field) => !isOwn(field) && !taken.includes(field));
  const body = [
    { op: "replace", path: "/metadata/managedFields", value: [own, ...others] },
    { op: "replace", path: "/metadata/resourceVersion", value: live.metadata.resourceVersion },
  ];
  await api.request("PATCH", path, { body, contentType: JSON_PATCH });
}

function union(a: Properties, b: Properties): Properties {
  const sum: Properties = { ...a };
  for (const [key, value] of Object.entries(b)) {
    const known = sum[key];
    sum[key] = isMap(known) && isMap(value) ? union(known, value) : value;
  }
  return sum;
}

/** RFC 7386: what to send so that `before` becomes `after`. */
function mergePatch(before: Properties, after: Properties): Properties {
  const patch: Properties = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [before[key], after[key]];
    if (is === undefined) patch[key] = null;
    else if (isMap(was) && isMap(is)) patch[key] = mergePatch(was, is);
    else if (!isDeepStrictEqual(was, is)) patch[key] = is;
  }
  return patch;
}

function conflict(error: ApiError, manager: string): Error {
  return new Error(
    `server-side apply field conflict detected: field manager "${manager}" had an apply conflict: ${error.message}. ` +
      "Another manager owns these fields: remove them from the program, or take them over with the annotation " +
      `\`${PATCH_FORCE}: "true"\`.`,
  );
}
