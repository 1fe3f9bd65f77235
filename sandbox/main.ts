/** The sandbox from the command line; see `USAGE`. */
import * as fs from "node:fs";
import { parseArgs } from "node:util";

import { findCluster, startCluster, stopCluster, type Cluster } from "./cluster/cluster";
import { clusterProcesses, endProcess, processesWithArgumentIn } from "./cluster/processes";
import { clusterDir, clusterNames, keeperRuns, readState } from "./cluster/state";
import { istiodIsWanted } from "./istio";
import { messageOf } from "../shared/helper-program";
import { CHECKOUT, STATE_DIR, toolCacheDir } from "./paths";
import { Progress } from "./progress";
import { ensureSystemPackages } from "./system";
import { ensureTools } from "./tools";
import { HELM4, ISTIOD, ROLLOUTS, VERSITYGW } from "./tools/catalog";

const USAGE = `usage: node --import tsx sandbox/main.ts <command>

  setup                 find, download or build all tools; check system packages
  start [--name NAME]   start a cluster that stays until it is stopped (default name: casa)
  stop [--name NAME | --all]
  status                list the clusters of this checkout
  env [--name NAME]     print shell lines that set KUBECONFIG and PATH
  clean                 stop all clusters; remove .sandbox, node_modules and the tool cache`;

const DEFAULT_NAME = "casa";

/** Quotes a text for a POSIX shell. */
const shell = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

async function setup(progress: Progress) {
  await ensureSystemPackages(progress);
  const tools = await ensureTools(progress);
  await ensureTools(progress, [VERSITYGW]);
  if (istiodIsWanted()) {
    for (const tool of [ISTIOD, HELM4, ROLLOUTS]) {
      await ensureTools(progress, [tool]).catch((error: unknown) => {
        // Everything else can be tested without it, and the tests that need it say that they did not run.
        progress.line(`${tool.name} cannot be built, so no test uses a real one: ${messageOf(error)}`);
      });
    }
  }
  return tools;
}

function printCluster(cluster: Cluster): void {
  console.log(`cluster ${cluster.name} is running, context ${cluster.context}`);
  console.log(`export KUBECONFIG=${shell(cluster.kubeconfig)}`);
}

async function start(name: string): Promise<void> {
  const progress = new Progress();
  const tools = await setup(progress);
  const running = findCluster(tools, name);
  printCluster(running ?? (await startCluster(tools, { name, detached: true, postgres: true, progress })));
}

async function stop(names: string[]): Promise<void> {
  for (const name of names) {
    const stopped = await new Progress().step(`stop cluster ${name}`, () => stopCluster(name));
    if (!stopped) throw new Error(`there is no cluster "${name}"; running: ${clusterNames().join(", ") || "none"}`);
  }
}

function status(): void {
  const names = clusterNames();
  if (names.length === 0) console.log("no clusters");
  for (const name of names) {
    const dir = clusterDir(name);
    const state = readState(dir);
    const health = !state ? "broken" : !keeperRuns(dir, state) ? "left behind" : state.ready ? "running" : "starting";
    const life = state?.detached ? "until stopped" : `with process ${state?.ownerPid ?? "?"}`;
    console.log(`${name}  ${health}  ${life}  ${clusterProcesses(dir).length} processes  ${dir}/kubeconfig.yaml`);
  }
}

async function env(name: string): Promise<void> {
  const tools = await ensureTools(Progress.silent());
  const cluster = findCluster(tools, name);
  if (!cluster) throw new Error(`cluster "${name}" is not running; start it with: make start NAME=${name}`);
  console.log(`export KUBECONFIG=${shell(cluster.kubeconfig)}`);
  console.log(`export PATH=${shell(tools.binDir)}:"$PATH"`);
}

async function clean(): Promise<void> {
  await stop(clusterNames());
  for (const pid of processesWithArgumentIn(STATE_DIR)) await endProcess(pid, "SIGKILL");
  // node_modules goes last: this program runs from it.
  for (const dir of [STATE_DIR, toolCacheDir(), `${CHECKOUT}/node_modules`]) {
    await fs.promises.rm(dir, { recursive: true, force: true });
    console.log(`removed ${dir}`);
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { name: { type: "string" }, all: { type: "boolean" } },
  });
  const name = values.name ?? DEFAULT_NAME;
  switch (positionals.join(" ")) {
    case "setup":
      return void (await setup(new Progress()));
    case "start":
      return start(name);
    case "stop":
      return stop(values.all ? clusterNames() : [name]);
    case "status":
      return status();
    case "env":
      return env(name);
    case "clean":
      return clean();
    default:
      throw new Error(USAGE);
  }
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
