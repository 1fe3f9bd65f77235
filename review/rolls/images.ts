import { parseImage } from "../../kubernetes/image";
import { dig, groupKind, type KubeObject } from "../../kubernetes/objects";
import { workloadId } from "../../kubernetes/workload";
import type { ImageFinding } from "../report/schema";
import { containersOf, POD_SPECS, textOf } from "../../kubernetes/pod-templates";

/** Words that say "whatever is newest there", as a whole tag or as a part of it (`stable-alpine`). */
const MOVING_WORDS = new Set(
  (
    "latest stable main master trunk head nightly daily weekly edge dev devel develop development next canary rolling " +
    "current lts mainline unstable testing test staging production prod beta alpha snapshot"
  ).split(" "),
);

/** Of these a full version in front makes no fixed build: `1.2.3-SNAPSHOT` is built again and again. */
const MOVING_BUILDS = new Set(["latest", "nightly", "dev", "devel", "snapshot"]);

/** A release of the system that an image is made on says nothing of what is in it. */
const SYSTEM = /(?:alpine|debian|ubuntu|ubi|centos|rhel|photon)-?\d[\d.]*/gi;
/** What extensions of PostgreSQL call its major, with nothing but the system behind it. */
const PG_MAJOR = /^pg-?\d{1,2}(?:-(?:[a-z]+|(?:alpine|debian|ubi)-?[\d.]+))*$/i;

/**
 * The images that do not say which bytes will run: a pod that starts later, or on another node, may run others than the
 * ones that were reviewed, and when the template does not change, the upgrade brings no newer ones either.
 *
 * @param objects objects of the release as they will be; those that run no pods are passed over.
 * @param rolled ids of the workloads whose pods are replaced.
 */
export function imageFindings(
  objects: readonly KubeObject[],
  rolled: ReadonlySet<string>,
  defaultNamespace: string,
): ImageFinding[] {
  return objects.flatMap((object) => {
    const path = POD_SPECS[groupKind(object)];
    if (!path) return [];
    const { kind, metadata } = object;
    const at = { kind, namespace: metadata.namespace ?? defaultNamespace, name: metadata.name ?? "" };
    const workload = workloadId(at);
    return containersOf(dig(object, ...path)).flatMap(({ name, fields }): ImageFinding[] => {
      const image = textOf(fields["image"]) ?? "";
      const problem = imageProblem(image);
      if (problem === undefined) return [];
      const pullPolicy = textOf(fields["imagePullPolicy"]) ?? defaultPullPolicy(image);
      return [{ workload, container: name, image, problem, rolls: rolled.has(workload), pullPolicy }];
    });
  });
}

/**
 * Why an image reference may mean other bytes tomorrow; undefined for a digest and for a tag of one build.
 *
 * Moving are: no tag, a tag with one of the usual words in it unless it also has a full version or a commit, a tag
 * without any number but that of its system (`alpine3.20`, `bookworm`), and a major version alone (`15`, `v1`,
 * `15-alpine`, `pg17`). Two numbers (`15.8`) pass: for half of all projects, PostgreSQL among
 * them, that is the full version. A number of four digits or more is a date or a build.
 */
export function imageProblem(image: string): ImageFinding["problem"] | undefined {
  if (image === "" || parseImage(image).digest !== undefined) return undefined;
  const tag = parseImage(image).tag;
  if (tag === undefined) return "no-tag";
  const words = tag.toLowerCase().split(/[-_.+]/);
  const isFull = /^v?\d+\.\d+\.\d+/.test(tag);
  const isBuild = words.some((word) => /^(?=.*\d)[0-9a-f]{7,64}$/.test(word) || /^\d{4,}$/.test(word));
  const moving = isFull
    ? MOVING_BUILDS.has(words.at(-1) ?? "")
    : !isBuild && words.some((word) => MOVING_WORDS.has(word));
  const isMajor = /^v?\d{1,3}(-[a-z][\w.]*)*$/i.test(tag) && !isBuild;
  const isVersionless = !/\d/.test(tag.replaceAll(SYSTEM, ""));
  return moving || isMajor || isVersionless || PG_MAJOR.test(tag) ? "moving-tag" : undefined;
}

/** What the API server fills in: Always for `latest`, said or meant. */
function defaultPullPolicy(image: string): string {
  const tag = parseImage(image).tag;
  return tag === undefined || tag === "latest" ? "Always" : "IfNotPresent";
}
