import { z } from "zod";
import { checkOfRefusal } from "./rejections";
import { kubeObject, type KubeObject } from "./objects";
import { ONLY_READS, type ObjectCheck } from "./object-check";
import { ApiError } from "./api";
import type { ClusterClient } from "./connect";

/** What the API server would make of a change; `after` is missing when it refused or could not be asked. */
export interface DryRun {
  check: ObjectCheck;
  after?: KubeObject;
}

const AS_US = { fieldManager: "casa-upgrade" };

/** Asks what creating an object would make. */
export async function dryRunCreate(client: ClusterClient, object: KubeObject, namespace: string): Promise<DryRun> {
  return ask(client, object, namespace, async (collection) =>
    client.api.dryRun("POST", collection, { body: object, query: AS_US }),
  );
}

/** A change to an object: a JSON merge patch, or whatever the content type says. */
export interface Patch {
  readonly body: unknown;
  readonly contentType?: string;
  /** Parameters that it is sent with. */
  readonly query?: Readonly<Record<string, string>>;
}

/** Asks what a patch would make of an object. */
export async function dryRunPatch(
  client: ClusterClient,
  object: KubeObject,
  namespace: string,
  { body, contentType = "application/merge-patch+json", query = AS_US }: Patch,
): Promise<DryRun> {
  return ask(client, object, namespace, async (collection, name) =>
    client.api.dryRun("PATCH", `${collection}/${name}`, { body, contentType, query }),
  );
}

/** Asks what replacing an object as a whole would make; the way CRDs are updated. */
export async function dryRunReplace(client: ClusterClient, object: KubeObject, namespace: string): Promise<DryRun> {
  return ask(client, object, namespace, async (collection, name) =>
    client.api.dryRun("PUT", `${collection}/${name}`, { body: object, query: AS_US }),
  );
}

/** Asks whether an object may be deleted. */
export async function dryRunDelete(client: ClusterClient, object: KubeObject, namespace: string): Promise<ObjectCheck> {
  const { check } = await ask(client, object, namespace, async (collection, name) => {
    await client.api.dryRun("DELETE", `${collection}/${name}`, {
      query: { propagationPolicy: "Background" },
    });
    return object;
  });
  return check;
}

async function ask(
  client: ClusterClient,
  object: KubeObject,
  namespace: string,
  send: (collection: string, name: string) => Promise<unknown>,
): Promise<DryRun> {
  if (client.readOnly) return { check: { result: "unchecked", message: ONLY_READS } };
  const { name = "" } = object.metadata;
  const at = object.metadata.namespace ?? namespace;
  try {
    const collection = await client.api.path(object, at);
    const answer = kubeObject.parse(await send(collection, encodeURIComponent(name)));
    return { check: { result: "accepted" }, after: answer };
  } catch (error) {
    if (error instanceof z.ZodError) {
      return { check: { result: "unchecked", message: "the API server's answer to the dry-run is not an object" } };
    }
    if (!(error instanceof ApiError)) throw error;
    return { check: checkOfRefusal({ kind: object.kind, namespace: at, name }, error, client.context) };
  }
}
