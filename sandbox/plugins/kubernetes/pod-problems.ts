import { z } from "zod";
import type { ProviderApi } from "./api";
import { type KubeObject, objectId } from "./objects";

/** Most pods named for one workload: the rest fail for the same reason. */
const MAX_PODS = 5;

const selecting = z.looseObject({
  spec: z.looseObject({
    selector: z.looseObject({ matchLabels: z.record(z.string(), z.string()).default({}) }).optional(),
  }),
});
const ending = z.looseObject({ exitCode: z.number().optional(), reason: z.string().optional() });
const container = z.looseObject({
  name: z.string(),
  ready: z.boolean().default(false),
  restartCount: z.number().default(0),
  state: z
    .looseObject({
      waiting: z.looseObject({ reason: z.string().default(""), message: z.string().default("") }).optional(),
      terminated: ending.optional(),
    })
    .default({}),
  lastState: z.looseObject({ terminated: ending.optional() }).default({}),
});
const podSchema = z.looseObject({
  status: z
    .looseObject({
      phase: z.string().default("Pending"),
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.string(), message: z.string().default("") }))
        .default([]),
      containerStatuses: z.array(container).default([]),
      initContainerStatuses: z.array(container).default([]),
    })
    .default({ phase: "Pending", conditions: [], containerStatuses: [], initContainerStatuses: [] }),
});

/** Why the pods of a workload (or a pod itself) are not ready, one line each, as their containers say it. */
export async function podProblems(api: ProviderApi, live: KubeObject, namespace: string): Promise<string[]> {
  if (live.kind === "Pod") return problemsOfPod(live);
  if (live.kind !== "Deployment" && live.kind !== "StatefulSet") return [];
  const selector = Object.entries(selecting.parse(live).spec.selector?.matchLabels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  if (selector === "") return [];
  const pods = await api.objects({ apiVersion: "v1", kind: "Pod" }, namespace, selector);
  return pods
    .filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .map(problemsOfPod)
    .filter((problems) => problems.length > 0)
    .slice(0, MAX_PODS)
    .flat();
}

function problemsOfPod(object: KubeObject): string[] {
  const { status } = podSchema.parse(object);
  const unready = [...status.initContainerStatuses, ...status.containerStatuses].filter(
    ({ ready, state }) => !ready && state.terminated?.exitCode !== 0,
  );
  const unscheduled = status.conditions.find(({ type, status: value }) => type === "PodScheduled" && value === "False");
  const unmet = status.conditions.find(({ type, status: value }) => type === "Ready" && value === "False");
  const name = `Pod "${objectId(object)}"`;
  if (unscheduled) return [`${name} is not scheduled: ${unscheduled.message}`];
  if (unready.length > 0) return unready.map((each) => `${name}, container ${each.name}: ${describe(each)}`);
  return unmet ? [`${name} is not ready: phase ${status.phase} ${unmet.message}`.trimEnd()] : [];
}

function describe({ state, lastState, restartCount }: z.infer<typeof container>): string {
  const parts = [state.waiting ? `${state.waiting.reason} ${state.waiting.message}`.trim() : "not ready"];
  const ended = state.terminated ?? lastState.terminated;
  if (restartCount > 0) parts.push(`restarted ${restartCount} times`);
  if (ended)
    parts.push(`last ended with exit code ${ended.exitCode ?? "?"}${ended.reason ? ` (${ended.reason})` : ""}`);
  return parts.join(", ");
}
