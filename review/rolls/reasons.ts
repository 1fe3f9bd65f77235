import { differences, type FieldDifference } from "../diff/fields";
import { isNoise } from "../diff/noise";
import { dig, digList, isMap } from "../../kubernetes/objects";
import type { Roll } from "../report/schema";
import { configReferences } from "../../kubernetes/references";
import { containersOf, type PodWorkload } from "../../kubernetes/pod-templates";

type Reason = Roll["reasons"][number];

/** Differences by container: the ones of `[name]` under containers or initContainers, paths from the container on. */
interface ContainerChange {
  label: string;
  differences: FieldDifference[];
}

/**
 * The fields of two pod templates that differ in meaning. Controllers compare templates semantically: a field that is
 * not set, null and an empty list are the same. An empty map is not: as far as the API server keeps one, it stands for
 * a structure that is set (`securityContext: {}` rolls pods; seen on a real API server).
 */
export function templateDifferences(before: PodWorkload, after: PodWorkload): FieldDifference[] {
  const found = differences(withLists(before.template), withLists(after.template));
  return found.filter((at) => !(isEmpty(at.before, at.path) && isEmpty(at.after, at.path)));
}

/** Plain maps, and structures that are always there: empty says as much as absent. */
const ALWAYS = new Set(["annotations", "labels", "nodeSelector", "resources", "limits", "requests", "metadata"]);

/** The same template with empty lists where it has none, so that a list that comes or goes is told item by item. */
function withLists(template: Record<string, unknown>): Record<string, unknown> {
  const spec = template["spec"];
  if (!isMap(spec)) return template;
  const containers = (field: string) =>
    digList(spec, field).map((container) =>
      isMap(container) ? { env: [], volumeMounts: [], ...container } : container,
    );
  const lists = { initContainers: containers("initContainers"), containers: containers("containers") };
  return { ...template, spec: { ...spec, volumes: spec["volumes"] ?? [], ...lists } };
}

function isEmpty(value: unknown, path: readonly string[]): boolean {
  // A pod's own, which the API server always sets.
  const always = ALWAYS.has(path.at(-1) ?? "") || path.join(".") === "spec.securityContext";
  if (always && isMap(value) && Object.keys(value).length === 0) return true;
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

/**
 * Why a template replaces pods, in words. Images and resources with their values, everything else by name only:
 * environment, arguments and annotations may hold secrets.
 */
export function templateReasons(before: PodWorkload, after: PodWorkload, found: FieldDifference[]): Reason[] {
  const inContainers: FieldDifference[] = [];
  const inVolumes: FieldDifference[] = [];
  const inMetadata: FieldDifference[] = [];
  const others: FieldDifference[] = [];
  for (const at of found) {
    const [first, second] = at.path;
    if (first === "metadata") inMetadata.push(at);
    else if (second === "containers" || second === "initContainers") inContainers.push(at);
    else if (second === "volumes") inVolumes.push(at);
    else others.push(at);
  }
  const { reasons: references, changed } = referenceReasons(before, after);
  return [
    ...containerReasons(before, after, inContainers, changed),
    ...metadataReasons(inMetadata),
    ...references,
    ...volumeReasons(inVolumes, changed),
    ...named("other", "", new Set(others.map(({ path }) => path[1] ?? "the pod spec"))),
  ];
}

function containerReasons(
  before: PodWorkload,
  after: PodWorkload,
  found: FieldDifference[],
  referencesChanged: boolean,
): Reason[] {
  const old = labelled(before);
  const now = labelled(after);
  const comeAndGo = [
    ...[...now].filter(([label]) => !old.has(label)).map(([label, image]) => `${label} added (${image})`),
    ...[...old].filter(([label]) => !now.has(label)).map(([label, image]) => `${label} removed (${image})`),
  ].map((text): Reason => ({ kind: "other", text: `container ${text}` }));
  const kept = byContainer(found).filter(({ label }) => old.has(label) && now.has(label));
  const order = found.some(({ path }) => path.length === 2) && comeAndGo.length === 0;
  return [
    ...comeAndGo,
    ...kept.flatMap((change) => reasonsOf(change, referencesChanged)),
    ...(order ? [{ kind: "other" as const, text: "order of the containers" }] : []),
  ];
}

/** Container images by what a container is called in a reason. */
function labelled({ template }: PodWorkload): Map<string, string> {
  const containers = containersOf(template["spec"]);
  return new Map(containers.map(({ name, init, fields }) => [label(name, init), String(fields["image"])]));
}

function label(name: string, init: boolean): string {
  return init ? `init ${name}` : name;
}

function byContainer(found: FieldDifference[]): ContainerChange[] {
  const groups = new Map<string, FieldDifference[]>();
  for (const { path, before, after } of found.filter(({ path: { length } }) => length > 3)) {
    const at = label((path[2] ?? "").slice(1, -1), path[1] === "initContainers");
    groups.set(at, [...(groups.get(at) ?? []), { path: path.slice(3), before, after }]);
  }
  return [...groups].map(([at, differences]) => ({ label: at, differences }));
}

function reasonsOf({ label: at, differences: found }: ContainerChange, referencesChanged: boolean): Reason[] {
  const under = (...fields: string[]) => found.filter(({ path }) => fields.includes(path[0] ?? ""));
  const known = ["image", "env", "envFrom", "resources", "volumeMounts", "volumeDevices", "command", "args"];
  const images = under("image").map(({ before, after }): Reason => ({
    kind: "image",
    text: `${at}: ${String(before)} -> ${String(after)}`,
  }));
  const resources = under("resources").map(({ path, before, after }) => {
    const value = (side: unknown) => (side === undefined ? "not set" : JSON.stringify(side).replaceAll('"', ""));
    return `${path.slice(1).join(".")} ${value(before)} -> ${value(after)}`;
  });
  const fields = (names: FieldDifference[]) => new Set(names.map(({ path }) => path[0] ?? ""));
  return [
    ...images,
    ...named("env", `${at}: `, variables(under("env"))),
    // A changed reference is told as such.
    ...(referencesChanged ? [] : named("env", `${at}: `, fields(under("envFrom")))),
    ...named("resources", `${at}: `, new Set(resources)),
    ...named(
      "volumes",
      `${at}: mounts `,
      new Set(under("volumeMounts", "volumeDevices").map(({ path }) => item(path))),
    ),
    ...named("command", `${at}: `, fields(under("command", "args"))),
    ...named("other", `${at}: `, fields(found.filter(({ path }) => !known.includes(path[0] ?? "")))),
  ];
}

/** Names of environment variables with what happens to each; never a value. */
function variables(found: FieldDifference[]): Set<string> {
  const names = new Map<string, FieldDifference[]>();
  for (const at of found) names.set(item(at.path), [...(names.get(item(at.path)) ?? []), at]);
  return new Set(
    [...names].map(([name, changes]) => {
      // The whole variable came or went when its name did.
      const own = changes.find(({ path }) => path.at(-1) === "name" && path.length === 3);
      // Only the order changed, or names occur twice and nothing can be told apart.
      if (name === "") return "the list as a whole";
      return `${name} ${own === undefined ? "changed" : own.before === undefined ? "added" : "removed"}`;
    }),
  );
}

/** The list item that a path goes through, e.g. a variable's name; empty when the list is meant as a whole. */
function item(path: readonly string[]): string {
  return path[1]?.slice(1, -1) ?? "";
}

function metadataReasons(found: FieldDifference[]): Reason[] {
  const annotations = found.filter(({ path }) => path[1] === "annotations");
  const isChecksum = ({ path }: FieldDifference) => isNoise(path) || /config-?hash/i.test(path.at(-1) ?? "");
  const names = (list: FieldDifference[]) => new Set(list.map(({ path }) => path.slice(2).join(".")));
  const labels = found.filter(({ path }) => path[1] === "labels");
  const rest = found.filter(({ path }) => path[1] !== "labels" && path[1] !== "annotations");
  return [
    ...named("config", "annotation ", names(annotations.filter(isChecksum))),
    ...named("annotations", "annotation ", names(annotations.filter((at) => !isChecksum(at)))),
    ...named("annotations", "label ", names(labels)),
    ...named("other", "metadata.", new Set(rest.map(({ path }) => path[1] ?? ""))),
  ];
}

/** ConfigMaps and Secrets that the pods begin or cease to read. */
function referenceReasons(before: PodWorkload, after: PodWorkload): { reasons: Reason[]; changed: boolean } {
  const names = ({ template }: PodWorkload) =>
    new Set(configReferences(template["spec"]).map(({ kind, name }) => `${kind} ${name}`));
  const old = names(before);
  const now = names(after);
  const reasons = [
    ...named("config", "reads ", new Set([...now].filter((name) => !old.has(name)))),
    ...named("config", "no longer reads ", new Set([...old].filter((name) => !now.has(name)))),
  ];
  return { reasons, changed: reasons.length > 0 };
}

function volumeReasons(found: FieldDifference[], referencesChanged: boolean): Reason[] {
  const isReference = ({ path }: FieldDifference) =>
    ["configMap.name", "secret.secretName"].includes(path.slice(3).join("."));
  const told = found.filter((at) => !(referencesChanged && isReference(at)));
  const volumes = new Map<string, FieldDifference[]>();
  for (const at of told) {
    const name = at.path[2]?.slice(1, -1) ?? "";
    volumes.set(name, [...(volumes.get(name) ?? []), at]);
  }
  const texts = [...volumes].map(([name, changes]) => {
    const own = changes.find(({ path }) => path.length === 4 && path[3] === "name");
    if (name === "") return "the list of volumes as a whole";
    return `volume ${name} ${own === undefined ? "changed" : own.before === undefined ? "added" : "removed"}`;
  });
  return named("volumes", "", new Set(texts));
}

/** One reason for a list of names; none for no names. */
function named(kind: Reason["kind"], prefix: string, names: ReadonlySet<string>): Reason[] {
  return names.size === 0 ? [] : [{ kind, text: `${prefix}${[...names].join(", ")}` }];
}

/**
 * What let go of pods that still run an older template, when the template itself does not change; undefined when
 * nothing did, or when all pods are up to date.
 */
export function releaseReason(
  before: PodWorkload,
  after: PodWorkload,
  outdated: boolean,
): { kind: "other"; text: string } | undefined {
  if (!outdated) return undefined;
  if (heldBack(after) >= heldBack(before)) return undefined;
  const what = before.strategy.paused
    ? "its rollout is resumed"
    : before.strategy.type === "OnDelete"
      ? "its update strategy is OnDelete no more"
      : `its partition goes from ${before.strategy.partition} to ${after.strategy.partition}`;
  return { kind: "other", text: `${what}: pods that run an older template are replaced` };
}

/** Pods that a new template does not replace by itself. */
function heldBack({ replicas, strategy }: PodWorkload): number {
  if (strategy.paused || strategy.type === "OnDelete") return replicas;
  return Math.min(strategy.partition, replicas);
}

/** Whether a live workload has pods of an older template, by its status. */
export function hasOldPods(object: unknown): boolean {
  const count = (field: string) => Number(dig(object, "status", field) ?? 0);
  switch (dig(object, "kind")) {
    case "StatefulSet":
      return dig(object, "status", "currentRevision") !== dig(object, "status", "updateRevision");
    case "DaemonSet":
      return count("updatedNumberScheduled") < count("desiredNumberScheduled");
    default:
      return count("updatedReplicas") < count("replicas");
  }
}
