import { shellWord } from "../../shared/shell-word";

/** What controls pods, or a workload. */
export interface Controller {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Any annotation of the pods will do, with another value each time. */
const ANNOTATIONS = { "casa-upgrade.dev/restarted-by-hand": "<now>" };

/** How those are restarted whose own field for it is known, by group and kind. */
const BY_TEMPLATE: Readonly<Record<string, { resource: string; path: readonly string[] }>> = {
  "apps.kruise.io/CloneSet": { resource: "clonesets.apps.kruise.io", path: ["spec", "template", "metadata"] },
  "apps.kruise.io/StatefulSet": { resource: "statefulsets.apps.kruise.io", path: ["spec", "template", "metadata"] },
  "apps.kruise.io/DaemonSet": { resource: "daemonsets.apps.kruise.io", path: ["spec", "template", "metadata"] },
  "serving.knative.dev/Service": { resource: "services.serving.knative.dev", path: ["spec", "template", "metadata"] },
  "serving.kserve.io/InferenceService": {
    resource: "inferenceservices.serving.kserve.io",
    path: ["spec", "predictor"],
  },
  "leaderworkerset.x-k8s.io/LeaderWorkerSet": {
    resource: "leaderworkersets.leaderworkerset.x-k8s.io",
    path: ["spec", "leaderWorkerTemplate", "workerTemplate", "metadata"],
  },
};

/** How what controls pods is restarted through its own means, as a command line or in words. */
export function restartOf({ apiVersion, kind, namespace, name }: Controller): string {
  const group = apiVersion.replace(/\/?[^/]*$/, "");
  const at = `${shellWord(name)} --namespace ${shellWord(namespace)}`;
  const known = BY_TEMPLATE[`${group}/${kind}`];
  if (known) {
    const patch = [...known.path, "annotations"].reduceRight<object>((inner, key) => ({ [key]: inner }), ANNOTATIONS);
    return `kubectl patch ${known.resource} ${at} --type merge --patch ${shellWord(JSON.stringify(patch))}`;
  }
  if (group === "core.strimzi.io" && kind === "StrimziPodSet") {
    return `kubectl annotate strimzipodsets.core.strimzi.io ${at} strimzi.io/manual-rolling-update=true`;
  }
  // A Service of Knative makes the Revision whose Deployment it is; a Revision itself never changes.
  if (group === "serving.knative.dev") return "deploy a new revision of the Knative Service that it belongs to";
  return `restart it through the ${kind} ${name} (${apiVersion})`;
}
