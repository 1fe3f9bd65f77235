import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import execa from "execa";
import { type ClusterWriter, connectForWriting } from "../../../kubernetes/connect";
import { type Cluster, type ClusterOptions, startCluster } from "../../../sandbox/cluster/cluster";
import { Progress } from "../../../sandbox/progress";
import { ensureTools, type Tools } from "../../../sandbox/tools";
import type { ProgramName } from "../../../shared/shell";
import { toYaml } from "../../fixtures/mas";
import { chartPath, ROOT } from "./world";

interface ProgramOptions {
  env?: NodeJS.ProcessEnv;
  /** Default: the cluster's. */
  context?: string;
}

/** A cluster without an engine: for what only reads it. */
export class ClusterFixture {
  readonly scratch = mkdtempSync(join(tmpdir(), "cluster-test-"));

  private constructor(
    readonly tools: Tools,
    readonly cluster: Cluster,
    /** Connected as cluster administrator. */
    readonly client: ClusterWriter,
  ) {}

  static async start(options: Pick<ClusterOptions, "storageMigration" | "postgres"> = {}): Promise<ClusterFixture> {
    const progress = Progress.silent();
    const tools = await ensureTools(progress);
    const cluster = await startCluster(tools, { ...options, progress });
    const { kubeconfig, context } = cluster;
    return new ClusterFixture(tools, cluster, await connectForWriting({ kubeconfig, context, timeoutSeconds: 10 }));
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    rmSync(this.scratch, { recursive: true, force: true });
  }

  /** What the user has in the environment. */
  get env(): NodeJS.ProcessEnv {
    return { KUBECONFIG: this.cluster.kubeconfig, PATH: `${this.tools.binDir}:${process.env["PATH"] ?? ""}` };
  }

  async kubectl(...args: string[]): Promise<string> {
    return (await execa(this.tools.path("kubectl"), args, { env: this.env })).stdout;
  }

  async helm(args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    return (await execa(this.tools.path("helm"), args, { cwd: ROOT, env: { ...this.env, ...env } })).stdout;
  }

  /** `install` or `upgrade` of a sample chart. */
  async release(verb: string, name: string, version: string, namespace: string, ...more: string[]): Promise<string> {
    const create = verb === "install" ? ["--create-namespace"] : [];
    return this.helm([verb, name, chartPath(`casa-runtime-${version}`), "--namespace", namespace, ...create, ...more]);
  }

  async apply(...objects: object[]): Promise<void> {
    await execa(this.tools.path("kubectl"), ["apply", "-f", "-"], { env: this.env, input: toYaml(objects) });
  }

  /** Runs a command line that a fix names, as the user would paste it. */
  async paste(line: string): Promise<void> {
    // One that waits in vain is ended with all that it started, which would hold up the tests for ever.
    await execa("timeout", ["60", "sh", "-c", line], { env: this.env });
  }

  /** Runs a helper program with its job, as the commands of the upgrade do. */
  async program(name: ProgramName, job: unknown, { env = {}, context = this.cluster.context }: ProgramOptions = {}) {
    const started = Date.now();
    const result = await execa("node", ["bundle/program.cjs", name, "--context", context], {
      cwd: ROOT,
      input: JSON.stringify(job),
      env: { ...this.env, ...env },
      reject: false,
    });
    return {
      exitCode: result.exitCode,
      stdout: result.stdout,
      stderr: result.stderr,
      seconds: (Date.now() - started) / 1000,
    };
  }

  /** Path of a kubeconfig whose only context `c` is the cluster as another user, or another server. */
  async kubeconfig(change: { server?: string; user?: object }): Promise<string> {
    const text = await this.kubectl("config", "view", "--raw", "--minify", "--flatten", "--output", "json");
    const { clusters, users } = JSON.parse(text) as { clusters: { cluster: object }[]; users: { user: object }[] };
    const cluster = { ...clusters[0]?.cluster, ...(change.server ? { server: change.server } : {}) };
    const path = join(mkdtempSync(join(this.scratch, "k-")), "config");
    const config = {
      clusters: [{ name: "c", cluster }],
      users: [{ name: "c", user: change.user ?? users[0]?.user }],
      contexts: [{ name: "c", context: { cluster: "c", user: "c" } }],
    };
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  }

  /** A client with the rights of a service account that has this cluster role, or none. */
  async clientOf(account: string, clusterRole?: string): Promise<ClusterWriter> {
    await this.kubectl("create", "serviceaccount", account, "--namespace", "default");
    if (clusterRole) await this.bind(account, clusterRole);
    const token = await this.kubectl("create", "token", account, "--namespace", "default");
    return connectForWriting({
      kubeconfig: await this.kubeconfig({ user: { token } }),
      context: "c",
      timeoutSeconds: 10,
    });
  }

  async bind(account: string, clusterRole: string): Promise<void> {
    const name = `${account}-${clusterRole}`;
    await this.kubectl(
      "create",
      "clusterrolebinding",
      name,
      `--clusterrole=${clusterRole}`,
      `--serviceaccount=default:${account}`,
    );
  }
}

/** The message of what an action throws; fails when it does not. */
export async function refusal(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Error)) throw new Error("nothing was refused");
  return error.message;
}
