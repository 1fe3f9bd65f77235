import { randomUUID } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import execa from "execa";
import { startCluster, type Cluster } from "../../../sandbox/cluster/cluster";
import { Engine } from "../../../sandbox/engine";
import { ensureTools, type Tools } from "../../../sandbox/tools";

export const ROOT = resolve(__dirname, "../../..");
export const RELEASE_NAMESPACE = "casa-runtime";

/** The path of one of our sample charts, relative to the project as a user would write it. */
export function chartPath(name: string): string {
  return `test/fixtures/charts/${name}`;
}

/** A cluster and a stack of its own, with what an infra engineer has at hand: pulumi, helm, kubectl. */
export class World {
  readonly stack = "test";
  /** Whether {@link cli} enforces the project's own policies; most sample stacks are unsafe on purpose. */
  policies = false;

  private constructor(
    readonly tools: Tools,
    readonly cluster: Cluster,
    readonly engine: Engine,
    readonly scratch: string,
  ) {}

  /**
   * @param options `postgres`: with a PostgreSQL server behind the pods, and backups on, as users have them; `env`:
   * more environment of the engine.
   */
  static async open(options: { postgres?: boolean; env?: NodeJS.ProcessEnv } = {}): Promise<World> {
    const { postgres = false, env = {} } = options;
    const tools = await ensureTools();
    const cluster = await startCluster(tools, { postgres });
    const base = join(ROOT, ".sandbox", "tests");
    mkdirSync(base, { recursive: true });
    const scratch = mkdtempSync(join(base, "world-"));
    const engine = new Engine({ tools, dir: scratch, env: { KUBECONFIG: cluster.kubeconfig, ...env } });
    const world = new World(tools, cluster, engine, scratch);
    await world.newStack();
    return world;
  }

  async close(): Promise<void> {
    await this.cluster.stop();
    rmSync(this.scratch, { recursive: true, force: true });
  }

  /** An empty stack with the config that every test needs. */
  async newStack(): Promise<void> {
    await this.engine.stackInit(this.stack);
    const backup = this.cluster.postgresEnv ? { destination: join(this.scratch, "backups") } : { enabled: false };
    await this.config({ context: this.cluster.context, kubeconfig: this.cluster.kubeconfig, backup });
  }

  async config(values: Record<string, unknown>): Promise<void> {
    await this.engine.setConfig(this.stack, values);
  }

  /** Sets the chart to one of the sample versions. */
  async useVersion(version: string, more: Record<string, unknown> = {}): Promise<void> {
    await this.config({ chart: chartPath(`casa-runtime-${version}`), version, ...more });
  }

  async up(args: string[] = []): Promise<Run> {
    return toRun(await this.engine.up(this.stack, args, { reject: false }));
  }

  async preview(args: string[] = []): Promise<Run> {
    return toRun(await this.engine.preview(this.stack, args, { reject: false }));
  }

  /** Runs `casa-upgrade` as its user does, for this stack. */
  async cli(...args: string[]): Promise<{ code: number; text: string; stdout: string }> {
    const { environment, projectDirectory } = this.engine;
    const command = [
      join(ROOT, "cli/bin.cjs"),
      ...args,
      ...(this.policies ? [] : ["--no-policies"]),
      "-C",
      projectDirectory,
      "-s",
      this.stack,
    ];
    const options = { cwd: this.scratch, env: environment, extendEnv: false, reject: false, all: true } as const;
    const run = await execa("node", command, options);
    return { code: run.exitCode, text: run.all ?? "", stdout: run.stdout };
  }

  async outputs(): Promise<Record<string, unknown>> {
    return this.engine.outputs(this.stack);
  }

  async kubectl(args: string[], input?: string): Promise<string> {
    const run = await execa(this.tools.path("kubectl"), ["--kubeconfig", this.cluster.kubeconfig, ...args], {
      cwd: ROOT,
      input,
    });
    return run.stdout;
  }

  async helm(...args: string[]): Promise<string> {
    const run = await execa(this.tools.path("helm"), ["--kubeconfig", this.cluster.kubeconfig, ...args], { cwd: ROOT });
    return run.stdout;
  }

  /** The manual way: what a runtime looks like before this project adopts it. */
  async helmInstall(version: string, ...more: string[]): Promise<void> {
    await this.helm(
      "install",
      "casa",
      chartPath(`casa-runtime-${version}`),
      ...["--namespace", RELEASE_NAMESPACE, "--create-namespace", "--wait", "--timeout", "120s"],
      ...more,
    );
  }

  async helmVersions(): Promise<string[]> {
    const history = JSON.parse(await this.helm("history", "casa", "-n", RELEASE_NAMESPACE, "-o", "json")) as {
      chart: string;
      status: string;
    }[];
    return history.map(({ chart, status }) => `${chart} ${status}`);
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.kubectl(["get", ...args, "-o", "json"])) as T;
  }

  /** resourceVersions of everything that a run could touch; equal before and after means nothing was written. */
  async fingerprint(): Promise<Record<string, string>> {
    const kinds = "deployments,statefulsets,services,configmaps,secrets,crds,persistentvolumeclaims,serviceaccounts";
    const list = await this.json<{ items: { kind: string; metadata: Record<string, string> }[] }>(kinds, "-A");
    return Object.fromEntries(
      list.items.map(({ kind, metadata }) => [
        `${kind} ${metadata["namespace"] ?? ""}/${metadata["name"]}`,
        `${metadata["uid"]} ${metadata["resourceVersion"]}`,
      ]),
    );
  }

  /** A copy of a sample chart that a test may change. */
  chartCopy(name: string): string {
    const to = join(this.scratch, `${name}-${randomUUID().slice(0, 8)}`);
    cpSync(join(ROOT, chartPath(name)), to, { recursive: true });
    return to;
  }
}

/** One run of the engine, as its user sees it. */
export interface Run {
  ok: boolean;
  /** stdout and stderr as the terminal shows them. */
  text: string;
}

function toRun(result: { exitCode: number; all?: string; stdout: string; stderr: string }): Run {
  return { ok: result.exitCode === 0, text: result.all ?? `${result.stdout}\n${result.stderr}` };
}

/** Fails with the whole output, which is what one needs to see, unless the run succeeded. */
export function mustSucceed(run: Run): Run {
  if (!run.ok) throw new Error(`the run failed:\n${run.text}`);
  return run;
}
