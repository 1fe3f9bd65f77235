import { existsSync } from "node:fs";
import { KubeConfig } from "@kubernetes/client-node";
import { closest } from "fastest-levenshtein";
import { z } from "zod";
import { ApiError, KubeApi, UnreachableError } from "./api";
import { PreflightError } from "./problem";

export interface ConnectOptions {
  /** Kubeconfig path; unset: `$KUBECONFIG`, else `~/.kube/config`. */
  kubeconfig?: string;
  context: string;
  /** Longest wait for one answer. */
  timeoutSeconds: number;
}

const version = z.looseObject({ gitVersion: z.string() });
const named = z.looseObject({ metadata: z.looseObject({ uid: z.string() }) });
const groups = z.looseObject({
  groups: z.array(z.looseObject({ versions: z.array(z.looseObject({ groupVersion: z.string() })) })),
});
const kinds = z.looseObject({ resources: z.array(z.looseObject({ kind: z.string(), name: z.string() })) });

/** The cluster of the stack, read-only. */
export class ClusterClient {
  constructor(
    readonly api: KubeApi,
    readonly context: string,
    /** The server's Kubernetes version, e.g. `v1.34.4`. */
    readonly gitVersion: string,
    /** UID of the kube-system namespace, which identifies a cluster; undefined when it may not be read. */
    readonly uid: string | undefined,
  ) {}

  /** API versions as helm lists them for a chart's capabilities: `apps/v1` and `apps/v1/Deployment`. */
  async apiVersions(): Promise<string[]> {
    const served = groups.parse(await this.api.request("GET", "/apis"));
    const all = ["v1", ...served.groups.flatMap((group) => group.versions.map(({ groupVersion }) => groupVersion))];
    const perVersion = await Promise.all(all.map((groupVersion) => this.kindsOf(groupVersion)));
    return perVersion.flat();
  }

  private async kindsOf(groupVersion: string): Promise<string[]> {
    const path = groupVersion.includes("/") ? `/apis/${groupVersion}` : `/api/${groupVersion}`;
    try {
      const { resources } = kinds.parse(await this.api.request("GET", path));
      const own = resources.filter(({ name }) => !name.includes("/")).map(({ kind }) => `${groupVersion}/${kind}`);
      return [groupVersion, ...new Set(own)];
    } catch (error) {
      // An aggregated API whose server is down must not stop an upgrade that does not need it.
      if (error instanceof ApiError) return [groupVersion];
      throw error;
    }
  }
}

/**
 * Connects to the cluster of a kubeconfig context.
 *
 * @throws PreflightError when the kubeconfig is unreadable, the context unknown, the server unreachable or unwilling.
 */
export async function connect(options: ConnectOptions): Promise<ClusterClient> {
  const kubeConfig = loadKubeconfig(options.kubeconfig);
  useContext(kubeConfig, options.context);
  const api = new KubeApi(kubeConfig, options.timeoutSeconds);
  const server = kubeConfig.getCurrentCluster()?.server ?? "";
  try {
    const { gitVersion } = version.parse(await api.request("GET", "/version"));
    const system = await api.get({ apiVersion: "v1", kind: "Namespace" }, "", "kube-system").catch(forbiddenIsAbsent);
    return new ClusterClient(api, options.context, gitVersion, system ? named.parse(system).metadata.uid : undefined);
  } catch (error) {
    throw connectionProblem(error, options.context, server);
  }
}

function forbiddenIsAbsent(error: unknown): undefined {
  if (error instanceof ApiError && error.code === 403) return undefined;
  throw error;
}

function loadKubeconfig(path: string | undefined): KubeConfig {
  const kubeConfig = new KubeConfig();
  const source = path ?? process.env["KUBECONFIG"] ?? "~/.kube/config";
  const setIt = "pulumi config set kubeconfig <path>, or set KUBECONFIG";
  if (path !== undefined && !existsSync(path)) throw new PreflightError(`kubeconfig ${path} does not exist`, setIt);
  try {
    if (path === undefined) kubeConfig.loadFromDefault();
    else kubeConfig.loadFromFile(path);
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).split("\n")[0];
    throw new PreflightError(`kubeconfig ${source} cannot be read: ${why}`, setIt);
  }
  return kubeConfig;
}

function useContext(kubeConfig: KubeConfig, context: string): void {
  const known = kubeConfig.getContexts().map(({ name }) => name);
  if (known.includes(context)) {
    kubeConfig.setCurrentContext(context);
    if (kubeConfig.getCurrentCluster()) return;
    throw new PreflightError(`context "${context}" names a cluster that the kubeconfig does not have`, "repair the kubeconfig");
  }
  const list = known.length > 0 ? `known: ${known.join(", ")}` : "it has none at all";
  const example = known.length > 0 ? closest(context, known) : "<context>";
  throw new PreflightError(`context "${context}" is not in the kubeconfig (${list})`, `pulumi config set context ${example}`);
}

function connectionProblem(error: unknown, context: string, server: string): unknown {
  if (error instanceof ApiError && (error.code === 401 || error.code === 403)) {
    return new PreflightError(
      `${server} does not accept the credentials of context "${context}": ${error.message}`,
      "log in again (the kubeconfig's user is unknown or expired), then repeat",
    );
  }
  if (error instanceof UnreachableError || error instanceof ApiError || error instanceof z.ZodError) {
    const why = error instanceof z.ZodError ? "what answers there is no Kubernetes API server" : error.message;
    return new PreflightError(
      `the API server of context "${context}" (${server}) cannot be reached: ${why}`,
      `make "kubectl --context ${context} get namespaces" work (network, VPN, proxy, server down), then repeat`,
    );
  }
  // A credential plugin of the kubeconfig that fails throws whatever it likes.
  return new PreflightError(
    `context "${context}" cannot be used: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`,
    `make "kubectl --context ${context} get namespaces" work, then repeat`,
  );
}
