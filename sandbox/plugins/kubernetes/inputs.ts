import { randomBytes } from "node:crypto";
import { isMap, type Properties, UNKNOWN } from "../shared/handler";
import { AUTONAMED, toApi, type TypeInfo } from "./objects";
import { secretData } from "./state";

const READ_ONLY_METADATA = [
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "generation",
  "managedFields",
  "resourceVersion",
  "uid",
];

/** Built-in kinds outside of namespaces, for when no API server can be asked. */
const CLUSTER_SCOPED = new Set([
  "APIService",
  "ClusterRole",
  "ClusterRoleBinding",
  "CSIDriver",
  "CustomResourceDefinition",
  "IngressClass",
  "MutatingWebhookConfiguration",
  "Namespace",
  "Node",
  "PersistentVolume",
  "PriorityClass",
  "RuntimeClass",
  "StorageClass",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
  "ValidatingWebhookConfiguration",
]);

export function isClusterScopedBuiltIn(kind: string): boolean {
  return CLUSTER_SCOPED.has(kind);
}

/**
 * The inputs as they are kept: a name and a namespace filled in, server-set metadata left out. `apiVersion` and `kind`
 * are not filled in: the SDK sends them, and the official provider goes by what it is sent (docs/provider-facts.md).
 *
 * @param namespace the one to fill in; undefined for a kind outside of namespaces.
 * @throws when a patch has no name, or for generateName, which server-side apply cannot do.
 */
export function completeInputs(
  news: Properties,
  olds: Properties | undefined,
  type: TypeInfo,
  urn: string,
  namespace: string | undefined,
): Properties {
  const inputs = toApi(news) as Properties;
  const given = news["metadata"];
  if (given === UNKNOWN) return secretData({ ...inputs, metadata: UNKNOWN });
  const metadata = metadataOf(inputs);
  for (const key of READ_ONLY_METADATA) delete metadata[key];
  if (metadata["name"] === undefined) {
    if (type.patch) throw new Error("patch resources require the `.metadata.name` field to be set");
    if (metadata["generateName"] !== undefined) {
      throw new Error("the `.metadata.generateName` field is not supported in Server-Side Apply mode");
    }
    metadata["name"] = previousAutoname(olds) ?? `${urn.split("::").at(-1) ?? ""}-${randomBytes(4).toString("hex")}`;
    const annotations = isMap(metadata["annotations"]) ? metadata["annotations"] : {};
    metadata["annotations"] = { ...annotations, [AUTONAMED]: "true" };
  }
  if (namespace !== undefined && (metadata["namespace"] ?? "") === "") metadata["namespace"] = namespace;
  return secretData({ ...inputs, metadata });
}

function metadataOf(properties: Properties): Properties {
  return isMap(properties["metadata"]) ? { ...properties["metadata"] } : {};
}

function previousAutoname(olds: Properties | undefined): string | undefined {
  const metadata = metadataOf(olds ?? {});
  const name = metadata["name"];
  return isAutonamed(olds) && typeof name === "string" ? name : undefined;
}

/** Whether the name was made up by us, so that a replacement may have another. */
export function isAutonamed(inputs: Properties | undefined): boolean {
  const annotations = metadataOf(inputs ?? {})["annotations"];
  return isMap(annotations) && annotations[AUTONAMED] === "true";
}

/**
 * Inputs in the form in which they are compared: API names, no nulls, the default namespace spelled out or left out.
 */
export function comparable(inputs: Properties, defaultNamespace: string | undefined): Properties {
  const plain = toApi(inputs) as Properties;
  if (!isMap(plain["metadata"])) return plain;
  const { namespace, ...metadata } = plain["metadata"];
  if (defaultNamespace === undefined) return { ...plain, metadata };
  return {
    ...plain,
    metadata: { ...metadata, namespace: namespace === "" ? defaultNamespace : (namespace ?? defaultNamespace) },
  };
}
