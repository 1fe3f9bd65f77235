import { isExpired } from "./api";
import type { ClusterClient } from "./connect";

/** A kind of objects in one of its versions. */
export interface ObjectType {
  readonly apiVersion: string;
  readonly kind: string;
}

/** How often a list is begun anew when it took so long that its rest expired. */
export const ATTEMPTS = 3;

/**
 * Visits all objects of a kind in all namespaces, page by page. When the rest of a long list expires it begins anew,
 * and `restart` is told: what was counted so far would be counted again.
 *
 * @throws ApiError, with code 410 when each attempt took too long.
 */
export async function visitAll(
  client: ClusterClient,
  type: ObjectType,
  visit: (object: object) => void,
  restart: () => void,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.api.eachPage(type, undefined, {}, (items) => {
        for (const item of items) visit({ ...item, ...type });
      });
    } catch (error) {
      if (!isExpired(error) || attempt === ATTEMPTS) throw error;
      restart();
    }
  }
}
