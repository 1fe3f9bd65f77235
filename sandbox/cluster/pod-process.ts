import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as k8s from "@kubernetes/client-node";

import { findAlembic } from "../python-tools";
import { CHECKOUT } from "../paths";
import { criLog, LOG_OF_ALL } from "./logs";
import { containerEnvironment, createFor, type PodServices } from "./pod-services";
import { ANNOTATION } from "./stages";

/** Time from the end of a process to the next one, in milliseconds; a kubelet waits 10 s at first. */
const AGAIN_MS = 1_000;
/** Longest wait for kwok to know a pod's log, in milliseconds. */
const LOG_MS = 20_000;

interface Running {
  child?: ChildProcess;
  stopped: boolean;
}

/**
 * Real processes behind simulated pods: what a kubelet does with a container's process, its state, its log, and the
 * next one after it has failed.
 */
export class PodProcesses {
  private readonly running = new Map<string, Running>();

  constructor(private readonly services: PodServices) {}

  /** Starts the process that the pod's annotation names, if it names one. */
  async start(pod: k8s.V1Pod): Promise<void> {
    const command = pod.metadata?.annotations?.[ANNOTATION.process];
    const uid = pod.metadata?.uid ?? "";
    if (command === undefined || this.running.has(uid)) return;
    const files = logFiles(this.services, uid);
    for (const file of [files.now, files.before]) fs.writeFileSync(file, "");
    await createFor(this.services, pod, "Logs", { logs: [{ logsFile: files.now, previousLogsFile: files.before }] });
    const state: Running = { stopped: false };
    this.running.set(uid, state);
    await this.hasItsLog(pod, state);
    await this.patchAnnotation(pod, ANNOTATION.logReady);
    void this.life(pod, command, state).catch((error: Error) => {
      this.services.log(`the process of pod ${pod.metadata?.namespace}/${pod.metadata?.name}: ${error.message}`);
    });
  }

  /** The pod is gone. */
  stop(pod: k8s.V1Pod): void {
    const state = this.running.get(pod.metadata?.uid ?? "");
    if (!state) return;
    state.stopped = true;
    if (state.child?.pid) endGroup(state.child.pid);
  }

  private async life(pod: k8s.V1Pod, command: string, state: Running): Promise<void> {
    if (!(await this.isStarted(pod, state))) return;
    const uid = pod.metadata?.uid ?? "";
    const isJob = (pod.metadata?.ownerReferences ?? []).some(({ kind }) => kind === "Job");
    for (let restarts = 0; !state.stopped; restarts++) {
      const startedAt = new Date().toISOString();
      const exitCode = await this.run(pod, command, state);
      if (state.stopped) return;
      const terminated = {
        exitCode,
        reason: exitCode === 0 ? "Completed" : "Error",
        startedAt,
        finishedAt: new Date().toISOString(),
      };
      if (exitCode === 0 && !isJob)
        return this.patch(pod, { ready: true, restarts, state: { running: { startedAt } } });
      const ended = exitCode === 0 || pod.spec?.restartPolicy === "Never";
      if (ended)
        return this.patch(pod, {
          ready: false,
          restarts,
          state: { terminated },
          phase: exitCode === 0 ? "Succeeded" : "Failed",
        });
      const waiting = { reason: "CrashLoopBackOff", message: "back-off restarting failed container" };
      await this.patch(pod, { ready: false, restarts: restarts + 1, state: { waiting }, lastState: { terminated } });
      await sleep(AGAIN_MS);
      if (state.stopped) return;
      const files = logFiles(this.services, uid);
      fs.copyFileSync(files.now, files.before);
      fs.writeFileSync(files.now, "");
      const running = { startedAt: new Date().toISOString() };
      await this.patch(pod, { ready: false, restarts: restarts + 1, state: { running }, lastState: { terminated } });
    }
  }

  /**
   * kwok learns of a pod's own log some time after it is told, in a new cluster long after; until then it gives the one
   * of all pods, and whoever follows that never sees the other.
   */
  private async hasItsLog(pod: k8s.V1Pod, state: Running): Promise<void> {
    const api = this.services.kubeconfig.makeApiClient(k8s.CoreV1Api);
    const { name = "", namespace = "" } = pod.metadata ?? {};
    const container = pod.spec?.containers[0]?.name;
    const end = Date.now() + LOG_MS;
    while (!state.stopped && Date.now() < end) {
      // Refused as long as the pod has no node.
      const text = await api.readNamespacedPodLog({ name, namespace, container }).catch(() => LOG_OF_ALL);
      if (!text.includes(LOG_OF_ALL)) return;
      await sleep(50);
    }
  }

  /** The pod's first state is kwok's to write. */
  private async isStarted(pod: k8s.V1Pod, state: Running): Promise<boolean> {
    const api = this.services.kubeconfig.makeApiClient(k8s.CoreV1Api);
    const { name = "", namespace = "" } = pod.metadata ?? {};
    while (!state.stopped) {
      const { status } = await api.readNamespacedPod({ name, namespace });
      if (status?.podIP) return true;
      await sleep(50);
    }
    return false;
  }

  private async run(pod: k8s.V1Pod, command: string, state: Running): Promise<number> {
    const [container] = pod.spec?.containers ?? [];
    const { namespace = "", uid = "", name = "" } = pod.metadata ?? {};
    const { postgresEnv = {} } = this.services;
    const own = container ? await containerEnvironment(this.services, namespace, container) : {};
    const places = [findAlembic(), postgresEnv.PATH ?? process.env.PATH].filter(Boolean).join(path.delimiter);
    const env = { ...process.env, ...own, ...postgresEnv, PATH: places, HOSTNAME: name, PYTHONDONTWRITEBYTECODE: "1" };
    const file = logFiles(this.services, uid).now;
    const child = spawn("sh", ["-c", command], {
      cwd: CHECKOUT,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    state.child = child;
    const rest = { text: "" };
    const write = (chunk: string) => {
      const lines = `${rest.text}${chunk}`.split("\n");
      rest.text = lines.pop() ?? "";
      if (lines.length > 0) fs.appendFileSync(file, criLog(lines.join("\n")));
    };
    child.stdout.setEncoding("utf8").on("data", write);
    child.stderr.setEncoding("utf8").on("data", write);
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => {
        if (rest.text !== "") fs.appendFileSync(file, criLog(rest.text));
        resolve(code ?? 137);
      });
    });
  }

  private async patchAnnotation(pod: k8s.V1Pod, annotation: string): Promise<void> {
    const { name = "", namespace = "" } = pod.metadata ?? {};
    const body = { metadata: { annotations: { [annotation]: "true" } } };
    await this.services.kubeconfig
      .makeApiClient(k8s.CoreV1Api)
      .patchNamespacedPod(
        { name, namespace, body },
        k8s.setHeaderOptions("Content-Type", k8s.PatchStrategy.StrategicMergePatch),
      );
  }

  private async patch(
    pod: k8s.V1Pod,
    {
      ready,
      restarts,
      state,
      lastState,
      phase,
    }: { ready: boolean; restarts: number; state: object; lastState?: object; phase?: string },
  ): Promise<void> {
    const lastTransitionTime = new Date().toISOString();
    const status = ready ? "True" : "False";
    const conditions = ["Ready", "ContainersReady"].map((type) => ({
      type,
      status,
      reason: ready ? "" : "ContainersNotReady",
      lastTransitionTime,
    }));
    const containerStatuses = (pod.spec?.containers ?? []).map(({ name, image }) => ({
      ...{ name, image, imageID: image, ready, restartCount: restarts, started: ready, state },
      ...(lastState ? { lastState } : {}),
    }));
    const body = { status: { ...(phase ? { phase } : {}), conditions, containerStatuses } };
    const { name = "", namespace = "" } = pod.metadata ?? {};
    await this.services.kubeconfig
      .makeApiClient(k8s.CoreV1Api)
      .patchNamespacedPodStatus(
        { name, namespace, body },
        k8s.setHeaderOptions("Content-Type", k8s.PatchStrategy.StrategicMergePatch),
      );
  }
}

function logFiles({ dir }: PodServices, uid: string) {
  const file = (end: string) => path.join(dir, "pod-logs", `${uid}${end}.log`);
  return { now: file(""), before: file(".before") };
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
