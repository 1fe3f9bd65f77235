import type { Crd } from "../crds";

type Version = Crd["spec"]["versions"][number];

/** Every two served versions, the older one first. */
export function servedPairs(crd: Crd): [older: Version, newer: Version][] {
  const served = crd.spec.versions.filter((version) => version.served).sort((a, b) => compareVersions(a.name, b.name));
  return served.flatMap((older, index) => served.slice(index + 1).map((newer): [Version, Version] => [older, newer]));
}

const STABILITY = ["alpha", "beta", ""];

/**
 * Kubernetes' order of API versions, the oldest first: alpha before beta before stable, then by number. Names of
 * another form come before all others, in reverse alphabetical order.
 * @returns below zero when `a` comes first.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  if (!left || !right) return Number(left !== undefined) - Number(right !== undefined) || (a < b ? 1 : a > b ? -1 : 0);
  return left.stability - right.stability || left.major - right.major || left.minor - right.minor;
}

function parse(name: string): { major: number; stability: number; minor: number } | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(name);
  if (!match) return undefined;
  return { major: Number(match[1]), stability: STABILITY.indexOf(match[2] ?? ""), minor: Number(match[3] ?? 0) };
}
