import { isDeepStrictEqual } from "node:util";
import { dig, isMap, type KubeObject } from "../../kubernetes/objects";
import { GENERATED } from "../../helm/unstable";
import type { Cause, FieldChange } from "../report/schema";
import { differences, pathText, valueAt, type FieldDifference } from "./fields";
import { isNoise, isOfController } from "./noise";
import { HIDDEN, isSecret, normalizeSecret, type Redactor } from "../../kubernetes/redact";
import { valueTexts } from "./value-text";

/** One object in all the versions that decide why it changes. */
export interface ObjectVersions {
  /** As the API server has it. */
  live: KubeObject;
  /** As it will be; the API server's answer to the dry-run. */
  after: KubeObject;
  /** As the installed revision rendered it; undefined when that did not have it. */
  installed?: KubeObject;
  /** As the configured chart version renders it with the configured values. */
  target: KubeObject;
  /** The same with the values of the installed revision; undefined when it cannot be rendered with those. */
  targetWithOldValues?: KubeObject;
  /** Paths that the chart makes up anew with each rendering, as text. */
  generated?: ReadonlySet<string>;
  /** A HorizontalPodAutoscaler sets its replicas. */
  autoscaled?: boolean;
  /** Those of them whose last step, the key, is itself made up. */
  madeUpKeys?: ReadonlySet<string>;
}

/** The fields of an object that change, each with its cause. Noise is counted only, secrets are hidden. */
export function fieldChanges(versions: ObjectVersions, redactor: Redactor): { fields: FieldChange[]; folded: number } {
  const known: ObjectVersions = {
    ...versions,
    installed: versions.installed && normalizeSecret(versions.installed),
    target: normalizeSecret(versions.target),
    targetWithOldValues: versions.targetWithOldValues && normalizeSecret(versions.targetWithOldValues),
  };
  const all = differences(versions.live, versions.after).filter(({ path }) => !isOfController(versions.after, path));
  const told = all.filter(({ path }) => !isNoise(path));
  // A key that is made up must not decide the order either: a review says the same each time.
  const isMadeUp = ({ path }: FieldDifference) => versions.madeUpKeys?.has(pathText(path)) === true;
  const inOrder = [...told.filter((one) => !isMadeUp(one)), ...told.filter(isMadeUp)];
  const hide = isSecret(versions.target);
  return {
    fields: inOrder.map((difference) => {
      const path = pathText(shownPath(difference.path, versions));
      const cause = causeOf(difference.path, known);
      // What a chart makes up is often a password, whatever kind of object it is in.
      if (cause === "generated") return { path, after: GENERATED, cause };
      const unset = isUnset(difference.path, known) ? { unset: true as const } : {};
      return { path, ...shown(difference, hide, redactor), cause, ...unset };
    }),
    folded: all.length - told.length,
  };
}

function shownPath(path: readonly string[], { madeUpKeys }: ObjectVersions): readonly string[] {
  return madeUpKeys?.has(pathText(path)) ? [...path.slice(0, -1), GENERATED] : path;
}

function shown({ path, before, after }: FieldDifference, hide: boolean, redactor: Redactor) {
  if (hide && (path[0] === "data" || path[0] === "stringData")) {
    return {
      ...(before === undefined ? {} : { before: HIDDEN }),
      ...(after === undefined ? {} : { after: HIDDEN }),
    };
  }
  return valueTexts(redactor.tree(before), redactor.tree(after));
}

function isUnset(path: readonly string[], { installed, target }: ObjectVersions): boolean {
  return (
    path.join(".") === "spec.replicas" && dig(installed, ...path) !== undefined && dig(target, ...path) === undefined
  );
}

/** Compares what was installed with what is configured at the place where the live object changes. */
function causeOf(path: readonly string[], versions: ObjectVersions): Cause {
  if (versions.generated?.has(pathText(path))) return "generated";
  if (versions.autoscaled && path.join(".") === "spec.replicas") return "autoscaler";
  const at = comparable(path, versions);
  const was = valueAt(versions.installed, at);
  const wanted = valueAt(versions.target, at);
  if (!sameMeaning(was, wanted)) {
    const withOldValues = versions.targetWithOldValues;
    return withOldValues && sameMeaning(valueAt(withOldValues, at), was) ? "values" : "chart";
  }
  // The chart says the same as before, so the live object was changed by somebody else; or it says nothing of this
  // field.
  return wanted === undefined ? "server" : "drift";
}

/** The path, cut where an index would compare one item of a list with another one. */
function comparable(path: readonly string[], { target, installed }: ObjectVersions): readonly string[] {
  const index = path.findIndex((step, i) => /^\[\d+\]$/.test(step) && isUnkeyed(path.slice(0, i), target, installed));
  return index < 0 ? path : path.slice(0, index);
}

function isUnkeyed(path: readonly string[], ...trees: (KubeObject | undefined)[]): boolean {
  return trees.some((tree) => {
    const list = valueAt(tree, path);
    return Array.isArray(list) && !list.every((item) => isMap(item) && "name" in item);
  });
}

/** Equal as the API server reads it: an absent field and null say the same, an empty map does not. */
function sameMeaning(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(withoutNulls(a), withoutNulls(b));
}

function withoutNulls(value: unknown): unknown {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isMap(value)) return value;
  const kept = Object.entries(value).filter(([, at]) => at !== null && at !== undefined);
  return Object.fromEntries(kept.map(([key, at]) => [key, withoutNulls(at)]));
}
