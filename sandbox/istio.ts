import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import execa from "execa";
import { stringify } from "yaml";

import { parseManifest } from "../kubernetes/objects";
import type { Cluster } from "./cluster/cluster";
import { freePorts } from "./cluster/ports";
import { MARKER } from "./cluster/processes";
import type { Tools } from "./tools";
import { moduleSource } from "./tools/build";
import { ISTIOD } from "./tools/catalog";

const NAMESPACE = "istio-system";
/** How long a control plane may take until its injector answers, in milliseconds. */
const READY_MS = 60_000;

/** What of the chart is not there on a simulated cluster: the process beside it plays the Deployment. */
const LEFT_OUT = new Set(["Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget"]);

/** One Istio control plane of a cluster: a real istiod, as a process of this machine. */
export interface Istiod {
  revision: string;
  /** Ends the process, as a node that dies does; the webhooks stay. */
  kill(): void;
  /** Brings it back at the same address. */
  start(): Promise<void>;
}

/** Who wants istiod built: `CI=true` and `CASA_UPGRADE_ISTIO=1`. It takes 7 minutes of processor time. */
export function istiodIsWanted(): boolean {
  return process.env["CI"] === "true" || process.env["CASA_UPGRADE_ISTIO"] === "1";
}

/** The folder of Istio's charts, of the version that the tool is built from. */
async function charts(): Promise<string> {
  return path.join(await moduleSource(ISTIOD), "manifests", "charts");
}

/** Istio's real CRDs in the place of the sandbox's stand-ins. */
export async function installIstioCrds(cluster: Cluster, tools: Tools): Promise<void> {
  const file = path.join(await charts(), "base", "files", "crd-all.gen.yaml");
  const kubectl = (...args: string[]) => execa(tools.path("kubectl"), ["--kubeconfig", cluster.kubeconfig, ...args]);
  await kubectl("apply", "--server-side", "--force-conflicts", "--filename", file);
  await kubectl("create", "namespace", NAMESPACE);
}

/**
 * Starts a control plane: its webhooks and settings from Istio's own chart, its process beside the API server.
 *
 * @param istio the tool, as `toolIfBuilt` gives it.
 * @param values more values of the chart, as `--set` takes them, such as `global.tag=1.2.3` for another proxy.
 */
export async function startIstiod(
  cluster: Cluster,
  tools: Tools,
  istio: Tools,
  revision = "default",
  values: string[] = [],
): Promise<Istiod> {
  const [https = 0, grpc = 0, secureGrpc = 0, http = 0, monitoring = 0] = await freePorts(5);
  const chart = path.join(await charts(), "istio-control", "istio-discovery");
  const set = [...(revision === "default" ? [] : [`revision=${revision}`]), ...values];
  const rendered = await execa(tools.path("helm"), [
    ...["template", `istiod-${revision}`, chart, "--namespace", NAMESPACE],
    ...set.flatMap((value) => ["--set", value]),
  ]);
  const objects = parseManifest(rendered.stdout)
    .map(({ object }) => object)
    .filter(({ kind }) => !LEFT_OUT.has(kind));
  await execa(
    tools.path("kubectl"),
    ["--kubeconfig", cluster.kubeconfig, "apply", "--server-side", "--force-conflicts", "--filename", "-"],
    { input: objects.map((object) => stringify(atPort(object, https), { version: "1.1" })).join("---\n") },
  );

  const suffix = revision === "default" ? "" : `-${revision}`;
  const args = [
    ...["discovery", "--kubeconfig", cluster.kubeconfig, "--httpsAddr", `127.0.0.1:${https}`],
    ...["--grpcAddr", `127.0.0.1:${grpc}`, "--secureGRPCAddr", `127.0.0.1:${secureGrpc}`],
    ...["--httpAddr", `127.0.0.1:${http}`, "--monitoringAddr", `127.0.0.1:${monitoring}`, "--ctrlz_port", "0"],
  ];
  const env = {
    PATH: process.env["PATH"],
    POD_NAMESPACE: NAMESPACE,
    REVISION: revision,
    PILOT_CERT_PROVIDER: "istiod",
    ISTIOD_CUSTOM_HOST: "127.0.0.1",
    INJECTION_WEBHOOK_CONFIG_NAME: `istio-sidecar-injector${suffix}`,
    VALIDATION_WEBHOOK_CONFIG_NAME: `istio-validator${suffix}-${NAMESPACE}`,
    // It ends with the cluster, which ends what carries its mark.
    [MARKER]: cluster.dir,
  };
  let child: ChildProcess | undefined;
  const start = async () => {
    const log = fs.openSync(path.join(cluster.dir, `istiod-${revision}.log`), "a");
    // It writes a cache beside where it is started.
    child = spawn(istio.path("pilot-discovery"), args, { cwd: cluster.dir, env, stdio: ["ignore", log, log] });
    fs.closeSync(log);
    child.unref();
    await ready(cluster, tools, `istio-sidecar-injector${suffix}`, http);
  };
  await start();
  return { revision, start, kill: () => void child?.kill("SIGKILL") };
}

/** The webhooks call the process directly: there is no pod behind the Service. */
function atPort<T extends { kind: string }>(object: T, port: number): T {
  if (!/WebhookConfiguration$/.test(object.kind)) return object;
  const copy = structuredClone(object) as T & { webhooks?: { clientConfig: { service?: { path?: string } } }[] };
  for (const { clientConfig } of copy.webhooks ?? []) {
    const { path: at = "/" } = clientConfig.service ?? {};
    delete clientConfig.service;
    Object.assign(clientConfig, { url: `https://127.0.0.1:${port}${at}` });
  }
  return copy;
}

/** Ready is when istiod says so and has put its certificate into the webhooks. */
async function ready(cluster: Cluster, tools: Tools, webhook: string, http: number): Promise<void> {
  const deadline = Date.now() + READY_MS;
  const bundles = [
    "get",
    "mutatingwebhookconfiguration",
    webhook,
    "--output",
    "jsonpath={.webhooks[*].clientConfig.caBundle}",
  ];
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${http}/ready`).catch(() => undefined);
    if (answer?.ok) {
      const { stdout } = await execa(tools.path("kubectl"), ["--kubeconfig", cluster.kubeconfig, ...bundles]);
      if (stdout.trim() !== "") return;
    }
    if (Date.now() > deadline) throw new Error(`istiod is not ready after ${READY_MS / 1000} s; see ${cluster.dir}`);
    await sleep(100);
  }
}
