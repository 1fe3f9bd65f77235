import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import type { Socket } from "node:net";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import execa from "execa";

import { CHECKOUT, CLUSTERS_DIR, STATE_DIR } from "../paths";
import { preparePostgres } from "../postgres";
import { Progress } from "../progress";
import type { Tools } from "../tools";
import { bootstrap } from "./bootstrap";
import { destroyCluster } from "./destroy";
import { defaultLogFile, kwokctlConfig } from "./kwok";
import { criLog, LOG_OF_ALL } from "./logs";
import { freePorts } from "./ports";
import { endProcess, isAlive, MARKER, readPid } from "./processes";
import {
  clusterDir,
  clusterNames,
  keeperRuns,
  NAME_PATTERN,
  readPostgresEnv,
  readState,
  writePostgresEnv,
  writeState,
  type ClusterState,
} from "./state";

export interface ClusterOptions {
  /** Lower-case letters, digits and `-`; default random. */
  name?: string;
  /** Keep the cluster until it is stopped; default false: it ends with this process, even on `kill -9`. */
  detached?: boolean;
  /** Default 2. */
  nodes?: number;
  /** Run a PostgreSQL server that `kubectl exec` reaches from any pod; default false. */
  postgres?: boolean;
  /** Serve the storage migration API, which is off by default in this version of Kubernetes; default false. */
  storageMigration?: boolean;
  /** Default: prints to stderr. */
  progress?: Progress;
}

/** A running embedded cluster. */
export interface Cluster {
  name: string;
  /** All its files, logs of the components under `logs/` among them. */
  dir: string;
  /** Path of a kubeconfig with cluster-admin rights and this cluster only. */
  kubeconfig: string;
  context: string;
  /** How `psql` reaches the cluster's PostgreSQL server; undefined when it was not asked for. */
  postgresEnv?: Record<string, string>;
  /** Ends all processes and removes all files of the cluster. Can be repeated. */
  stop(): Promise<void>;
  /** Kills the API server; everything else keeps running. */
  stopApiServer(): Promise<void>;
  /** Brings the API server back, same address and data, and waits until it serves. */
  startApiServer(): Promise<void>;
}

/** How long a keeper may take to end a cluster, in milliseconds. */
const STOP_MS = 30_000;

/** Environment of kwokctl: its state inside ours, our kubectl first on PATH, and the mark every component inherits. */
function kwokctlEnv(dir: string, binDir: string): NodeJS.ProcessEnv {
  return {
    KWOK_WORKDIR: STATE_DIR,
    PATH: `${binDir}${path.delimiter}${process.env.PATH ?? ""}`,
    [MARKER]: dir,
    // kwokctl starts components with what it has; theirs is not the user's cluster.
    KUBECONFIG: path.join(dir, "kubeconfig.yaml"),
  };
}

/** Runs one of the scripts beside this file for the cluster in `dir`, independent of this process. */
function startHelper(script: string, dir: string, args: string[], stdin: "pipe" | "ignore", mark = {}): ChildProcess {
  const log = fs.openSync(path.join(dir, `${script}.log`), "a");
  const child = spawn(process.execPath, ["--import", "tsx", path.join(__dirname, `${script}.ts`), dir, ...args], {
    cwd: CHECKOUT,
    detached: true,
    stdio: [stdin, log, log],
    // Options meant for this process, such as a debugger's or a test runner's, are not for the helpers.
    env: { ...process.env, NODE_OPTIONS: "", ...mark },
  });
  fs.closeSync(log);
  child.unref();
  // The pipe must not keep this process running either.
  (child.stdin as Socket | null)?.unref();
  return child;
}

/** Ends clusters whose owner and keeper were both killed; such a cluster would stay for ever otherwise. */
async function removeOrphans(progress: Progress): Promise<void> {
  for (const name of clusterNames()) {
    const dir = clusterDir(name);
    const state = readState(dir);
    if (!state || state.detached || keeperRuns(dir, state) || isAlive(state.ownerPid)) continue;
    progress.line(`cluster ${name} was left behind by process ${state.ownerPid}: removing it`);
    await destroyCluster(dir);
  }
}

async function waitUntilGone(dir: string, state: ClusterState): Promise<void> {
  const deadline = Date.now() + STOP_MS;
  while (keeperRuns(dir, state) && Date.now() < deadline) await sleep(20);
  // The keeper did its work, or is gone, or hangs: whatever is left goes now.
  if (keeperRuns(dir, state)) await endProcess(state.keeperPid, "SIGKILL");
  if (fs.existsSync(dir)) await destroyCluster(dir);
}

/** A handle on the cluster in `dir`. `release` is called before stopping, to let the keeper's pipe go. */
function handle(dir: string, state: ClusterState, binDir: string, release?: () => void): Cluster {
  const kubeconfig = path.join(dir, "kubeconfig.yaml");
  const apiServerPid = path.join(dir, "pids", "kube-apiserver.pid");
  return {
    name: state.name,
    dir,
    kubeconfig,
    context: `kwok-${state.name}`,
    postgresEnv: readPostgresEnv(dir),
    async stop() {
      release?.();
      if (keeperRuns(dir, state)) process.kill(state.keeperPid, "SIGTERM");
      await waitUntilGone(dir, state);
    },
    async stopApiServer() {
      const pid = readPid(apiServerPid);
      if (pid && isAlive(pid) && !(await endProcess(pid, "SIGKILL"))) throw new Error(`API server ${pid} does not end`);
      await fs.promises.rm(apiServerPid, { force: true });
    },
    async startApiServer() {
      await execa(path.join(binDir, "kwokctl"), ["start", "cluster", "--name", state.name], {
        env: kwokctlEnv(dir, binDir),
      });
      const ready = ["--kubeconfig", kubeconfig, "get", "--raw", "/readyz"];
      for (let tries = 0; ; tries++) {
        const { exitCode, stderr } = await execa(path.join(binDir, "kubectl"), ready, { reject: false });
        if (exitCode === 0) return;
        if (tries === 300) throw new Error(`the API server does not become ready: ${stderr}`);
        await sleep(100);
      }
    },
  };
}

/** The running cluster `name` of this checkout; undefined when there is none. */
export function findCluster(tools: Tools, name: string): Cluster | undefined {
  const dir = clusterDir(name);
  const state = readState(dir);
  return state?.ready && keeperRuns(dir, state) ? handle(dir, state, tools.binDir) : undefined;
}

/** Stops the cluster `name`, whatever state it is in. @returns false when there was none. */
export async function stopCluster(name: string): Promise<boolean> {
  const dir = clusterDir(name);
  if (!NAME_PATTERN.test(name) || !fs.existsSync(dir)) return false;
  const state = readState(dir);
  if (state && keeperRuns(dir, state)) process.kill(state.keeperPid, "SIGTERM");
  if (state) await waitUntilGone(dir, state);
  else await destroyCluster(dir);
  return true;
}

/**
 * Starts an embedded cluster: real etcd, API server, controllers and scheduler, simulated nodes and pods.
 * @throws when the name is taken or malformed, or with the end of the failing component's log.
 */
export async function startCluster(tools: Tools, options: ClusterOptions = {}): Promise<Cluster> {
  const name = options.name ?? `c${randomBytes(4).toString("hex")}`;
  const progress = options.progress ?? new Progress();
  const detached = options.detached ?? false;
  if (!NAME_PATTERN.test(name))
    throw new Error(`"${name}" is no cluster name: lower-case letters, digits and "-", at most 32`);
  await fs.promises.mkdir(CLUSTERS_DIR, { recursive: true });
  await removeOrphans(progress);
  const dir = clusterDir(name);
  try {
    await fs.promises.mkdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new Error(`there is a cluster "${name}" already; stop it with: make stop NAME=${name}`, { cause: error });
  }
  for (const folder of ["pod-logs", "exec", "volume"]) await fs.promises.mkdir(path.join(dir, folder));

  // Not marked as a process of the cluster: it is the one that ends the marked ones.
  const keeper = detached
    ? startHelper("keeper", dir, ["--detached"], "ignore")
    : startHelper("keeper", dir, [], "pipe");
  const state: ClusterState = {
    name,
    detached,
    keeperPid: keeper.pid ?? 0,
    ownerPid: process.pid,
    createdAt: new Date().toISOString(),
    ready: false,
  };
  const save = (change: Partial<ClusterState>) => writeState(dir, Object.assign(state, change));
  save({});
  const cluster = () => handle(dir, state, tools.binDir, () => keeper.stdin?.end());
  try {
    await progress.step(`start cluster ${name}`, async (detail) => {
      const postgres = options.postgres ? await preparePostgres(dir) : undefined;
      if (postgres) {
        save({ postgresDir: postgres.dir });
        writePostgresEnv(dir, postgres.env);
      }
      const [etcd = 0, etcdPeer = 0, apiServer = 0, controllerManager = 0, scheduler = 0, kwok = 0] =
        await freePorts(6);
      const ports = { etcd, etcdPeer, apiServer, controllerManager, scheduler, kwok };
      const config = path.join(dir, "kwokctl.yaml");
      await fs.promises.writeFile(
        config,
        kwokctlConfig(tools, dir, ports, postgres?.env ?? {}, options.storageMigration),
      );
      await fs.promises.writeFile(defaultLogFile(dir), criLog(`${LOG_OF_ALL}\n`));
      await Promise.all([postgres?.start(), createWithKwokctl(tools, dir, name, config)]);
      startHelper("pod-server", dir, [], "ignore", { [MARKER]: dir });
      detail("waiting for nodes");
      await bootstrap(tools.path("kubectl"), path.join(dir, "kubeconfig.yaml"), options.nodes ?? 2);
    });
  } catch (error) {
    await cluster().stop();
    throw error;
  }
  save({ ready: true });
  return cluster();
}

async function createWithKwokctl(tools: Tools, dir: string, name: string, config: string): Promise<void> {
  // An empty --kubeconfig keeps kwokctl from adding the cluster to ~/.kube/config.
  const args = ["create", "cluster", "--name", name, "--config", config, "--kubeconfig", "", "--timeout", "90s"];
  const { exitCode, stderr } = await execa(tools.path("kwokctl"), args, {
    env: kwokctlEnv(dir, tools.binDir),
    reject: false,
  });
  if (exitCode === 0) return;
  const tail = (text: string) => text.trim().split("\n").slice(-5).join("\n");
  const logs = path.join(dir, "logs");
  const components = fs.existsSync(logs)
    ? fs.readdirSync(logs).map((file) => `${file}:\n${tail(fs.readFileSync(path.join(logs, file), "utf8"))}`)
    : [];
  throw new Error([`kwokctl could not create the cluster:\n${tail(stderr)}`, ...components].join("\n"));
}
