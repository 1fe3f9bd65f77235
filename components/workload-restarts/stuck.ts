import type { RunningPod } from "../../kubernetes/running-pods";
import type { LiveWorkload } from "../../kubernetes/workloads";

/** Why a restart does not go on; `hopeless`: nothing but another template helps. */
export interface Stuck {
  readonly why: string;
  readonly hopeless: boolean;
  /** How long it must stay so before it counts, in seconds; undefined: some seconds. */
  readonly patience?: number;
}

/** Reasons of a waiting container that no waiting mends. */
const HOPELESS = new Set(["InvalidImageName", "ErrImageNeverPull"]);
/** Kubelets try again after 10 s, 20 s and 40 s: a registry that fails for a moment has two of these. */
const PULL_SECONDS = 45;
/** What registries say of an image that is not there, or not for this user: trying again does not help. */
const NOT_THERE = /not found|manifest unknown|unauthorized|denied|does not exist|authentication required|invalid/i;
/** Reasons that a slow registry or a Secret on its way may mend within moments. */
const PERSISTENT = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "RegistryUnavailable",
  "CreateContainerConfigError",
  "CreateContainerError",
]);

/**
 * What keeps a restart from going on, as far as the cluster says: pods that cannot be created (quota, admission),
 * images that cannot be pulled, a deadline that is over. Undefined while waiting may help.
 *
 * @param failures conditions of the workload that name a failure, `Type: Reason message`.
 * @param pods those of the restart.
 * @param refused why its controller could not create a pod, or may not take an old one away.
 */
export function stuckOf(failures: readonly string[], pods: readonly RunningPod[], refused?: string): Stuck | undefined {
  const deadline = failures.find((failure) => failure.startsWith("Progressing: ProgressDeadlineExceeded"));
  if (deadline !== undefined) return { why: deadline, hopeless: true };
  const waiting = pods.flatMap(({ name, waiting: of }) => of.map((one) => ({ ...one, pod: name })));
  for (const reasons of [HOPELESS, PERSISTENT]) {
    const found = waiting.find(({ reason }) => reasons.has(reason));
    if (!found) continue;
    const message = found.message === "" ? "" : ` ${found.message}`;
    const pulls = /Pull|Registry/.test(found.reason) && !NOT_THERE.test(found.message);
    return {
      why: `pod ${found.pod}, container ${found.container}: ${found.reason}${message}`,
      hopeless: reasons === HOPELESS,
      ...(pulls && reasons === PERSISTENT ? { patience: PULL_SECONDS } : {}),
    };
  }
  const creation = failures.find((failure) => failure.startsWith("ReplicaFailure")) ?? refused;
  // A webhook that does not answer may come back, and until then no pod comes without what it injects.
  if (creation === undefined || creation.includes("failed calling webhook")) return undefined;
  return { why: creation, hopeless: false };
}

/**
 * A StatefulSet whose pods are replaced in order waits for one that does not get ready, also when that is of the old
 * template and the new one would mend it (kubernetes/kubernetes#67250): only its deletion helps.
 */
export function brokenInOrder(
  live: Pick<LiveWorkload, "kind" | "inOrder">,
  old: readonly RunningPod[],
): Stuck | undefined {
  if (!live.inOrder) return undefined;
  const broken = old.find(({ ready, restarts, waiting }) => !ready && (restarts > 0 || waiting.length > 0));
  if (broken === undefined) return undefined;
  const { namespace, name, waiting } = broken;
  const how = waiting[0] ? ` (${waiting[0].reason})` : "";
  const why =
    `pod ${name} of the old template is not ready${how}, and its controller replaces no pod before it is; ` +
    `delete it: kubectl delete pod ${name} --namespace ${namespace}`;
  return { why, hopeless: false };
}
