import * as path from "node:path";
import { stringify } from "yaml";

import { CONTAINER } from "../../components/database-backup/helper-pod-spec";
import { PROOF_CONTAINER } from "../../components/database-backup/proof-pod-spec";
import { proofDir } from "../postgres";
import type { Tools } from "../tools";
import { podStages } from "./stages";

/** The loopback ports of one cluster. */
export interface Ports {
  etcd: number;
  etcdPeer: number;
  apiServer: number;
  controllerManager: number;
  scheduler: number;
  kwok: number;
}

/** Where `kubectl logs` finds the output of pods that name no file of their own, in the CRI log format. */
export const defaultLogFile = (dir: string) => path.join(dir, "pod-logs", "default.log");

/** What `kubectl exec` into the helper pod of a backup finds in its PersistentVolumeClaim. */
export const volumeDir = (dir: string) => path.join(dir, "volume");

const args = (values: Record<string, string>) => Object.entries(values).map(([key, value]) => ({ key, value }));

/** The configuration file for `kwokctl create cluster`, several YAML documents. */
export function kwokctlConfig(
  tools: Tools,
  dir: string,
  ports: Ports,
  execEnv: Record<string, string>,
  storageMigration = false,
): string {
  const documents = [
    {
      apiVersion: "config.kwok.x-k8s.io/v1alpha1",
      kind: "KwokctlConfiguration",
      options: {
        runtime: "binary",
        bindAddress: "127.0.0.1",
        etcdBinary: tools.path("etcd"),
        kubeApiserverBinary: tools.path("kube-apiserver"),
        kubeControllerManagerBinary: tools.path("kube-controller-manager"),
        kubeSchedulerBinary: tools.path("kube-scheduler"),
        kwokControllerBinary: tools.path("kwok"),
        kubectlBinary: tools.path("kubectl"),
        etcdPort: ports.etcd,
        etcdPeerPort: ports.etcdPeer,
        kubeApiserverPort: ports.apiServer,
        kubeControllerManagerPort: ports.controllerManager,
        kubeSchedulerPort: ports.scheduler,
        kwokControllerPort: ports.kwok,
        // Client-side throttling would slow roll-outs in a way no real cluster of this size does.
        disableQPSLimits: true,
        // Per-pod objects; the cluster-wide defaults below stay in force for all other pods.
        enableCRDs: ["Logs", "Exec", "PortForward"],
        ...(storageMigration
          ? {
              kubeFeatureGates: "StorageVersionMigrator=true,InformerResourceVersion=true",
              kubeRuntimeConfig: "storagemigration.k8s.io/v1alpha1=true",
            }
          : {}),
      },
      componentsPatches: [
        // Nothing has to survive a power cut here.
        { name: "etcd", extraArgs: args({ "unsafe-no-fsync": "true" }) },
        {
          name: "kube-controller-manager",
          // Without leader election the controllers start at once, and do not exit when the API server is taken away.
          extraArgs: args({ "leader-elect": "false", "enable-hostpath-provisioner": "true" }),
        },
        { name: "kube-scheduler", extraArgs: args({ "leader-elect": "false" }) },
      ],
    },
    ...podStages(),
    {
      apiVersion: "kwok.x-k8s.io/v1alpha1",
      kind: "ClusterExec",
      metadata: { name: "default" },
      spec: {
        execs: [
          // The helper pod that mounts a claim; all claims of a cluster are this one folder.
          { containers: [CONTAINER], local: { workDir: volumeDir(dir) } },
          // The pod with a throw-away server: it has the programs of a server and none that runs.
          ...(execEnv.PGHOST === undefined
            ? []
            : [
                {
                  containers: [PROOF_CONTAINER],
                  local: { workDir: proofDir(execEnv.PGHOST), envs: [{ name: "PATH", value: execEnv.PATH ?? "" }] },
                },
              ]),
          {
            local: {
              workDir: path.join(dir, "exec"),
              envs: Object.entries(execEnv).map(([name, value]) => ({ name, value })),
            },
          },
        ],
      },
    },
    {
      apiVersion: "kwok.x-k8s.io/v1alpha1",
      kind: "ClusterLogs",
      metadata: { name: "default" },
      spec: { logs: [{ logsFile: defaultLogFile(dir), previousLogsFile: defaultLogFile(dir) }] },
    },
  ];
  return documents.map((document) => stringify(document)).join("---\n");
}
