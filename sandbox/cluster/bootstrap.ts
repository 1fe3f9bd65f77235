import { setTimeout as sleep } from "node:timers/promises";
import execa from "execa";
import { stringify } from "yaml";
import { z } from "zod";

/** How long a new cluster may take to become usable after its API server answers, in milliseconds. */
const READY_MS = 60_000;

function node(name: string): object {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      annotations: { "kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0" },
      labels: {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node-role.kubernetes.io/worker": "",
      },
    },
  };
}

/** Stand-in for a CRD of Istio: the kind exists and takes any content, nothing acts on it. */
function istioCrd(group: string, version: string, kind: string): object {
  const singular = kind.toLowerCase();
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${singular}s.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind, listKind: `${kind}List`, plural: `${singular}s`, singular },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
        },
      ],
    },
  };
}

/** What a fresh cluster needs before it resembles the one of a CASA user. */
function objects(nodes: number): object[] {
  return [
    ...Array.from({ length: nodes }, (_, index) => node(`node-${index + 1}`)),
    {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: "standard", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
      provisioner: "kubernetes.io/host-path",
      reclaimPolicy: "Delete",
      volumeBindingMode: "Immediate",
    },
    istioCrd("networking.istio.io", "v1alpha3", "EnvoyFilter"),
    istioCrd("extensions.istio.io", "v1alpha1", "WasmPlugin"),
  ];
}

const ListSchema = z.object({
  items: z.array(
    z.object({
      kind: z.string(),
      metadata: z.object({ name: z.string(), namespace: z.string().optional() }),
      spec: z.object({ taints: z.array(z.unknown()).optional() }).optional(),
      status: z
        .object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).nullish() })
        .optional(),
    }),
  ),
});
type Listed = z.infer<typeof ListSchema>["items"];

/** What a listing of nodes, service accounts and CRDs still lacks; empty when pods can be created and scheduled. */
export function notReady(listed: Listed, nodes: number): string[] {
  const holds = (item: Listed[number], type: string) =>
    item.status?.conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;
  const readyNodes = listed.filter(
    (item) => item.kind === "Node" && holds(item, "Ready") && !item.spec?.taints?.length,
  );
  const missing: string[] = [];
  if (readyNodes.length < nodes) missing.push(`${readyNodes.length} of ${nodes} nodes ready`);
  if (!listed.some((item) => item.kind === "ServiceAccount" && item.metadata.namespace === "default")) {
    missing.push("no service account in namespace default");
  }
  for (const item of listed) {
    if (item.kind === "CustomResourceDefinition" && !holds(item, "Established")) {
      missing.push(`${item.metadata.name} not established`);
    }
  }
  return missing;
}

/**
 * Creates nodes, the default storage class and Istio's kinds, and waits until pods can be scheduled.
 * @throws when that takes longer than a minute, saying what is missing.
 */
export async function bootstrap(kubectl: string, kubeconfig: string, nodes: number): Promise<void> {
  const run = (args: string[], input?: string) => execa(kubectl, ["--kubeconfig", kubeconfig, ...args], { input });
  await run(
    ["create", "-f", "-"],
    objects(nodes)
      .map((object) => stringify(object))
      .join("---\n"),
  );
  const deadline = Date.now() + READY_MS;
  for (;;) {
    const { stdout } = await run(["get", "nodes,serviceaccounts,customresourcedefinitions", "-A", "-o", "json"]);
    const missing = notReady(ListSchema.parse(JSON.parse(stdout)).items, nodes);
    if (missing.length === 0) return;
    if (Date.now() > deadline)
      throw new Error(`the cluster is not ready after ${READY_MS / 1000} s: ${missing.join(", ")}`);
    await sleep(100);
  }
}
