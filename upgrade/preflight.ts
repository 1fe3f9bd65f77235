import { UserError } from "../shared/user-error";
import execa from "execa";
import { z } from "zod";
import { type ClusterClient, type ClusterWriter, connectForWriting } from "../kubernetes/connect";
import { injectionProblem } from "../components/workload-restarts/cluster/injection";
import { findConflicts, ownershipProblem } from "../helm/ownership";
import { missingPermissions, neededPermissions, permissionProblem, permissionsFor } from "../kubernetes/permissions";

import { readRelease, type ReleaseState, releaseProblem } from "../helm/release";
import type { LoadedChart } from "../helm/chart";
import type { UpgradeConfig } from "../config/config";
import type { KubeObject } from "../kubernetes/objects";
import { parseRecord, recordNames } from "../components/workload-restarts/restart-record";
import type { RecordedStamp, RestartPlan } from "../components/workload-restarts/restarts";

/** Checks the command line tools that the upgrade itself runs. */
export async function checkTools(): Promise<void> {
  const tools = [
    ["helm", ["version", "--short"], "https://helm.sh/docs/intro/install/ (3.14 or newer)"],
    ["kubectl", ["version", "--client"], "https://kubernetes.io/docs/tasks/tools/"],
  ] as const;
  const runs = await Promise.all(tools.map(([tool, args]) => execa(tool, args, { reject: false })));
  const [tool, , install] = tools.find((_tool, i) => runs[i]?.failed) ?? [];
  if (tool) throw new UserError("tool-missing", `${tool} is not on PATH, or does not start`, `install it: ${install}`);
}

/** Connects and makes sure that it is the cluster this stack is for. What it returns cannot write. */
export function connectTo(config: UpgradeConfig): Promise<ClusterClient> {
  return connectForWritingTo(config);
}

/** The same for a command that changes the cluster. */
export async function connectForWritingTo(config: UpgradeConfig): Promise<ClusterWriter> {
  const { kubeconfig, context, clusterId, timeouts } = config;
  const client = await connectForWriting({ kubeconfig, context, timeoutSeconds: timeouts.connect });
  if (clusterId !== undefined && client.uid !== clusterId) {
    throw new UserError(
      "wrong-cluster",
      `context "${context}" is cluster ${client.uid ?? "(its kube-system namespace may not be read)"}, ` +
        `this stack is for cluster ${clusterId} (config clusterId)`,
      "choose the right context: pulumi config set context <context>; " +
        `or, if the stack moves for good: pulumi config set clusterId ${client.uid ?? "<uid>"}`,
    );
  }
  return client;
}

/** Refuses before anything is read: the release and the CRDs cannot even be looked at without these permissions. */
export async function refuseWithoutBasicPermissions(client: ClusterClient, config: UpgradeConfig): Promise<void> {
  const options = { namespace: config.namespace, hasCrds: true, workloadNamespaces: [] };
  const basic = permissionsFor([], () => undefined, options);
  const problem = permissionProblem(await missingPermissions(client, basic), config.context);
  if (problem) throw problem;
}

/** The installed release, fit to be upgraded; undefined when there is none and installing is allowed. */
export async function installedRelease(
  client: ClusterClient,
  config: UpgradeConfig,
): Promise<ReleaseState | undefined> {
  const found = await readRelease(client, config.namespace, config.release);
  if (!found && !config.allowInstall) {
    throw new UserError(
      "not-installed",
      `release ${config.release} is not installed in namespace ${config.namespace} of context "${config.context}"`,
      "check context, release and namespace (helm list --all-namespaces); to install it: pulumi config set allowInstall true",
    );
  }
  const problem = found && releaseProblem(found, config.context);
  if (problem) throw problem;
  return found;
}

const configMap = z.looseObject({ data: z.unknown() });

/** The two restart records, as far as they exist. */
export async function restartRecords(
  client: ClusterClient,
  config: UpgradeConfig,
): Promise<{ before?: RecordedStamp; after?: RecordedStamp; exists: { before: boolean; after: boolean } }> {
  const names = recordNames(config.release);
  const read = (name: string) => client.api.get({ apiVersion: "v1", kind: "ConfigMap" }, config.namespace, name);
  const [before, after] = await Promise.all([read(names.before), read(names.after)]);
  const data = (object: unknown) => (object === undefined ? undefined : parseRecord(configMap.parse(object).data));
  return {
    before: data(before),
    after: data(after),
    exists: { before: before !== undefined, after: after !== undefined },
  };
}

/** Refuses what the API server or helm would refuse half-way: missing permissions, objects of others, in one error. */
export async function refuseWhatCannotWork(
  client: ClusterClient,
  config: UpgradeConfig,
  upgrade: { chart: LoadedChart; hasCrds: boolean; installedObjects?: KubeObject[]; restarts: RestartPlan },
): Promise<void> {
  const { chart, hasCrds, installedObjects = [], restarts } = upgrade;
  const release = { name: config.release, namespace: config.namespace };
  const workloads = restarts.groups.flatMap(({ targets }) => targets);
  const needed = await neededPermissions(client, chart.objects, {
    namespace: config.namespace,
    hasCrds,
    workloadNamespaces: [...new Set(workloads.map(({ namespace }) => namespace))],
  });
  const missing = await missingPermissions(client, needed);
  const permissions = permissionProblem(missing, config.context);
  if (permissions) throw permissions; // what may not be read cannot be judged for ownership either
  const conflicts = await findConflicts(client, chart.objects, installedObjects, release);
  const ownership = ownershipProblem(conflicts, release, config.context);
  if (ownership) throw ownership;
}

/** A run that only goes on with restarts finds the gate after the chart passed already, so it looks for itself. */
export async function refuseUnlessInjectionReady(
  client: ClusterClient,
  config: UpgradeConfig,
  sidecar: string,
): Promise<void> {
  const { mode, namespace, webhook } = config;
  const problem = await injectionProblem(client, { mode, namespace, sidecarDeployment: sidecar, webhook });
  if (problem === undefined) return;
  throw new UserError(
    "injection",
    `workloads are left to restart, but their pods would not get the configuration: ${problem}`,
    `repair it (kubectl --context ${config.context} --namespace ${namespace} get deployments), then repeat`,
  );
}
