import { z } from "zod";
import { type HelperOwner, idlePod } from "./helper-pod-spec";

/** Name of the throw-away server's only container. */
export const PROOF_CONTAINER = "casa-upgrade-proof";
/** Folder of the pod in which the throw-away servers work. */
export const PROOF_FOLDER = "/casa-upgrade-proof";

const loose = z.record(z.string(), z.unknown());

/** The pod of a database server, as far as a throw-away server is made like it. */
export const serverPodSchema = z.looseObject({
  spec: z.looseObject({
    containers: z.array(z.looseObject({ name: z.string(), image: z.string(), securityContext: loose.nullish() })),
    securityContext: loose.nullish(),
    imagePullSecrets: z.array(loose).nullish(),
    serviceAccountName: z.string().nullish(),
    nodeSelector: loose.nullish(),
    tolerations: z.array(loose).nullish(),
    runtimeClassName: z.string().nullish(),
  }),
});
export type ServerPod = z.infer<typeof serverPodSchema>;

/** Whose throw-away server it is; `server` tells several of one run apart. */
export const proofOwner = (owner: Omit<HelperOwner, "purpose">): HelperOwner => ({ ...owner, purpose: "proof" });

/**
 * A pod of the server's own image that may do what the server's pod may, with nothing of its environment, volumes or
 * labels: no Service finds it, no password is in it, and the data is in a folder that goes with it. It does nothing
 * until it is told to by `kubectl exec`, and ends by itself.
 *
 * @param seconds after which it ends by itself.
 */
export function proofPod(
  { spec }: ServerPod,
  container: string,
  namespace: string,
  owner: HelperOwner,
  seconds: number,
) {
  const like = spec.containers.find(({ name }) => name === container);
  return idlePod(namespace, "casa-upgrade-backup-proof", owner, seconds, {
    ...known("serviceAccountName", spec.serviceAccountName),
    ...known("imagePullSecrets", spec.imagePullSecrets),
    ...known("nodeSelector", spec.nodeSelector),
    ...known("tolerations", spec.tolerations),
    ...known("runtimeClassName", spec.runtimeClassName),
    ...known("securityContext", spec.securityContext),
    containers: [
      {
        name: PROOF_CONTAINER,
        image: imageOf({ spec }, container),
        imagePullPolicy: "IfNotPresent",
        command: ["sleep", `${seconds}`],
        // Commands start there, so they name their folder by a relative path.
        workingDir: PROOF_FOLDER,
        resources: {
          requests: { cpu: "100m", memory: "256Mi" },
          limits: { cpu: "2", memory: "1Gi" },
        },
        ...known("securityContext", like?.securityContext),
        volumeMounts: [{ name: "proof", mountPath: PROOF_FOLDER }],
      },
    ],
    volumes: [{ name: "proof", emptyDir: {} }],
  });
}

/** The server's image, as its pod has it. */
export const imageOf = ({ spec }: ServerPod, container: string): string =>
  spec.containers.find(({ name }) => name === container)?.image ?? "";

function known<K extends string, V>(key: K, value: V | null | undefined): Partial<Record<K, V>> {
  return value === null || value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}
