import { isDeepStrictEqual } from "node:util";
import { dig, type KubeObject } from "../../kubernetes/objects";
import { configReferences } from "../../kubernetes/references";
import { workloadId } from "../../kubernetes/workload";
import type { LiveWorkload } from "../../kubernetes/workloads";

type Annotated = Pick<LiveWorkload, "annotations" | "podAnnotations">;
type Annotations = Readonly<Record<string, string>>;

const PREFIX = "reloader.stakater.com";
const KEY = /^(?:(configmap|secret)\.)?reloader\.stakater\.com\/(auto|search|reload)$/;

/** Reloader reads the annotations of the workload and, where those have none, of its pod template. */
function switches({ annotations, podAnnotations }: Annotated): [key: string, value: string][] {
  const of = (all: Annotations) => Object.entries(all).filter(([key]) => KEY.test(key));
  const own = of(annotations);
  const found = own.length > 0 ? own : of(podAnnotations);
  // Said by hand that it is not to be restarted, whatever Reloader does with all others.
  return found.filter(([, value]) => value !== "false" && value !== "");
}

/** The annotations by which Reloader restarts a workload. */
export function reloaderKeys(workload: Annotated): string[] {
  return switches(workload).map(([key]) => key);
}

/** ConfigMaps and Secrets that an upgrade changes, in any namespace; new ones are no change to who reads them. */
export function changedConfig(
  before: readonly KubeObject[],
  after: readonly KubeObject[],
  namespace: string,
): KubeObject[] {
  const key = ({ kind, metadata }: KubeObject) => `${kind} ${metadata.namespace ?? namespace}/${metadata.name ?? ""}`;
  const data = (object: KubeObject) => ["data", "binaryData", "stringData"].map((field) => dig(object, field));
  const old = new Map(before.map((object) => [key(object), object]));
  return after
    .filter((object) => {
      if (object.kind !== "ConfigMap" && object.kind !== "Secret") return false;
      const was = old.get(key(object));
      return was !== undefined && !isDeepStrictEqual(data(was), data(object));
    })
    .map((object) => ({
      ...object,
      metadata: { ...object.metadata, namespace: object.metadata.namespace ?? namespace },
    }));
}

/** What Reloader watches of these for a workload. */
function watched(workload: LiveWorkload, changes: readonly KubeObject[]): KubeObject[] {
  const read = new Set(configReferences(workload.template.spec).map(({ kind, name }) => `${kind} ${name}`));
  return changes.filter(({ kind, metadata }) => {
    if (metadata.namespace !== workload.namespace) return false;
    const annotation = (name: string) => dig(metadata, "annotations", `${PREFIX}/${name}`);
    if (annotation("ignore") === "true") return false;
    const name = metadata.name ?? "";
    return switches(workload).some(([key, value]) => {
      const [, only, what] = KEY.exec(key) ?? [];
      if (only !== undefined && only !== kind.toLowerCase()) return false;
      if (what === "reload") return value.split(",").some((one) => one.trim() === name);
      return read.has(`${kind} ${name}`) && (what === "auto" || annotation("match") === "true");
    });
  });
}

/** A workload that Reloader restarts, with why, and with what this upgrade changes of what it watches. */
export function reloaderText(workload: LiveWorkload, changes: readonly KubeObject[]): string[] {
  const keys = reloaderKeys(workload);
  if (keys.length === 0) return [];
  const now = watched(workload, changes).map(({ kind, metadata }) => `${kind} ${metadata.name ?? ""}`);
  const why = now.length === 0 ? "" : `; this upgrade changes ${now.join(", ")}`;
  return [`${workloadId(workload)} (${keys.join(", ")}${why})`];
}
