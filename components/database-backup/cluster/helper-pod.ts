import { UserError } from "../../../shared/user-error";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { hasEnded, type HelperOwner, helperState, OWNER_LABEL, ownerHash } from "../helper-pod-spec";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterWriter } from "../../../kubernetes/connect";
import { oneLine } from "../../../diagnosis/explanation";
import { type LivePod, podSchema } from "../../../kubernetes/pods";
import type { ScriptPlace } from "./run-script";
import { kubectlProblem } from "../../../kubernetes/kubectl";

const POD = { apiVersion: "v1", kind: "Pod" };
const leftPod = z.looseObject({
  metadata: z.looseObject({ name: z.string(), labels: z.record(z.string(), z.string()).default({}) }),
  status: z.looseObject({ phase: z.string().default("Unknown") }).prefault({}),
});
const created = z.looseObject({ metadata: z.looseObject({ name: z.string() }) });

/** How long a helper pod may take. */
export interface HelperLimits {
  /** From its creation until it can be used, in seconds. */
  startSeconds: number;
  /** Until it ends by itself, in seconds. */
  lifeSeconds: number;
}

/** What a helper pod is for: its form, and what is said when it cannot be had. */
export interface HelperKind {
  namespace: string;
  container: string;
  /** @param seconds after which it ends by itself. */
  pod(seconds: number): object;
  /** The API server does not take it. */
  refused(error: unknown): unknown;
  /** @param pod undefined when it is gone. */
  notStarted(client: ClusterWriter, name: string, pod: LivePod | undefined, seconds: number): Promise<UserError>;
  /** Commands cannot be run in it, as kubectl said. */
  useless(said: string): UserError;
}

/** A script that runs in the pod. */
export interface Running {
  child: ChildProcessWithoutNullStreams;
  /** Its exit code; null when kubectl was killed. */
  ended: Promise<number | null>;
  /** What it and kubectl print on stderr. */
  messages: Promise<string>;
}

/** Of a program's messages as much as a person reads, in bytes. */
const MOST_MESSAGES = 100_000;
/** How long a pod that is deleted is waited for, in milliseconds. */
const GONE_MS = 20_000;
/**
 * How long `kubectl exec` may fail after the pod is ready, in milliseconds: the kubelet may know later than the API
 * server.
 */
const EXEC_MS = 10_000;

/** A running pod in which commands can be run. */
export class HelperPod {
  private constructor(
    private readonly client: ClusterWriter,
    private readonly kind: HelperKind,
    readonly name: string,
  ) {}

  /**
   * Starts one and waits until commands can be run in it.
   *
   * @throws UserError saying why it does not start; then it is deleted.
   */
  static async start(client: ClusterWriter, kind: HelperKind, limits: HelperLimits) {
    const pod = new HelperPod(client, kind, await create(client, kind, limits.lifeSeconds));
    try {
      await pod.ready(Date.now() + limits.startSeconds * 1000, limits.startSeconds);
      await pod.answers();
      return pod;
    } catch (error) {
      await pod.delete().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Starts a script in the pod; its arguments are passed as such.
   *
   * @param timeoutSeconds after which kubectl is killed.
   */
  exec(script: string, args: readonly string[], timeoutSeconds: number): Running {
    const { command, env } = this.place();
    const [program = "", ...rest] = command;
    const child = spawn(program, [...rest, "sh", "-c", script, "casa-upgrade", ...args], {
      env,
      timeout: timeoutSeconds * 1000,
      killSignal: "SIGKILL",
      stdio: "pipe",
    });
    child.stdin.on("error", () => undefined); // a script that fails early leaves its input unread
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    const messages = textOf(child.stderr, MOST_MESSAGES);
    for (const promise of [ended, messages]) promise.catch(() => undefined); // taken late, or never
    return { child, ended, messages };
  }

  /** How a shell is started in it. */
  place(): ScriptPlace {
    const { context, kubeconfigPath: kubeconfig } = this.client;
    const { namespace, container } = this.kind;
    const where = ["--context", context, "--namespace", namespace];
    return {
      command: ["kubectl", ...where, "exec", "--stdin", this.name, "--container", container, "--"],
      env: kubeconfig === undefined ? process.env : { ...process.env, KUBECONFIG: kubeconfig },
    };
  }

  /** Deletes the pod and waits a while until it is gone, so that another one can mount the claim. */
  async delete(): Promise<void> {
    await deletePods(this.client, this.kind, [this.name]);
  }

  private async ready(deadline: number, seconds: number): Promise<void> {
    for (;;) {
      const pod = await this.client.get(POD, this.kind.namespace, this.name, podSchema);
      const state = pod ? helperState(pod.status) : "hopeless";
      if (state === "ready") return;
      if (state === "hopeless" || Date.now() > deadline)
        throw await this.kind.notStarted(this.client, this.name, pod, seconds);
      await sleep(300);
    }
  }

  private async answers(): Promise<void> {
    const deadline = Date.now() + EXEC_MS;
    for (;;) {
      const { child, ended, messages } = this.exec("exit 0", [], 30);
      child.stdin.end();
      child.stdout.resume();
      if ((await ended) === 0) return;
      if (Date.now() > deadline) {
        throw this.kind.useless(oneLine(kubectlProblem(await messages)));
      }
      await sleep(300);
    }
  }
}

/**
 * Deletes what killed runs left: the helper pods of one owner, all but the one that is in use, and everybody's that
 * have come to their end by themselves.
 */
export async function deleteLeftPods(
  client: ClusterWriter,
  at: Pick<HelperKind, "namespace">,
  owner: HelperOwner,
  inUse?: string,
): Promise<void> {
  const pods = await client.list(POD, at.namespace, leftPod, { labelSelector: OWNER_LABEL });
  const left = pods.filter(
    ({ metadata: { labels, name }, status }) =>
      name !== inUse && (labels[OWNER_LABEL] === ownerHash(owner) || hasEnded(status)),
  );
  await deletePods(
    client,
    at,
    left.map(({ metadata }) => metadata.name),
  );
}

/** What a stream says, read to its end; kept is the beginning. */
export async function textOf(stream: Readable, most = Infinity): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (size < most) chunks.push(chunk);
    size += chunk.length;
  }
  return Buffer.concat(chunks).toString();
}

async function create(client: ClusterWriter, kind: HelperKind, seconds: number) {
  try {
    const path = await client.api.path(POD, kind.namespace);
    const answer = await client.api.request("POST", path, { body: kind.pod(seconds) });
    return created.parse(answer).metadata.name;
  } catch (error) {
    throw kind.refused(error);
  }
}

async function deletePods(
  client: ClusterWriter,
  { namespace }: Pick<HelperKind, "namespace">,
  names: readonly string[],
) {
  await Promise.all(
    names.map(async (name) => {
      const path = await client.api.path(POD, namespace, name);
      await client.api.request("DELETE", path).catch(goneIsFine);
      const deadline = Date.now() + GONE_MS;
      while (Date.now() < deadline && (await client.api.get(POD, namespace, name)) !== undefined) await sleep(200);
    }),
  );
}

function goneIsFine(error: unknown): void {
  if (!(error instanceof ApiError && error.code === 404)) throw error;
}
