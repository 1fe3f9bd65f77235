import type { RunningPod } from "../../kubernetes/running-pods";

/** Why a restart does not go on; `hopeless`: nothing but another template helps. */
export interface Stuck {
  readonly why: string;
  readonly hopeless: boolean;
}

/** Reasons of a waiting container that no waiting mends. */
const HOPELESS = new Set(["InvalidImageName", "ErrImageNeverPull"]);
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
    return {
      why: `pod ${found.pod}, container ${found.container}: ${found.reason}${message}`,
      hopeless: reasons === HOPELESS,
    };
  }
  const creation = failures.find((failure) => failure.startsWith("ReplicaFailure")) ?? refused;
  // A webhook that does not answer may come back, and until then no pod comes without what it injects.
  if (creation === undefined || creation.includes("failed calling webhook")) return undefined;
  return { why: creation, hopeless: false };
}
