/** The versions of helm that this program can have render, as people say them. */
export const HELM_VERSIONS = "3.14 or newer, and not 4";

/**
 * Why a helm on PATH cannot be used; undefined when it can, or when it does not say its version in a known form.
 *
 * @param printed what `helm version --short` printed.
 */
export function helmVersionProblem(printed: string): string | undefined {
  const [version, major, minor] = /v?(\d+)\.(\d+)(?:\.\d+)?/.exec(printed) ?? [];
  if (version === undefined) return undefined;
  // helm 4 takes only plugins as post-renderers, by which this program gets what helm renders; and the kubernetes
  // plugin upgrades by its own helm 3, whose rendering is the one to review.
  if (Number(major) > 3) return `helm on PATH is ${version}, and the upgrade is carried out by helm 3`;
  if (Number(major) < 3 || Number(minor) < 14) return `helm on PATH is ${version}, which is too old`;
  return undefined;
}
