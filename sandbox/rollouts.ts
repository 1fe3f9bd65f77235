import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import execa from "execa";

import type { Cluster } from "./cluster/cluster";
import { freePorts } from "./cluster/ports";
import { MARKER } from "./cluster/processes";
import type { Tools } from "./tools";
import { moduleSource } from "./tools/build";
import { ROLLOUTS } from "./tools/catalog";

/** How long the controller may take until it answers, in milliseconds. */
const READY_MS = 60_000;

/** Argo's controller of a cluster: the real one, as a process of this machine. */
export interface RolloutsController {
  /** Ends the process. */
  kill(): void;
}

/**
 * Installs the kinds of Argo Rollouts and starts their controller beside the API server.
 *
 * @param argo the tool, as `toolIfBuilt` gives it.
 */
export async function startRollouts(cluster: Cluster, tools: Tools, argo: Tools): Promise<RolloutsController> {
  const crds = path.join(await moduleSource(ROLLOUTS), "manifests", "crds");
  const files = (await fs.promises.readdir(crds)).filter((name) => name.endsWith("-crd.yaml"));
  await execa(tools.path("kubectl"), [
    ...["--kubeconfig", cluster.kubeconfig, "apply", "--server-side"],
    ...files.flatMap((name) => ["--filename", path.join(crds, name)]),
  ]);
  // Served a moment later: `kubectl wait` fails for a CRD that has no condition yet.
  const list = ["--kubeconfig", cluster.kubeconfig, "get", "rollouts.argoproj.io", "--all-namespaces"];
  for (const end = Date.now() + READY_MS; ; await sleep(100)) {
    const { failed, stderr } = await execa(tools.path("kubectl"), list, { reject: false });
    if (!failed) break;
    if (Date.now() > end) throw new Error(`the kinds of Argo Rollouts are not served: ${stderr}`);
  }
  const [metrics = 0, health = 0] = await freePorts(2);
  const log = fs.openSync(path.join(cluster.dir, "rollouts-controller.log"), "a");
  const child = spawn(
    argo.path("rollouts-controller"),
    [
      ...["--kubeconfig", cluster.kubeconfig, "--leader-elect=false"],
      ...["--metricsPort", `${metrics}`, "--healthzPort", `${health}`],
    ],
    // It ends with the cluster, which ends what carries its mark.
    { cwd: cluster.dir, env: { PATH: process.env["PATH"], [MARKER]: cluster.dir }, stdio: ["ignore", log, log] },
  );
  fs.closeSync(log);
  child.unref();
  for (const end = Date.now() + READY_MS; ; await sleep(100)) {
    const answer = await fetch(`http://127.0.0.1:${health}/healthz`).catch(() => undefined);
    if (answer?.ok) return { kill: () => void child.kill("SIGKILL") };
    if (Date.now() > end) throw new Error(`the controller is not ready after ${READY_MS / 1000} s; see ${cluster.dir}`);
  }
}
