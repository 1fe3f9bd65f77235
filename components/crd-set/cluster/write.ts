import type { Crd } from "../../../crds/crds";
import { ApiError } from "../../../kubernetes/api";
import { despiteConflicts } from "../../../kubernetes/conflicts";
import type { ClusterWriter } from "../../../kubernetes/connect";
import { kubeObject } from "../../../kubernetes/objects";
import { UserError } from "../../../shared/user-error";

/**
 * Makes a CRD what it is to be: created, or replaced whole as `kubectl replace` does, so that fields that the new one
 * lacks are gone whoever set them.
 *
 * @throws UserError when the API server refuses it.
 */
export async function writeCrd(client: ClusterWriter, crd: Crd): Promise<"created" | "replaced"> {
  try {
    return await despiteConflicts(() => writeOnce(client, crd));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new UserError(
      "crd",
      `CRD ${crd.metadata.name} cannot be written: ${error.message}`,
      "remove what refuses it, then: pulumi up; CRDs that were written before stay as they are now",
    );
  }
}

async function writeOnce({ api }: ClusterWriter, crd: Crd): Promise<"created" | "replaced"> {
  const { name } = crd.metadata;
  const query = { fieldManager: "casa-upgrade" };
  const found = await api.get(crd, "", name);
  if (found === undefined) {
    await api.request("POST", await api.path(crd, ""), { body: crd, query });
    return "created";
  }
  const { resourceVersion } = kubeObject.parse(found).metadata;
  const body = { ...crd, metadata: { ...crd.metadata, resourceVersion } };
  await api.request("PUT", await api.path(crd, "", name), { body, query });
  return "replaced";
}
