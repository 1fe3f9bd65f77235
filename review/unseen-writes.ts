import type { HelmWrites } from "../helm/helm-writes";
import type { ClusterClient } from "../kubernetes/connect";
import { ApiError } from "../kubernetes/api";
import type { ReleaseObject } from "./release-objects";

/**
 * What helm sends beyond the changes that the review shows, as warnings: nothing that helm does is to be missing.
 *
 * @param namespace the release's.
 */
export async function unseenWrites(
  { api }: ClusterClient,
  objects: readonly Pick<ReleaseObject, "target" | "live">[],
  writes: HelmWrites | undefined,
  namespace: string,
): Promise<string[]> {
  if (!writes) return [];
  const pathOf = async ({ target, live }: Pick<ReleaseObject, "target" | "live">) => {
    const object = target ?? live;
    if (!object) return undefined;
    const { namespace: at = namespace, name = "" } = object.metadata;
    return api.path(object, at, name).catch(notServed);
  };
  const paths = await Promise.all(objects.map(pathOf));
  const known = new Set(paths);
  return writes
    .paths()
    .filter((path) => !known.has(path))
    .map((path) => {
      const methods = writes.to(path).map(({ method }) => method);
      return `helm sends ${methods.join(", ")} ${path}, which this review does not show: look at it before you go on`;
    });
}

function notServed(error: unknown): undefined {
  if (!(error instanceof ApiError)) throw error;
  return undefined;
}
