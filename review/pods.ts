import type { ClusterClient } from "../kubernetes/connect";
import { ApiError } from "../kubernetes/api";
import { dig, type KubeObject } from "../kubernetes/objects";
import type { Review } from "./report/schema";
import { askRunningServers } from "../components/database-backup/cluster/running-servers";
import { claimsOfOwners } from "./owned-claims";
import { deletedClaims } from "./rolls/claims";
import { databaseFindings } from "./rolls/databases";
import { otherDatabaseFindings } from "./rolls/other-databases";
import { imageFindings } from "./rolls/images";
import type { ComponentNames } from "./facts/component";
import { sortedByOthers } from "./rolls/sorting";
import { keycloakFindings } from "./rolls/keycloak";
import { planRolls, replacedWorkloads } from "./rolls/rolls";
import { staleText } from "./rolls/stale";
import type { ReleaseObject } from "./release-objects";

const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim" };
const VOLUME = { apiVersion: "v1", kind: "PersistentVolume" };

/**
 * What the changes of the release mean for its pods, images and volumes; `stale` says who keeps an old configuration,
 * `sorting` which database may sort in another way, `unknown` what could not be asked of claims.
 */
export async function releaseRolls(
  client: ClusterClient,
  objects: readonly ReleaseObject[],
  namespace: string,
  names: ComponentNames,
): Promise<
  Pick<Review, "rolls" | "images" | "claims" | "databases" | "keycloak"> & {
    unknown: string[];
    stale: string[];
    sorting: string[];
    liveClaims: KubeObject[];
  }
> {
  const pairs = objects
    .filter(({ change }) => change !== undefined && change.action !== "keep")
    .map(({ key, live, after }) => ({ key, before: live, after }));
  const predicted = objects.flatMap(({ after }) => after ?? []);
  const liveClaims = await listIfAllowed(client, CLAIM, namespace);
  const { rolls, stale, services } = planRolls(pairs, { namespace, predicted, liveClaims });
  const { owned, unknown } = await claimsOfOwners(client, pairs, liveClaims, namespace);
  const storage = { namespace, predicted, claims: liveClaims, owned };
  const lost = deletedClaims(pairs, { ...storage, volumes: [] }).map(({ name }) => name);
  const volumes = await readVolumes(
    client,
    [...new Set([...liveClaims, ...owned.map(({ claim }) => claim)])].filter(({ metadata }) =>
      lost.includes(metadata.name ?? ""),
    ),
  );
  const replaced = replacedWorkloads(rolls);
  const touched = pairs.flatMap(({ before }) => before ?? []);
  return {
    rolls,
    images: imageFindings(predicted, replaced, namespace),
    claims: deletedClaims(pairs, { ...storage, volumes }),
    databases: [
      ...databaseFindings(pairs, {
        namespace,
        replaced,
        running: await askRunningServers(client, touched, namespace),
      }),
      ...otherDatabaseFindings(pairs, { namespace, replaced, predicted }),
    ],
    keycloak: keycloakFindings(
      pairs,
      namespace,
      names,
      objects.flatMap(({ live }) => live ?? []),
    ),
    unknown,
    stale: [...stale.flatMap(staleText), ...services],
    sorting: sortedByOthers(pairs, namespace, replaced),
    liveClaims,
  };
}

/** Objects of a kind; none where they may not be listed: what the chart brings is known anyway. */
export async function listIfAllowed(
  client: ClusterClient,
  kind: typeof CLAIM,
  namespace: string,
): Promise<KubeObject[]> {
  return (await client.api.list(kind, namespace).catch(noneIfForbidden)) as KubeObject[];
}

/**
 * The volumes behind claims, for their reclaim policy; most users may not read volumes, and then it is told as unknown.
 */
async function readVolumes(client: ClusterClient, claims: readonly KubeObject[]): Promise<KubeObject[]> {
  const names = claims.map((claim) => dig(claim, "spec", "volumeName")).filter((name) => typeof name === "string");
  const read = (name: string) => client.api.get(VOLUME, "", name).catch(noneIfForbidden);
  return (await Promise.all(names.map(read))).flatMap((found) => (found ?? []) as KubeObject | KubeObject[]);
}

/** For a `catch`: what may not be read counts as not there. */
export function noneIfForbidden(error: unknown): never[] {
  if (error instanceof ApiError && error.code === 403) return [];
  throw error;
}
