import { type InjectionCheck, injectionProblem } from "../components/workload-restarts/cluster/injection";
import type { RestartPlan } from "../components/workload-restarts/restarts";
import type { UpgradeConfig } from "../config/config";
import type { LoadedChart } from "../helm/chart";
import { type HelmVersion, helmVersion } from "../helm/helm";
import { findConflicts, findOwnMarks, lostRecordProblem, ownershipProblem } from "../helm/ownership";
import { type ClusterClient, type ClusterWriter, connectForWriting } from "../kubernetes/connect";
import { kubectlProblem, startKubectl } from "../kubernetes/kubectl";
import type { KubeObject } from "../kubernetes/objects";
import {
  isRead,
  missingPermissions,
  neededPermissions,
  permissionProblem,
  permissionsFor,
} from "../kubernetes/permissions";
import { writeReport } from "../review/handover";
import type { Review } from "../review/report/schema";
import { UserError } from "../shared/user-error";

/** Where helm is got, and which one. */
const GET_HELM = "install it: https://helm.sh/docs/intro/install/ (3.14 or newer)";

const missing = (tool: string, fix: string) =>
  new UserError("tool-missing", `${tool} is not on PATH, or does not start`, fix);

/**
 * Checks the helm that renders.
 *
 * @returns what a reviewer should know of it, in words.
 * @throws UserError when it is missing, does not start, or is too old.
 */
export async function checkHelm(): Promise<string[]> {
  const helm = await helmVersion().catch(() => undefined);
  if (!helm) throw missing("helm", GET_HELM);
  if (helm.major < 3 || (helm.major === 3 && helm.minor < 14))
    throw new UserError("tool-missing", `helm on PATH is ${helm.text}, and 3.14 or newer is needed`, GET_HELM);
  return helm.major === 3 ? [] : [otherHelm(helm)];
}

/** Longest time for kubectl to get at the cluster, in milliseconds; a credential plugin may take its time. */
const KUBECTL_MS = 60_000;

/**
 * Checks that kubectl is there and gets at the cluster: what it says of a kubeconfig is what helm and Pulumi's plugin
 * would say half-way. For after this program got there itself: a credential plugin that asks its user keeps what it was
 * told.
 *
 * @throws UserError
 */
export async function checkKubectl({ kubeconfig, context, timeouts }: UpgradeConfig): Promise<void> {
  const access = { context, ...(kubeconfig === undefined ? {} : { kubeconfig }) };
  const version = ["version", `--request-timeout=${timeouts.connect}s`];
  const { exitCode, failed, stderr, timedOut } = await startKubectl(access, version, { timeout: KUBECTL_MS });
  if (!failed) return;
  // Codes from 126 on are a shell's for what it cannot start.
  if (!timedOut && (exitCode ?? 127) >= 126)
    throw missing("kubectl", "install it: https://kubernetes.io/docs/tasks/tools/");
  throw new UserError(
    "connection",
    `kubectl cannot use context "${context}": ${kubectlProblem(stderr)}`,
    `make "kubectl --context ${context} version" work, then repeat`,
  );
}

/** The kubernetes provider 4 has helm 3 in it (helm.sh/helm/v3 in its go.mod). */
function otherHelm({ text }: HelmVersion): string {
  return (
    `helm on PATH is ${text}: the review is what it renders, and the kubernetes provider upgrades with its own helm 3. They differ ` +
    "where a chart asks for helm's version (.Capabilities.HelmVersion); with helm 3 on PATH both are the same"
  );
}

/** Connects and makes sure that it is the cluster this stack is for. What it returns cannot write. */
export function connectTo(config: UpgradeConfig): Promise<ClusterClient> {
  return connectForWritingTo(config);
}

/** The same for a command that changes the cluster. */
export async function connectForWritingTo(config: UpgradeConfig): Promise<ClusterWriter> {
  const { kubeconfig, context, clusterId, timeouts } = config;
  const client = await connectForWriting({
    ...{ kubeconfig, context, timeoutSeconds: timeouts.connect },
    requestSeconds: timeouts.request,
  });
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

/**
 * Refuses before anything is read: the release and the CRDs cannot even be looked at without these permissions.
 *
 * A user who may write nothing of it reviews only, which a preview is good for; one who may write some of it and lacks
 * the rest is to upgrade, and is told.
 *
 * @param isPreview nothing is changed in this run.
 */
export async function refuseWithoutBasicPermissions(
  client: ClusterClient,
  config: UpgradeConfig,
  isPreview: boolean,
): Promise<void> {
  const options = { namespace: config.namespace, hasCrds: true, workloadNamespaces: [] };
  const basic = permissionsFor([], () => undefined, options);
  const missing = await missingPermissions(client, basic);
  client.readOnly = isPreview && basic.every((one) => isRead(one) || missing.includes(one));
  const problem = permissionProblem(client.readOnly ? missing.filter(isRead) : missing, config.context);
  if (problem) throw problem;
}

/** What a review by somebody who may only read does not say; none otherwise. */
export function readOnlyWarning({ readOnly, context }: ClusterClient): string[] {
  if (!readOnly) return [];
  return [
    `the user of context "${context}" may only read, so this preview is made without dry-runs: nothing was asked of ` +
      "admission webhooks, quotas, the injector and the database servers, and the upgrade needs a user who may write",
  ];
}

/** Refuses what the API server or helm would refuse half-way: missing permissions, objects of others, in one error. */
export async function refuseWhatCannotWork(
  client: ClusterClient,
  config: UpgradeConfig,
  upgrade: { chart: LoadedChart; hasCrds: boolean; installedObjects?: readonly KubeObject[]; restarts: RestartPlan },
): Promise<void> {
  const { chart, hasCrds, installedObjects = [], restarts } = upgrade;
  const release = { name: config.release, namespace: config.namespace };
  const workloads = restarts.groups.flatMap(({ targets }) => targets);
  const needed = await neededPermissions(client, chart.objects, {
    namespace: config.namespace,
    hasCrds,
    workloadNamespaces: namespacesOf(workloads.filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet")),
    daemonSetNamespaces: namespacesOf(workloads.filter(({ kind }) => kind === "DaemonSet")),
    rolloutNamespaces: namespacesOf(workloads.filter(({ kind }) => kind === "Rollout")),
  });
  const missing = await missingPermissions(client, needed);
  const permissions = permissionProblem(missing, config.context);
  if (permissions) throw permissions; // what may not be read cannot be judged for ownership either
  const conflicts = await findConflicts(client, chart.rendered, installedObjects, release);
  const ownership = ownershipProblem(conflicts, release, config.context);
  if (ownership) throw ownership;
  const marked = upgrade.installedObjects ? [] : await findOwnMarks(client, chart.rendered, release);
  const lost = lostRecordProblem(marked, release, config.context);
  if (lost) throw lost;
}

function namespacesOf(objects: readonly { namespace: string }[]): string[] {
  return [...new Set(objects.map(({ namespace }) => namespace))];
}

/** A run that only goes on with restarts finds the gate after the chart passed already, so it looks for itself. */
export async function refuseUnlessInjectionReady(
  client: ClusterClient,
  { context, namespace }: UpgradeConfig,
  check: InjectionCheck,
): Promise<void> {
  const problem = await injectionProblem(client, check);
  if (problem === undefined) return;
  throw new UserError(
    "injection",
    `workloads are left to restart, but their pods would not get the configuration: ${problem}`,
    `repair it (kubectl --context ${context} --namespace ${namespace} get deployments), then repeat`,
  );
}

/** What the API server refused as a dry-run it would refuse half-way through the upgrade. */
export function refuseRejected(review: Review, upgrade: string): void {
  const { refusals } = review;
  if (refusals.length === 0) return;
  writeReport(review, upgrade);
  const lines = refusals.map(({ object, problem, fix }) => `    ${object}: ${problem}\n      Fix: ${fix}`);
  throw new UserError(
    "refused",
    `the cluster would refuse this upgrade:\n${lines.join("\n")}`,
    "each object's is above; nothing was changed",
  );
}
