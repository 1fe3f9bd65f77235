import { UserError } from "../../../shared/user-error";
import { explainClaimFailure } from "../claim";
import type { ClaimDestination } from "../destination";
import { CONTAINER, helperPod, type HelperOwner } from "../helper-pod-spec";
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
import type { HelperKind } from "./helper-pod";

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

/** The pod that mounts a claim. */
export function claimHelper(to: ClaimDestination, owner: HelperOwner): HelperKind {
  const { claim, namespace } = to;
  const what = `the helper pod that mounts PersistentVolumeClaim ${claimId(to)}`;
  return {
    namespace,
    container: CONTAINER,
    pod: (seconds) => helperPod(to, owner, seconds),
    refused: (error) => createRefusal(to, error),
    notStarted: async (client, name, pod, seconds) =>
      new UserError(
        "backup",
        `${what} does not start (it has ${seconds} s):${await stateLines(client, namespace, name, pod)}`,
        "a claim that is ReadWriteOnce and in use on another node cannot be mounted (use ReadWriteMany, or free it: kubectl " +
          `--context ${client.context} --namespace ${namespace} describe pvc ${claim}); an image that cannot be pulled needs ` +
          "a mirror: pulumi config set --path backup.pvcImage <image>",
      ),
    useless: (said) => {
      const { why, fix } = explainClaimFailure(to, said);
      return new UserError(
        "backup",
        `the helper pod of PersistentVolumeClaim ${claimId(to)} cannot be used: ${why}`,
        fix,
      );
    },
  };
}

/** What the cluster says of a pod that does not start, each thing on a line of its own. */
export async function stateLines(
  client: ClusterClient,
  namespace: string,
  name: string,
  pod: LivePod | undefined,
): Promise<string> {
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
  return about.map((line) => `\n    ${oneLine(line)}`).join("");
}
