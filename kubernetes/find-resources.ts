import type { ClusterClient } from "./connect";
import type { ServedResource } from "./discovery";
import type { KubeObject } from "./objects";

/** How a kind is served; undefined for one that is not (yet). */
export type FindResource = (apiVersion: string, kind: string) => ServedResource | undefined;

/** Asks how the kinds of these objects are served, for each once. */
export async function findResources(
  { api }: ClusterClient,
  objects: readonly Pick<KubeObject, "apiVersion" | "kind">[],
): Promise<FindResource> {
  const types = new Map(objects.map((object) => [`${object.apiVersion} ${object.kind}`, object]));
  const served = await Promise.all(
    [...types].map(async ([key, { apiVersion, kind }]) => [key, await api.resource(apiVersion, kind)] as const),
  );
  const found = new Map(served);
  return (apiVersion, kind) => found.get(`${apiVersion} ${kind}`);
}
