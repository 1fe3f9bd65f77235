import { isMap, type Properties, Secret } from "../shared/handler";
import { FIELD_MANAGER_KEY, type KubeObject, toSdk, type TypeInfo } from "./objects";

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const SERVER_SET_METADATA = ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"];
const SERVER_SET_ANNOTATIONS = [LAST_APPLIED, "deployment.kubernetes.io/revision"];

/** What goes into state: the object as the server has it, without managed fields; the data of Secrets marked secret. */
export function toState(live: KubeObject, manager: string): Properties {
  const { managedFields: _managedFields, ...metadata } = live.metadata;
  const state: Properties = { ...live, metadata };
  if (isSecretObject(live)) {
    // kubectl keeps a copy of the data here.
    const { [LAST_APPLIED]: _applied, ...annotations } = metadata.annotations ?? {};
    if (metadata.annotations) state["metadata"] = { ...metadata, annotations };
  }
  return {
    ...secretData(toSdk(state) as Properties),
    __initialApiVersion: live.apiVersion,
    [FIELD_MANAGER_KEY]: manager,
  };
}

function isSecretObject({ apiVersion, kind }: { apiVersion?: unknown; kind?: unknown }): boolean {
  return apiVersion === "v1" && kind === "Secret";
}

/** Marks the data of a Secret; everything else stays as it is. */
export function secretData(properties: Properties): Properties {
  if (!isSecretObject(properties)) return properties;
  const marked = { ...properties };
  for (const field of ["data", "stringData"]) {
    if (marked[field] !== undefined && !(marked[field] instanceof Secret)) marked[field] = new Secret(marked[field]);
  }
  return marked;
}

/** Groups whose objects the official provider has types for. */
const BUILT_IN = /^(v1|(apps|batch|autoscaling|policy)\/.*|[a-z.]+\.k8s\.io\/.*)$/;

/**
 * Inputs of an object that was not created here. Of a built-in kind all that a user could have written; of a custom
 * resource its name alone, as the official provider knows no input of it.
 */
export function importedInputs(live: KubeObject, type: TypeInfo): Properties {
  const { name, namespace } = live.metadata;
  const identity = { name, ...(namespace === undefined ? {} : { namespace }) };
  const { apiVersion, kind } = type;
  if (type.patch || !BUILT_IN.test(apiVersion)) return { apiVersion, kind, metadata: identity };
  const { status: _status, ...rest } = live;
  const metadata: Properties = without(live.metadata, SERVER_SET_METADATA);
  if (live.metadata.annotations) {
    const annotations = without(live.metadata.annotations, SERVER_SET_ANNOTATIONS);
    if (Object.keys(annotations).length > 0) metadata["annotations"] = annotations;
    else delete metadata["annotations"];
  }
  return secretData({ ...rest, metadata });
}

/** Inputs after a refresh: the fields of the program with the values they have now. */
export function refreshedInputs(live: KubeObject, inputs: Properties): Properties {
  const pruned = prune(live, inputs) as Properties;
  const stringData = inputs["stringData"];
  if (isSecretObject(live) && isMap(stringData)) {
    // The server keeps it as base64 in `data` only.
    const data = isMap(live["data"]) ? live["data"] : {};
    const decoded = Object.keys(stringData).flatMap((key): [string, string][] => {
      const value = data[key];
      return typeof value === "string" ? [[key, Buffer.from(value, "base64").toString()]] : [];
    });
    pruned["stringData"] = Object.fromEntries(decoded);
  }
  return secretData(pruned);
}

/** The live value, cut to the fields that `shape` has. */
function prune(live: unknown, shape: unknown): unknown {
  if (isMap(live) && isMap(shape)) {
    const kept = Object.keys(shape).filter((key) => live[key] !== undefined);
    return Object.fromEntries(kept.map((key) => [key, prune(live[key], shape[key])]));
  }
  if (Array.isArray(live) && Array.isArray(shape))
    return live.slice(0, shape.length).map((item, i) => prune(item, shape[i]));
  return live;
}

function without<T extends Properties>(values: T, keys: string[]): Properties {
  return Object.fromEntries(Object.entries(values).filter(([key]) => !keys.includes(key)));
}
