import * as k8s from "@kubernetes/client-node";

/**
 * What a kubelet and a container runtime would do for some simulated pods: their own logs, a server behind their ports,
 * and for PostgreSQL pods their container's environment in `kubectl exec`, with the role and database that the image's
 * start-up makes.
 */
export interface PodServices {
  /** Folder of the cluster. */
  dir: string;
  kubeconfig: k8s.KubeConfig;
  /** How `psql` reaches the cluster's PostgreSQL server; undefined when there is none. */
  postgresEnv?: Record<string, string>;
  log(text: string): void;
}

const KWOK = { group: "kwok.x-k8s.io", version: "v1alpha1" };

const PLURAL = { Logs: "logs", Exec: "execs", PortForward: "portforwards" } as const;

/** Creates a kwok object named like the pod and owned by it, so that it goes when the pod goes. */
export async function createFor(
  services: PodServices,
  pod: k8s.V1Pod,
  kind: keyof typeof PLURAL,
  spec: object,
): Promise<void> {
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  const api = services.kubeconfig.makeApiClient(k8s.CustomObjectsApi);
  const body = {
    apiVersion: `${KWOK.group}/${KWOK.version}`,
    kind,
    metadata: { name, namespace, ownerReferences: [{ apiVersion: "v1", kind: "Pod", name, uid }] },
    spec,
  };
  try {
    await api.createNamespacedCustomObject({ ...KWOK, namespace, plural: PLURAL[kind], body });
  } catch (error) {
    // A pod of a StatefulSet comes back under its name; its kwok objects fit it too.
    if (!(error instanceof k8s.ApiException && error.code === 409)) throw error;
  }
}

/** The environment of a container, with values from Secrets and ConfigMaps of its namespace. */
export async function containerEnvironment(
  services: PodServices,
  namespace: string,
  container: k8s.V1Container,
): Promise<Record<string, string>> {
  const api = services.kubeconfig.makeApiClient(k8s.CoreV1Api);
  const result: Record<string, string> = {};
  for (const { name, value, valueFrom } of container.env ?? []) {
    const secret = valueFrom?.secretKeyRef;
    const config = valueFrom?.configMapKeyRef;
    if (secret?.name) {
      const { data } = await api.readNamespacedSecret({ namespace, name: secret.name });
      result[name] = Buffer.from(data?.[secret.key] ?? "", "base64").toString();
    } else if (config?.name) {
      result[name] = (await api.readNamespacedConfigMap({ namespace, name: config.name })).data?.[config.key] ?? "";
    } else if (value !== undefined) {
      result[name] = value;
    }
  }
  return result;
}
