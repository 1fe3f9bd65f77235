import { createHash } from "node:crypto";
import type { ClaimDestination } from "./destination";

/** Where the claim is mounted; commands start there, so they name files by relative paths. */
export const MOUNT = "/backup";
/** Name of the helper's only container. */
export const CONTAINER = "casa-upgrade-backup";
/**
 * Owner and group of what is written: the same in every run, so that each can read and remove what earlier ones wrote.
 */
export const FILE_OWNER = 65532;
/** Tells the helper pods of one stack, release and purpose apart from all others. */
export const OWNER_LABEL = "casa-upgrade.dev/backup-helper";

/** Whose helper pod it is. */
export interface HelperOwner {
  stack: string;
  release: string;
  /**
   * A backup may remove what an earlier one left (the engine runs one at a time), never what a restore works with.
   * `proof`: a throw-away server that a backup is tried on.
   */
  purpose: "backup" | "restore" | "proof";
}

/** Value of {@link OWNER_LABEL}; a hash, because a label's value is shorter than a stack's name may be. */
export function ownerHash({ stack, release, purpose }: HelperOwner): string {
  return `${purpose}-${createHash("sha256")
    .update(JSON.stringify([stack, release]))
    .digest("hex")
    .slice(0, 16)}`;
}

/**
 * A pod that does nothing until it is told to by `kubectl exec`, and ends by itself.
 *
 * @param app     its `app.kubernetes.io/name`.
 * @param seconds after which it ends.
 * @param spec    what only this one has.
 */
export function idlePod<Spec extends object>(
  namespace: string,
  app: string,
  owner: HelperOwner,
  seconds: number,
  spec: Spec,
) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: `casa-upgrade-${owner.purpose}-`,
      namespace,
      labels: {
        "app.kubernetes.io/name": app,
        "app.kubernetes.io/managed-by": "casa-upgrade",
        [OWNER_LABEL]: ownerHash(owner),
        // It needs no network, and a proxy beside it would not let it come to its end.
        "sidecar.istio.io/inject": "false",
      },
    },
    spec: {
      restartPolicy: "Never",
      activeDeadlineSeconds: seconds,
      // `sleep` as first process takes no notice of being asked to end.
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...spec,
    },
  };
}

/**
 * A pod that mounts the claim and does nothing until it is told to by `kubectl exec`. Fit for namespaces under the
 * strictest Pod Security Standard and with quotas; ends by itself, so that a run that was killed blocks the claim for a
 * while only.
 *
 * @param seconds after which it ends by itself.
 */
export function helperPod(to: ClaimDestination, owner: HelperOwner, seconds: number) {
  return idlePod(to.namespace, "casa-upgrade-backup-helper", owner, seconds, {
    nodeSelector: { "kubernetes.io/os": "linux" },
    securityContext: {
      runAsNonRoot: true,
      runAsUser: FILE_OWNER,
      runAsGroup: FILE_OWNER,
      fsGroup: FILE_OWNER,
      // Else the kubelet goes through every file of the volume before each start.
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: CONTAINER,
        image: to.image,
        command: ["sleep", `${seconds}`],
        workingDir: MOUNT,
        resources: {
          requests: { cpu: "50m", memory: "32Mi" },
          limits: { cpu: "1", memory: "256Mi" },
        },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        volumeMounts: [{ name: "backup", mountPath: MOUNT }],
      },
    ],
    volumes: [{ name: "backup", persistentVolumeClaim: { claimName: to.claim } }],
  });
}

/** Reasons why a container does not start that waiting does not change. */
const HOPELESS =
  /^(InvalidImageName|ErrImageNeverPull|CreateContainerConfigError|CreateContainerError|RunContainerError)$/;

/** What of a pod's status says whether it can be used. */
export interface HelperStatus {
  phase: string;
  conditions?: readonly { type: string; status: string }[] | null;
  containerStatuses?: readonly { state?: { waiting?: { reason?: string } | null } | null }[] | null;
}

/** Whether a pod has come to its end, by itself or by the kubelet; it takes no commands any more. */
export const hasEnded = ({ phase }: Pick<HelperStatus, "phase">) => ["Failed", "Succeeded"].includes(phase);

/** Whether a helper pod can be used, may be usable later, or never will be. */
export function helperState(status: HelperStatus): "ready" | "waiting" | "hopeless" {
  if (hasEnded(status)) return "hopeless";
  const stuck = (status.containerStatuses ?? []).some(({ state }) => HOPELESS.test(state?.waiting?.reason ?? ""));
  if (stuck) return "hopeless";
  const ready = (status.conditions ?? []).some(({ type, status: value }) => type === "Ready" && value === "True");
  return ready ? "ready" : "waiting";
}
