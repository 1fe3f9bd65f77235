import type { ClusterClient } from "../kubernetes/connect";
import { sidecarDeploymentOf } from "../config/config";
import type { Redactor } from "../kubernetes/redact";
import { failClosed, failOpen } from "./facts/fail-closed";
import { namespaceFacts } from "./facts/namespaces";
import { passwordFacts } from "./facts/passwords";
import type { RuntimeFacts } from "./facts/schema";
import { jobFacts, workloadFacts } from "./facts/workloads";
import { isMap, type KubeObject } from "../kubernetes/objects";
import type { RestartPlan } from "../components/workload-restarts/restarts";
import type { ReviewInput } from "./input";
import { isPartOfUpgrade } from "./hooks";
import { listIfAllowed, noneIfForbidden } from "./pods";

const BUDGET = { apiVersion: "policy/v1", kind: "PodDisruptionBudget" };
export const AUTOSCALER = { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler" };
const NAMESPACE = { apiVersion: "v1", kind: "Namespace" };

/** What the release is made of after the upgrade. */
export interface RuntimeState {
  /** Its objects; those of the dry-run, which has the API server's defaults, where there was one. */
  objects: readonly KubeObject[];
  /** Ids of the workloads whose pods are replaced. */
  replaced: ReadonlySet<string>;
  /** Live PersistentVolumeClaims of its namespace. */
  claims: readonly KubeObject[];
  /** Live HorizontalPodAutoscalers of its namespace. */
  autoscalers: readonly KubeObject[];
}

/** Reads what rules about safety need beside the release, and puts the facts together. */
export async function runtimeFacts(input: ReviewInput, state: RuntimeState, redactor: Redactor): Promise<RuntimeFacts> {
  const { client, loaded, chart, restarts } = input;
  const { config } = loaded;
  const mas = masWorkloads(restarts);
  const [budgets, labels] = await Promise.all([
    listIfAllowed(client, BUDGET, config.namespace),
    namespaceLabels(client, new Set(mas.map(({ namespace }) => namespace))),
  ]);
  const beside = [...budgets, ...state.autoscalers];
  const names = { release: config.release, sidecarDeployment: sidecarDeploymentOf(config) };
  const { objects, replaced, claims } = state;
  const workloads = workloadFacts({ objects, beside, claims, replaced, namespace: config.namespace, names, redactor });
  const needed =
    input.newRevision && input.installed !== undefined && workloads.some(({ component }) => component === "postgres");
  return {
    workloads,
    jobs: jobFacts([...objects, ...chart.hooks.filter(isPartOfUpgrade)], config.namespace, redactor),
    passwords: passwordFacts({
      defaults: chart.contents.defaults,
      values: loaded.values,
      secretPart: loaded.secretPart,
      rendered: chart.rendered,
    }),
    failClosed: failClosed(objects),
    failOpen: failOpen(objects),
    namespaces: namespaceFacts({
      mode: config.mode,
      webhook: config.webhook,
      mas,
      labels,
      workloads: input.workloads,
      injection: input.injection,
    }),
    backup: { planned: false, needed, why: needed ? "backups are switched off" : "no database changes", missing: [] },
  };
}

/** All MAS workloads that somebody names and that exist, restarted or not. */
export function masWorkloads({ groups, skipped }: RestartPlan): { namespace: string }[] {
  const named = skipped
    .filter(({ why }) => why.code !== "not-found")
    .map(({ workload }) => ({ namespace: workload.split("/").at(-2) ?? "" }));
  return [...groups.flatMap(({ targets }) => targets), ...named].filter(({ namespace }) => namespace !== "");
}

/** Labels of the namespaces that may be read; one request each, or one for all when there are many. */
async function namespaceLabels(client: ClusterClient, names: ReadonlySet<string>) {
  const all =
    names.size > 5
      ? await listIfAllowed(client, NAMESPACE, "")
      : (await Promise.all([...names].map((name) => getIfAllowed(client, name)))).flat();
  return new Map(
    all.map(({ metadata }) => [metadata.name ?? "", isMap(metadata.labels) ? metadata.labels : {}] as const),
  );
}

async function getIfAllowed(client: ClusterClient, name: string): Promise<KubeObject[]> {
  return [(await client.api.get(NAMESPACE, "", name).catch(noneIfForbidden)) ?? []].flat() as KubeObject[];
}
