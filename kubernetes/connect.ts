import { UserError } from "../shared/user-error";
import { setTimeout as sleep } from "node:timers/promises";
import { distance } from "fastest-levenshtein";
import { z } from "zod";
import { ApiError, type ApiReader, KubeApi, UnreachableError } from "./api";
import { ContextAccess } from "./context-access";
import { type Kubeconfig, loadKubeconfig } from "./kubeconfig";

export interface ConnectOptions {
  /** Kubeconfig path; unset: `$KUBECONFIG` (may list several files), else `~/.kube/config`. */
  kubeconfig?: string;
  context: string;
  /** Longest wait for the first answer, and without {@link requestSeconds} for every other. */
  timeoutSeconds: number;
  /** Longest wait for every later answer. */
  requestSeconds?: number;
}

const version = z.looseObject({ gitVersion: z.string(), major: z.string(), minor: z.string() });
const named = z.looseObject({ metadata: z.looseObject({ uid: z.string() }) });

/**
 * The cluster of the stack. Reading and writing are two types: pre-flight and review hold this one, and cannot write.
 */
export class ClusterClient<Api extends ApiReader = ApiReader> {
  /**
   * Its user may change nothing of what an upgrade changes, and only a preview is wanted: no dry-runs are sent, which
   * the API server refuses to such a user, and only permissions to read are asked for.
   */
  readOnly = false;

  constructor(
    readonly api: Api,
    readonly context: string,
    /** As configured; undefined: the default ones. */
    readonly kubeconfigPath: string | undefined,
    /** The server's Kubernetes version, e.g. `v1.34.4`. */
    readonly gitVersion: string,
    /** The same as numbers. */
    readonly serverVersion: { major: number; minor: number },
    /** UID of the kube-system namespace, which identifies a cluster; undefined when it may not be read. */
    readonly uid: string | undefined,
  ) {}

  /** Requests sent so far. */
  get requestCount(): number {
    return this.api.requestCount;
  }

  /** API versions as helm lists them for a chart's capabilities: `apps/v1` and `apps/v1/Deployment`. */
  async apiVersions(): Promise<string[]> {
    const all = await this.api.allKinds();
    return [...all].flatMap(([groupVersion, kinds]) => [
      groupVersion,
      ...[...kinds.keys()].map((kind) => `${groupVersion}/${kind}`),
    ]);
  }

  /**
   * Reads one object through a schema; undefined when it (or its kind) does not exist.
   *
   * @throws UserError when it is not what the schema says; ApiError, UnreachableError.
   */
  async get<T>(
    type: { apiVersion: string; kind: string },
    namespace: string,
    name: string,
    schema: z.ZodType<T>,
  ): Promise<T | undefined> {
    const found = await this.api.get(type, namespace, name);
    return found === undefined ? undefined : parseObject(type.kind, found, schema);
  }

  /**
   * Reads all objects of a kind through a schema, in one namespace or, without one, in all; errors as in {@link get}.
   */
  async list<T>(
    type: { apiVersion: string; kind: string },
    namespace: string | undefined,
    schema: z.ZodType<T>,
    select: { labelSelector?: string; fieldSelector?: string } = {},
  ): Promise<T[]> {
    const found = await this.api.list(type, namespace, select);
    return found.map((item) => parseObject(type.kind, item, schema));
  }
}

/** The cluster of the stack for the steps that change it. */
export type ClusterWriter = ClusterClient<KubeApi>;

const identity = z.looseObject({
  metadata: z.looseObject({ namespace: z.string().optional(), name: z.string().optional() }).optional(),
});

/** Parses what the API server sent; an object that is not as its kind says is named, its content is not shown. */
export function parseObject<T>(kind: string, value: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { namespace, name } = identity.safeParse(value).data?.metadata ?? {};
  const issue = parsed.error.issues[0];
  throw new UserError(
    "malformed-object",
    `${kind} ${namespace ? `${namespace}/` : ""}${name ?? ""} on the cluster is not as expected: ` +
      `${issue?.path.join(".") || "the object"}: ${issue?.message ?? "invalid"}`,
    `look at it (kubectl get ${kind.toLowerCase()} ${name ?? ""}${namespace ? ` --namespace ${namespace}` : ""} --output yaml) and correct it`,
  );
}

/**
 * Connects to the cluster of a kubeconfig context.
 *
 * @throws UserError when the kubeconfig is unreadable, the context unknown, the server unreachable or unwilling.
 */
export function connect(options: ConnectOptions): Promise<ClusterClient> {
  return connectForWriting(options);
}

/**
 * The same for a step that waits anyway: an API server that does not answer for a moment is asked again, for some
 * seconds.
 *
 * @param seconds no longer than this, and no longer than a minute.
 */
export async function connectWithin(seconds: number, options: ConnectOptions): Promise<ClusterClient> {
  const end = Date.now() + Math.min(seconds, MOST_SECONDS) * 1000;
  for (;;) {
    try {
      return await connectForWriting(options);
    } catch (error) {
      if (!(error instanceof NotReached) || Date.now() >= end) throw error;
      await sleep(500);
    }
  }
}

/** The same for a step that changes the cluster. */
export async function connectForWriting(options: ConnectOptions): Promise<ClusterWriter> {
  const { context } = options;
  const kubeconfig = loadKubeconfig(options.kubeconfig);
  requireContext(kubeconfig, context);
  const access = ContextAccess.of(kubeconfig, context);
  const api = new KubeApi(access, options.timeoutSeconds);
  try {
    const [{ gitVersion, major, minor }, uid] = await Promise.all([
      api.read("/version").then((answer) => version.parse(answer)),
      clusterUid(api),
    ]);
    api.setTimeout(options.requestSeconds ?? options.timeoutSeconds);
    // Managed clusters have versions such as 1.34+.
    const numbers = { major: Number.parseInt(major, 10), minor: Number.parseInt(minor, 10) };
    return new ClusterClient(api, context, options.kubeconfig, gitVersion, numbers, uid);
  } catch (error) {
    throw connectionProblem(error, context, access.getCurrentCluster().server);
  }
}

/** Nothing answered, or nothing that was well. */
class NotReached extends UserError {}

/** Longest time that a server is asked again, in seconds. */
const MOST_SECONDS = 60;

async function clusterUid(api: KubeApi): Promise<string | undefined> {
  try {
    return named.parse(await api.read("/api/v1/namespaces/kube-system")).metadata.uid;
  } catch (error) {
    // Nobody is logged in: every later request would fail the same way.
    if (!(error instanceof ApiError) || error.code !== 403 || error.message.includes('"system:anonymous"')) throw error;
    return undefined;
  }
}

function requireContext({ contexts, files }: Kubeconfig, context: string): void {
  if (contexts.has(context)) return;
  const known = [...contexts.keys()].sort((a, b) => distance(context, a) - distance(context, b));
  const list = known.length > 0 ? `known, nearest first: ${known.join(", ")}` : "it has none at all";
  const problem = `context "${context}" is not in the kubeconfig ${files.join(", ")} (${list})`;
  throw new UserError("kubeconfig", problem, `pulumi config set context ${known[0] ?? "<context>"}`);
}

function connectionProblem(error: unknown, context: string, server: string): UserError {
  if (error instanceof UserError) return error;
  const tryIt = `make "kubectl --context ${context} get namespaces" work`;
  if (error instanceof ApiError && (error.code === 401 || error.code === 403)) {
    return new UserError(
      "connection",
      `${server} does not accept the credentials of context "${context}": ${error.message}`,
      `log in again (the kubeconfig's user is unknown or expired), ${tryIt}, then repeat`,
    );
  }
  if (error instanceof UnreachableError || error instanceof ApiError || error instanceof z.ZodError) {
    const why = error instanceof z.ZodError ? "what answers there is not a Kubernetes API server" : error.message;
    return new NotReached(
      "connection",
      `the API server of context "${context}" (${server}) cannot be reached: ${why}`,
      `${tryIt} (network, VPN, proxy, server down), then repeat`,
    );
  }
  // A credential plugin or certificate file of the kubeconfig that fails throws whatever it likes.
  const why = error instanceof Error ? error.message.trim().split("\n")[0] : String(error);
  return new UserError("connection", `context "${context}" cannot be used: ${why}`, `${tryIt}, then repeat`);
}
