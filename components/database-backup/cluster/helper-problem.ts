import { UserError } from "../../../shared/user-error";
import type { ClaimDestination } from "../destination";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import {
  containersToShow,
  containerState,
  eventSchema,
  eventsToShow,
  oneLine,
  podState,
} from "../../../diagnosis/explanation";
import { type LivePod } from "../../../kubernetes/pods";

/** A claim as it is named in messages. */
export const claimId = ({ namespace, claim }: ClaimDestination) => `${namespace}/${claim}`;

/** A refusal of the API server to create the pod, in the user's words; anything else as it is. */
export function createRefusal(to: ClaimDestination, error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  return new UserError(
    "backup",
    `the helper pod that mounts PersistentVolumeClaim ${claimId(to)} may not be created: ${oneLine(error.message)}`,
    `let a small pod run in namespace ${to.namespace} (quota, Pod Security, admission webhook), or choose another ` +
      "place: pulumi config set --path backup.destination",
  );
}

/**
 * Why a helper pod could not be used in time, by what the cluster says of it.
 *
 * @param pod undefined when it is gone.
 */
export async function notStarted(
  client: ClusterClient,
  to: ClaimDestination,
  name: string,
  pod: LivePod | undefined,
  seconds: number,
): Promise<UserError> {
  const { claim, namespace } = to;
  const events = pod
    ? await client.list({ apiVersion: "v1", kind: "Event" }, namespace, eventSchema).catch(() => [])
    : [];
  const about = pod
    ? [
        podState(pod),
        ...containersToShow(pod).map(containerState),
        ...eventsToShow(events, { kind: "Pod", name }, [pod]).map((event) => `event ${event}`),
      ]
    : ["it was deleted"];
  const lines = about.map((line) => `\n    ${oneLine(line)}`).join("");
  return new UserError(
    "backup",
    `the helper pod that mounts PersistentVolumeClaim ${claimId(to)} does not start (it has ${seconds} s):${lines}`,
    "a claim that is ReadWriteOnce and in use on another node cannot be mounted (use ReadWriteMany, or free it: kubectl " +
      `--context ${client.context} --namespace ${namespace} describe pvc ${claim}); an image that cannot be pulled needs ` +
      "a mirror: pulumi config set --path backup.pvcImage <image>",
  );
}
