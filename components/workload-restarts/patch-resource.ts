import { DaemonSetPatch } from "@pulumi/kubernetes/apps/v1/daemonSetPatch";
import { DeploymentPatch } from "@pulumi/kubernetes/apps/v1/deploymentPatch";
import { StatefulSetPatch } from "@pulumi/kubernetes/apps/v1/statefulSetPatch";
import { CustomResourcePatch } from "@pulumi/kubernetes/apiextensions/customResourcePatch";
import * as pulumi from "@pulumi/pulumi";
import { apiVersionOf } from "../../kubernetes/workload";
import { type adoptedPatch, type restartPatch, rolloutPatch } from "./restart-patch";
import type { RestartTarget } from "./restarts";

/** Restarts an Argo Rollout by its own field. */
export function restartRollout(
  name: string,
  target: RestartTarget,
  stamp: string,
  moment: pulumi.Input<string>,
  opts: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const { metadata, spec } = rolloutPatch(stamp, target, moment);
  const args = {
    ...{ apiVersion: apiVersionOf(target.kind), kind: target.kind, spec },
    metadata: { ...metadata, name: target.name, namespace: target.namespace },
  };
  // A user may restart it, too, later: nothing to do for one that is done.
  return new CustomResourcePatch(name, args, { ...opts, ignoreChanges: target.done ? ["metadata", "spec"] : [] });
}

type Patch = ReturnType<typeof restartPatch> | ReturnType<typeof adoptedPatch>;

/** Writes a patch to a workload of any other kind. */
export function patchResource(
  name: string,
  kind: Exclude<RestartTarget["kind"], "Rollout">,
  target: RestartTarget,
  patch: pulumi.Input<Patch>,
  opts: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const { name: at, namespace } = target;
  const args = pulumi.Output.isInstance(patch)
    ? {
        metadata: patch.apply(({ metadata }) => ({ ...metadata, name: at, namespace })),
        spec: patch.apply(({ spec }) => spec ?? {}),
      }
    : undefined;
  const plain = patch as Patch;
  const written = args ?? { metadata: { ...plain.metadata, name: at, namespace }, spec: plain.spec };
  switch (kind) {
    case "Deployment":
      return new DeploymentPatch(name, written, opts);
    case "StatefulSet":
      return new StatefulSetPatch(name, written, opts);
    case "DaemonSet":
      return new DaemonSetPatch(name, written, opts);
  }
}
