import type { ClusterClient } from "../kubernetes/connect";
import { dryRunPatch } from "../kubernetes/dry-run";
import { sample } from "../kubernetes/sample";
import { type LiveWorkload, readWorkload } from "../kubernetes/workloads";
import type { KubeObject } from "../kubernetes/objects";
import { restartPatch, rolloutPatch } from "../components/workload-restarts/restart-patch";
import type { ObjectChange } from "./report/schema";
import type { ObjectCheck } from "../kubernetes/object-check";
import { pendingGroups, type RestartPlan, type RestartTarget } from "../components/workload-restarts/restarts";
import { apiVersionOf, workloadId } from "../kubernetes/workload";

/** Workloads whose restart is tried as a dry-run; more would only load the API server to learn the same again. */
export const MOST_DRY_RUNS = 50;

/** The changes that restarting the pending MAS workloads makes. */
export async function restartChanges(
  client: ClusterClient,
  plan: RestartPlan,
  workloads: readonly LiveWorkload[],
  stamp: string,
): Promise<ObjectChange[]> {
  const pending = pendingGroups(plan).flat();
  const live = new Map(workloads.map((one) => [workloadId(one), one]));
  const asked = new Set(sample(pending, MOST_DRY_RUNS).map(workloadId));
  return Promise.all(
    pending.map(async (target): Promise<ObjectChange> => {
      const { kind, namespace, name } = target;
      const workload = live.get(workloadId(target));
      const annotations = workload?.annotations ?? {};
      const check = asked.has(workloadId(target)) ? await tryRestart(client, target, stamp) : notAsked(pending.length);
      // A workload that has the stamp already and is only not available yet is waited for, not changed.
      const { metadata, spec } = patchOf(target, stamp, target.moment ?? AT_RESTART);
      const fields =
        "template" in spec
          ? annotationChanges(TEMPLATE, workload?.podAnnotations ?? {}, spec.template.metadata.annotations)
          : fieldChange("spec.restartAt", workload?.restartAt, spec.restartAt);
      const ours = Object.entries<string>(metadata.annotations);
      const folded = ours.filter(([key, value]) => annotations[key] !== value).length;
      const common = { apiVersion: apiVersionOf(kind), kind, namespace, name, writer: "restart" as const, folded };
      return { ...common, action: "update", fields, check };
    }),
  ).then((changes) => changes.filter(({ fields }) => fields.length > 0));
}

const TEMPLATE = "spec.template.metadata";
/** Known only once it comes. */
const AT_RESTART = "the time of its restart";

function patchOf(target: RestartTarget, stamp: string, restartAt: string) {
  return target.kind === "Rollout" ? rolloutPatch(stamp, target, restartAt) : restartPatch(stamp, target);
}

function annotationChanges(
  at: string,
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): ObjectChange["fields"] {
  return Object.entries(after).flatMap(([key, value]) =>
    fieldChange(`${at}.annotations["${key}"]`, before[key], value),
  );
}

function fieldChange(path: string, before: string | undefined, after: string): ObjectChange["fields"] {
  if (before === after) return [];
  return [
    {
      path,
      ...(before === undefined ? {} : { before: JSON.stringify(before) }),
      after: JSON.stringify(after),
      cause: "chart",
    },
  ];
}

async function tryRestart(client: ClusterClient, target: RestartTarget, stamp: string): Promise<ObjectCheck> {
  const { kind, namespace, name } = target;
  const object: KubeObject = { apiVersion: apiVersionOf(kind), kind, metadata: { namespace, name } };
  const body = patchOf(target, stamp, target.moment ?? new Date().toISOString());
  const { check } = await dryRunPatch(client, object, namespace, { body });
  const isGone = check.result === "rejected" && (await readWorkload(client, target)) === undefined;
  return isGone ? { result: "unchecked", message: "it was deleted while the review was made" } : check;
}

function notAsked(total: number): ObjectCheck {
  return { result: "unchecked", message: `one of ${total} restarts; ${MOST_DRY_RUNS} of them were tried as a dry-run` };
}
