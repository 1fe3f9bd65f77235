import type { HelmWrites } from "../helm/helm-writes";
import type { ClusterClient } from "../kubernetes/connect";
import { findResources } from "../kubernetes/find-resources";
import type { KubeObject } from "../kubernetes/objects";
import type { ReleaseObject } from "./release-objects";

/**
 * What helm sends beyond the changes that the review shows, as warnings: nothing that helm does is to be missing.
 *
 * @param namespace the release's.
 */
export async function unseenWrites(
  client: ClusterClient,
  objects: readonly Pick<ReleaseObject, "target" | "live">[],
  writes: HelmWrites | undefined,
  namespace: string,
): Promise<string[]> {
  if (!writes) return [];
  const shown = objects.flatMap(({ target, live }) => target ?? live ?? []);
  const find = await findResources(client, shown);
  const known = new Set<string>();
  const toCome: KubeObject[] = [];
  for (const object of shown) {
    const { namespace: at = namespace, name = "" } = object.metadata;
    if (find(object.apiVersion, object.kind)) known.add(await client.api.path(object, at, name));
    // Its CRD comes with this upgrade.
    else toCome.push(object);
  }
  const comes = (path: string) =>
    toCome.some(({ apiVersion, metadata: { name = "" } }) => {
      return path.startsWith(`/apis/${apiVersion}/`) && path.endsWith(`/${name}`);
    });
  return writes
    .paths()
    .filter((path) => !known.has(path) && !comes(path))
    .map((path) => {
      const methods = writes.to(path).map(({ method }) => method);
      return `helm sends ${methods.join(", ")} ${path}, which this review does not show: look at it before you go on`;
    });
}
