import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { connectForWriting } from "../../kubernetes/connect";
import { chartPath, mustSucceed, World } from "../integration/world/world";
import { type Figure, median, misses, table } from "./figures";
import { populate } from "./population";
import { watchUsage } from "./usage";

/**
 * A preview on a large cluster: 1,000 workloads of 20 systems, 50 CASAPolicies each. Prints seconds and
 * memory of all processes (medians of `ROUNDS`, default 3), and of the last round processor time and requests to the
 * API server. `CHECK=1` ends with exit code 1 where a limit is missed. The sizes are `WORKLOADS` and `CRS_PER_WORKLOAD`
 * of the environment. Setting the cluster up takes some minutes on two cores.
 */
const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
const WORKLOADS = Number(process.env["WORKLOADS"] ?? 1000);
const CRS_PER_WORKLOAD = Number(process.env["CRS_PER_WORKLOAD"] ?? 50);
const SYSTEMS = Math.min(20, WORKLOADS);
/**
 * The user that previews: one of the few whose requests the API server counts by name, and which nothing else here
 * uses.
 */
const USER = { namespace: "kube-system", name: "default" };
/** Its kubeconfig context. */
const CONTEXT = "bench";

async function main(): Promise<void> {
  const world = await World.open();
  console.log(world.engine.describePlugins());
  try {
    await step(`${WORKLOADS} workloads, ${WORKLOADS * CRS_PER_WORKLOAD} policies`, () => fill(world));
    const kubeconfig = await step("a user of its own", () => createUser(world));
    await world.useVersion("0.2.0", { context: CONTEXT, kubeconfig });
    await world.engine.pulumi(["version"]); // builds the embedded plugins, if need be

    const seconds: number[] = [];
    const memory: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const before = await requestsOfUser(world);
      const start = Date.now();
      const { processes, peakMiB } = await watchUsage(async () => mustSucceed(await world.preview()));
      seconds.push((Date.now() - start) / 1000);
      memory.push(peakMiB);
      if (round < ROUNDS - 1) continue;
      console.log(`requests to the API server: ${(await requestsOfUser(world)) - before}`);
      const cpu = processes.reduce((total, { cpuSeconds }) => total + cpuSeconds, 0);
      const rows = processes.slice(0, 6).map((one) => [one.name, one.cpuSeconds, one.peakMiB] as const);
      console.log("| process | processor time | peak memory |\n|---|---|---|");
      for (const [name, used, peak] of [...rows, [`all ${processes.length}, at one moment`, cpu, peakMiB] as const]) {
        console.log(`| ${name} | ${used.toFixed(1)} s | ${peak.toFixed(0)} MiB |`);
      }
    }
    const isFull = WORKLOADS === 1000 && CRS_PER_WORKLOAD === 50;
    const figure: Figure = {
      what: `pulumi preview, ${WORKLOADS} workloads to restart, ${WORKLOADS * CRS_PER_WORKLOAD} policies`,
      seconds,
      memoryMiB: median(memory),
      ...(isFull ? { limit: { seconds: 15, of: "15 s" }, memoryLimitMiB: 800 } : {}),
    };
    console.log(table([figure]));
    const missed = misses(figure);
    for (const text of missed) console.log(`missed: ${text}`);
    if (process.env["CHECK"] === "1" && missed.length > 0) process.exitCode = 1;
  } finally {
    await world.close();
  }
}

/**
 * The runtime as somebody installed it by hand, with the policies' CRD of the next version, and everything that uses
 * it.
 */
async function fill(world: World): Promise<void> {
  await world.kubectl(["apply", "--server-side", "-f", `${chartPath("casa-runtime-0.2.0")}/crds`]);
  await world.helmInstall("0.1.0");
  const { kubeconfig, context } = world.cluster;
  const { api } = await connectForWriting({ kubeconfig, context, timeoutSeconds: 60 });
  const size = { workloads: WORKLOADS, systems: SYSTEMS, policiesPerWorkload: CRS_PER_WORKLOAD };
  await populate(api, size, (created) => console.log(`  ${created} objects`));
  for (let i = 0; i < SYSTEMS; i++) {
    const namespace = `mas-${String(i + 1).padStart(2, "0")}`;
    await world.kubectl(["rollout", "status", "deployments", "-n", namespace, "--timeout=600s"]);
  }
}

/** Makes the user an administrator. @returns the path of a kubeconfig. */
async function createUser(world: World): Promise<string> {
  const { namespace, name } = USER;
  const admin = ["--clusterrole=cluster-admin", `--serviceaccount=${namespace}:${name}`];
  await world.kubectl(["create", "clusterrolebinding", "bench", ...admin]);
  const token = await world.kubectl(["create", "token", name, "--namespace", namespace, "--duration", "24h"]);

  const kubeconfig = join(world.scratch, "user.yaml");
  copyFileSync(world.cluster.kubeconfig, kubeconfig);
  // A second --kubeconfig wins over the first.
  const config = (...args: string[]) => world.kubectl(["--kubeconfig", kubeconfig, "config", ...args]);
  await config("set-credentials", CONTEXT, `--token=${token}`);
  await config("set-context", CONTEXT, "--cluster", world.cluster.context, "--user", CONTEXT);
  return kubeconfig;
}

/** Requests of the user so far, those of helm, kubectl and plugins included. */
async function requestsOfUser(world: World): Promise<number> {
  const metrics = await world.kubectl(["get", "--raw", "/metrics"]);
  const { namespace, name } = USER;
  const counter = `authenticated_user_requests{username="system:serviceaccount:${namespace}:${name}"} `;
  const line = metrics.split("\n").find((text) => text.startsWith(counter));
  return Number(line?.slice(counter.length) ?? 0);
}

async function step<T>(what: string, run: () => Promise<T>): Promise<T> {
  const start = Date.now();
  console.log(`${what} ...`);
  const result = await run();
  console.log(`${what}: done in ${((Date.now() - start) / 1000).toFixed(1)} s`);
  return result;
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
