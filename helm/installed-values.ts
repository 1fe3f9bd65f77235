import { isDeepStrictEqual } from "node:util";
import { isMap } from "../kubernetes/objects";

/**
 * Paths of values that the installed release was given and the config does not give: the upgrade would put them back to
 * the chart's defaults. The classic trap when a release that was installed by hand is adopted.
 */
export function lostValues(installed: Record<string, unknown>, configured: Record<string, unknown>): string[] {
  return Object.entries(installed).flatMap(([key, value]) => {
    const now = configured[key];
    if (isMap(value) && isMap(now)) return lostValues(value, now).map((path) => `${key}.${path}`);
    if (key in configured || (isMap(value) && Object.keys(value).length === 0)) return [];
    return isMap(value) ? leaves(value).map((path) => `${key}.${path}`) : [key];
  });
}

/** True when the release was installed with exactly these values. */
export function sameValues(installed: Record<string, unknown>, configured: Record<string, unknown>): boolean {
  return isDeepStrictEqual(JSON.parse(JSON.stringify(installed)), JSON.parse(JSON.stringify(configured)));
}

function leaves(value: Record<string, unknown>): string[] {
  return Object.entries(value).flatMap(([key, at]) => (isMap(at) ? leaves(at).map((path) => `${key}.${path}`) : [key]));
}
