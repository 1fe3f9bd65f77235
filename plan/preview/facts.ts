import { ApiError } from "../../cluster/api";
import type { ClusterClient } from "../../cluster/connect";
import type { Redactor } from "../diff/secrets";
import { failClosed } from "../facts/fail-closed";
import { namespaceFacts } from "../facts/namespaces";
import { passwordFacts } from "../facts/passwords";
import type { RuntimeFacts } from "../facts/schema";
import { workloadFacts } from "../facts/workloads";
import { isMap, type KubeObject } from "../objects";
import type { RestartPlan } from "../restarts";
import type { ReviewInput } from "./build";

const BUDGET = { apiVersion: "policy/v1", kind: "PodDisruptionBudget" };
const AUTOSCALER = { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler" };
const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim" };
const NAMESPACE = { apiVersion: "v1", kind: "Namespace" };

/** What the release is made of after the upgrade. */
export interface RuntimeState {
  /** Its objects; those of the dry-run, which has the API server's defaults, where there was one. */
  objects: readonly KubeObject[];
  /** Ids of the workloads whose pods are replaced. */
  replaced: ReadonlySet<string>;
}

/** Reads what rules about safety need beside the release, and puts the facts together. */
export async function runtimeFacts(input: ReviewInput, state: RuntimeState, redactor: Redactor): Promise<RuntimeFacts> {
  const { client, loaded, chart, restarts } = input;
  const { config } = loaded;
  const mas = masWorkloads(restarts);
  const [beside, claims, labels] = await Promise.all([
    Promise.all([BUDGET, AUTOSCALER].map((kind) => listOr(client, kind, config.namespace))).then((lists) =>
      lists.flat(),
    ),
    listOr(client, CLAIM, config.namespace),
    namespaceLabels(client, new Set(mas.map(({ namespace }) => namespace))),
  ]);
  const names = {
    release: config.release,
    sidecarDeployment: config.restarts.sidecarDeployment ?? `${config.release}-sidecar`,
  };
  const { objects, replaced } = state;
  const workloads = workloadFacts({ objects, beside, claims, replaced, namespace: config.namespace, names, redactor });
  const needed =
    input.newRevision && input.installed !== undefined && workloads.some(({ component }) => component === "postgres");
  return {
    workloads,
    passwords: passwordFacts({
      defaults: chart.contents.defaults,
      values: loaded.values,
      secretPart: loaded.secretPart,
      rendered: chart.rendered,
    }),
    failClosed: failClosed(objects),
    namespaces: namespaceFacts(config.mode, mas, labels),
    backup: { planned: false, needed, why: needed ? "backups are switched off" : "no database changes" },
  };
}

/** All MAS workloads that somebody names and that exist, restarted or not. */
export function masWorkloads({ groups, skipped }: RestartPlan): { namespace: string }[] {
  const named = skipped
    .filter(({ reason }) => !reason.startsWith("not found"))
    .map(({ workload }) => ({ namespace: workload.split("/").at(-2) ?? "" }));
  return [...groups.flatMap(({ targets }) => targets), ...named].filter(({ namespace }) => namespace !== "");
}

/** None where the cluster does not know the kind or the user may not list it. */
async function listOr(client: ClusterClient, kind: typeof BUDGET, namespace: string): Promise<KubeObject[]> {
  try {
    if (!(await client.api.resource(kind.apiVersion, kind.kind))) return [];
    const found = (await client.api.list(kind, namespace)) as KubeObject[];
    // Items of a list come without their kind.
    return found.map((object) => ({ ...object, ...kind }));
  } catch (error) {
    if (error instanceof ApiError && (error.code === 403 || error.code === 404)) return [];
    throw error;
  }
}

/** Labels of the namespaces that may be read; one request each, or one for all when there are many. */
async function namespaceLabels(client: ClusterClient, names: ReadonlySet<string>) {
  const all =
    names.size > 5
      ? await listOr(client, NAMESPACE, "")
      : (await Promise.all([...names].map((name) => getOr(client, name)))).flat();
  return new Map(
    all.map(({ metadata }) => [metadata.name ?? "", isMap(metadata.labels) ? metadata.labels : {}] as const),
  );
}

async function getOr(client: ClusterClient, name: string): Promise<KubeObject[]> {
  try {
    return [(await client.api.get(NAMESPACE, "", name)) ?? []].flat() as KubeObject[];
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return [];
    throw error;
  }
}
