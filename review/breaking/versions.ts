import { coerce, type SemVer, compare, compareBuild, parse } from "semver";
import type { Breaking } from "../report/schema";

type Distance = Breaking["distance"];

/**
 * How far the configured chart version is from the installed one, by the rules of semver. `kind` is the highest part
 * that differs; `prerelease` means that nothing but the pre-release part does. `skipped` names the major and minor
 * versions that are jumped over (they need not all have been published).
 *
 * @param before installed version; undefined: the release is not installed.
 */
export function versionDistance(before: string | undefined, after: string): Distance {
  if (before === undefined) return { kind: "install", skipped: [], text: `${after} is installed for the first time` };
  if (before === after) return { kind: "none", skipped: [], text: `the version stays ${after}` };
  const [from, to] = [read(before), read(after)];
  const step = `${before} to ${after}`;
  if (!from || !to) {
    const odd = [from ? [] : [before], to ? [] : [after]].flat().join(" and ");
    return { kind: "other", skipped: [], text: `${step}: the distance is unknown, ${odd} is not a semver version` };
  }
  if (compare(from, to) === 0) {
    const same = compareBuild(from, to) === 0;
    return same
      ? { kind: "none", skipped: [], text: `${step}: the same version, written in another way` }
      : { kind: "other", skipped: [], text: `${step}: another build of the same version` };
  }
  if (compare(from, to) > 0) {
    const size = sizeOf(from, to);
    const text = `${step}: a downgrade by a ${sizeWords(size)}; changes made since ${after} are taken back`;
    return { kind: "downgrade", skipped: [], text };
  }
  const kind = sizeOf(from, to);
  return { kind, skipped: skippedVersions(from, to), text: `${step}: ${upgradeWords(kind, from, to)}` };
}

/** helm packages versions such as `1.2`, `2` and `24.01.3`, too: missing parts are 0, zeros before a number nothing. */
function read(version: string): SemVer | null {
  if (!/^v?\d+(\.\d+){0,2}$/.test(version)) return parse(version);
  return coerce(version.replace(/(^v?|\.)0+(?=\d)/g, "$1"));
}

type Size = "major" | "minor" | "patch" | "prerelease";

function sizeOf(from: SemVer, to: SemVer): Size {
  if (from.major !== to.major) return "major";
  if (from.minor !== to.minor) return "minor";
  return from.patch !== to.patch ? "patch" : "prerelease";
}

function sizeWords(size: Size): string {
  return size === "prerelease" ? "pre-release step" : `${size} step`;
}

function upgradeWords(kind: Size, from: SemVer, to: SemVer): string {
  const words = [`a ${sizeWords(kind)}`];
  if (kind === "major") words.push("breaking changes are to be expected");
  // semver 2.0.0, paragraph 4: anything may change in a version 0.y.z; by custom the minor version then tells of it.
  if (kind === "minor" && from.major === 0)
    words.push("before 1.0.0 a minor version may break things like a major one");
  if (kind === "patch" && from.major === 0 && from.minor === 0) words.push("in 0.0.x every version may break things");
  if (to.prerelease.length > 0) words.push(`${to.version} is a pre-release`);
  return words.join("; ");
}

/** Major versions from here on are years. */
const YEARS = 2000;

function skippedVersions(from: SemVer, to: SemVer): string[] {
  if (from.major === to.major) return skippedWords("minor", from.minor + 1, to.minor - 1, `${to.major}.`);
  return [
    ...skippedWords("major", from.major + 1, to.major - 1, ""),
    // Versions that are years have months, which begin with 1.
    ...skippedWords("minor", to.major >= YEARS ? 1 : 0, to.minor - 1, `${to.major}.`),
  ];
}

function skippedWords(part: "major" | "minor", first: number, last: number, prefix: string): string[] {
  if (first > last) return [];
  if (first === last) return [`${part} version ${prefix}${first} is skipped`];
  return [`${part} versions ${prefix}${first} to ${prefix}${last} are skipped`];
}
