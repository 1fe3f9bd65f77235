import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import execa from "execa";
import { z } from "zod";
import type { ClusterAccess } from "./access";

/** Helm ended with an error; the message is helm's own, without its prefix. */
export class HelmError extends Error {}

export interface RunOptions {
  /** Text for helm's standard input; the way for values and passwords, which must not be on the command line. */
  input?: string;
  /** Asks helm to stop (SIGTERM); it then records the release as failed before it ends. */
  signal?: AbortSignal;
}

const infoSchema = z.looseObject({ status: z.string(), last_deployed: z.string().default("") });

const statusSchema = z.looseObject({
  name: z.string(),
  namespace: z.string(),
  version: z.number(),
  info: infoSchema,
  config: z.record(z.string(), z.unknown()).nullish(),
  manifest: z.string().default(""),
});

const metadataSchema = z.looseObject({ chart: z.string(), version: z.string(), appVersion: z.string().default("") });

const historySchema = z.array(z.looseObject({ revision: z.number(), updated: z.string(), status: z.string() }));

/** One revision of a release as helm recorded it. */
export interface LiveRelease {
  name: string;
  namespace: string;
  revision: number;
  status: string;
  chart: string;
  version: string;
  appVersion: string;
  /** The values given by the user, not those of the chart. */
  values: Record<string, unknown>;
  manifest: string;
}

/** The `helm` found on PATH, pointed at one cluster. Never asks helm for debug output: that would show values. */
export class HelmCli {
  constructor(private readonly cluster: Pick<ClusterAccess, "kubeconfigPath" | "context">) {}

  /** Runs commands that share a private scratch folder, which is gone afterwards. */
  async session<T>(work: (session: HelmSession) => Promise<T>): Promise<T> {
    const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "casa-helm-"));
    try {
      return await work(new HelmSession(scratch, this.clusterOptions()));
    } finally {
      fs.rmSync(scratch, { recursive: true, force: true });
    }
  }

  /** Options that say which cluster; for commands that talk to one. */
  private clusterOptions(): string[] {
    const { kubeconfigPath, context } = this.cluster;
    return [
      ...(kubeconfigPath ? ["--kubeconfig", path.resolve(kubeconfigPath)] : []),
      ...(context ? ["--kube-context", context] : []),
    ];
  }

  /** Reads a revision, by default the newest one; undefined when there is no such release. */
  async release(name: string, namespace: string, revision?: number): Promise<LiveRelease | undefined> {
    const which = [name, "--output", "json", ...(revision === undefined ? [] : ["--revision", `${revision}`])];
    try {
      return await this.session(async (session) => {
        const status = statusSchema.parse(JSON.parse(await session.onCluster(namespace, ["status", ...which])));
        const exactly = [name, "--output", "json", "--revision", `${status.version}`];
        const printed = await session.onCluster(namespace, ["get", "metadata", ...exactly]);
        const metadata = metadataSchema.parse(JSON.parse(printed));
        return {
          name: status.name,
          namespace: status.namespace,
          revision: status.version,
          status: status.info.status,
          chart: metadata.chart,
          version: metadata.version,
          appVersion: metadata.appVersion,
          values: status.config ?? {},
          manifest: status.manifest,
        };
      });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** The revision that an operation begun at `since` left behind as failed; undefined when it got none recorded. */
  async failedSince(name: string, namespace: string, since: Date): Promise<LiveRelease | undefined> {
    const command = ["history", name, "--output", "json", "--max", "5"];
    const printed = await this.session((session) => session.onCluster(namespace, command)).catch(() => "[]");
    const revision = historySchema
      .parse(JSON.parse(printed))
      .filter((entry) => new Date(entry.updated) >= since && entry.status !== "deployed")
      .at(-1)?.revision;
    return revision === undefined ? undefined : this.release(name, namespace, revision);
  }
}

/** Helm commands that belong together. */
export class HelmSession {
  #environment: NodeJS.ProcessEnv;

  constructor(
    /** A folder only this user can read. */
    readonly scratch: string,
    private readonly clusterOptions: string[],
  ) {
    this.#environment = { ...process.env, HELM_DEBUG: "false" };
  }

  /** From here on, repositories are added to the scratch folder only. */
  useScratchRepositories(): void {
    this.#environment["HELM_REPOSITORY_CONFIG"] = path.join(this.scratch, "repositories.yaml");
    this.#environment["HELM_REPOSITORY_CACHE"] = path.join(this.scratch, "repository");
  }

  /** From here on, registry logins are kept in the scratch folder only. */
  useScratchRegistryLogin(): void {
    this.#environment["HELM_REGISTRY_CONFIG"] = path.join(this.scratch, "registry.json");
  }

  /** Runs a command against the cluster. */
  onCluster(namespace: string, args: string[], options?: RunOptions): Promise<string> {
    return this.run([...args, "--namespace", namespace, ...this.clusterOptions], options);
  }

  /**
   * Runs helm to its end and resolves to what it printed. It runs in the scratch folder, so that no file beside the
   * program is taken for a chart: paths in `args` must be absolute.
   *
   * @throws HelmError with helm's message when it fails; Error when there is no helm.
   */
  async run(args: string[], { input, signal }: RunOptions = {}): Promise<string> {
    // The official plugin has its own helm in it, whatever is on PATH.
    const helm = execa(process.env["CASA_UPGRADE_EMBEDDED_HELM"] ?? "helm", args, {
      cwd: this.scratch,
      env: this.#environment,
      extendEnv: false,
      reject: false,
      ...(input === undefined ? { stdin: "ignore" as const } : { input }),
    });
    const stop = () => void helm.kill("SIGTERM", { forceKillAfterTimeout: false });
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop);
    try {
      const result = await helm;
      if (!result.failed) return result.stdout;
      if (result.exitCode === undefined && result.signal === undefined) {
        throw new Error("helm could not be started: is it installed and on PATH?");
      }
      throw new HelmError(messageOf(result.stderr) || messageOf(result.stdout) || `helm ${args[0] ?? ""} was stopped`);
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }
}

/** Helm's own error: what follows the last `Error:`, without the name of the operation. */
function messageOf(output: string): string {
  const at = output.lastIndexOf("Error: ");
  const message = at < 0 ? output : output.slice(at + "Error: ".length);
  return message.replace(/^(INSTALLATION|UPGRADE) FAILED: /, "").trim();
}

/** True for the error of a release that does not exist. */
export function isNotFound(error: unknown): boolean {
  return error instanceof HelmError && /release: not found/.test(error.message);
}
