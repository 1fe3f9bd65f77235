import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { Readable } from "node:stream";
import type { ClusterClient, ClusterWriter } from "../../../kubernetes/connect";
import { ApiError } from "../../../kubernetes/api";
import { oneLine } from "../../../diagnosis/explanation";
import { UserError } from "../../../shared/user-error";
import { messageOf } from "../../../shared/helper-program";
import type { HelperOwner } from "../helper-pod-spec";
import { explainRestore } from "../failures";
import { PROOF_CONTAINER, proofOwner, proofPod, type ServerPod, serverPodSchema } from "../proof-pod-spec";
import { proofArguments, roleStatements, type ServerTraits } from "../proof";
import { type DatabaseTarget, whereIs } from "../references";
import { majorOf } from "../server-image";
import { deleteLeftPods, type HelperKind, HelperPod } from "./helper-pod";
import { stateLines } from "./helper-problem";
import { serverPod } from "./pods";
import { PROVE } from "./prove-script";
import { type Fact, runScript, type ScriptPlace } from "./run-script";

/** A database that is tried on a throw-away server. */
export interface ProofSubject {
  target: DatabaseTarget;
  /** Its name on its server; it has it on the throw-away server, too, for some extensions insist on one. */
  database: string;
  serverVersion: string;
  traits: ServerTraits;
  /** How many it has. */
  tables: number;
  roles: readonly string[];
}

/** How a try ended: with what the restored database holds, or with why there was none to look at. */
export type ProofResult = { facts: Fact[] } | { failed: UserError };

const POD = { apiVersion: "v1", kind: "Pod" };
const OTHER_WAY = "try backups in a scratch database instead: pulumi config set --path backup.proof database";
/** What kubectl adds of its own. */
const KUBECTLS = /^command terminated with exit code/;
/** Longest wait for a pod whose image its node has already, mostly. In seconds. */
const START_SECONDS = 120;

/**
 * Throw-away servers that backups are tried on: for a server in the cluster in a pod of its own image, for one outside
 * on this machine. A pod serves all databases of its server, one after the other.
 */
export class ProofServers {
  private readonly pods = new Map<string, Promise<HelperPod>>();
  private readonly turns = new Map<string, Promise<unknown>>();
  private readonly owner: HelperOwner;

  constructor(
    private readonly client: ClusterWriter,
    owner: Omit<HelperOwner, "purpose">,
    private readonly timeoutSeconds: number,
  ) {
    this.owner = proofOwner(owner);
  }

  /** Starts the pods that will be needed, so that they are there when the dumps are; what goes wrong is told then. */
  async prepare(targets: readonly DatabaseTarget[]): Promise<void> {
    const namespaces = new Set(targets.flatMap(({ at }) => ("host" in at ? [] : [at.namespace])));
    // One that a killed run left is in nobody's way, and ends by itself.
    await Promise.allSettled(
      [...namespaces].map((namespace) => deleteLeftPods(this.client, { namespace }, this.owner)),
    );
    for (const target of targets) if (!("host" in target.at)) this.podFor(target).catch(() => undefined);
  }

  /** @param open opens the stored dump when its turn has come. */
  async prove(subject: ProofSubject, open: () => Promise<Readable>, signal: AbortSignal): Promise<ProofResult> {
    const key = whereIs(subject.target);
    const turn = (this.turns.get(key) ?? Promise.resolve()).then(() => this.attempt(subject, open, signal));
    this.turns.set(
      key,
      turn.catch(() => undefined),
    );
    return turn;
  }

  /** Deletes the pods, also after errors. */
  async close(say: (line: string) => void): Promise<void> {
    const left = await Promise.allSettled(
      [...this.pods.values()].map(async (starting) => {
        // One that did not start was deleted there.
        const pod = await starting.catch(() => undefined);
        await pod?.delete();
      }),
    );
    for (const one of left) {
      if (one.status === "rejected")
        say(`clean-up: a throw-away server's pod ends by itself: ${messageOf(one.reason)}`);
    }
  }

  private async attempt(
    subject: ProofSubject,
    open: () => Promise<Readable>,
    signal: AbortSignal,
  ): Promise<ProofResult> {
    signal.throwIfAborted();
    const { target } = subject;
    if (!("host" in target.at)) {
      const pod = await this.podFor(target).catch((error: unknown) => error);
      if (pod instanceof HelperPod)
        return this.run(pod.place(), `proof-${randomBytes(4).toString("hex")}`, subject, open, signal);
      if (pod instanceof UserError) return { failed: pod };
      return { failed: new UserError("backup", `database ${target.name}: ${messageOf(pod)}`, OTHER_WAY) };
    }
    const folder = await mkdtemp(path.join(tmpdir(), "casa-upgrade-proof-"));
    try {
      // The server's user has to get through it.
      await chmod(folder, 0o711);
      return await this.run({ command: [], env: process.env }, path.join(folder, "p"), subject, open, signal);
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
  }

  private async run(
    place: ScriptPlace,
    folder: string,
    { target, database, serverVersion, traits, tables, roles }: ProofSubject,
    open: () => Promise<Readable>,
    signal: AbortSignal,
  ): Promise<ProofResult> {
    const args = [folder, ...proofArguments(database, majorOf(serverVersion) ?? "", traits, tables)];
    const input = Readable.from(withRoles(roleStatements(roles), await open()), { objectMode: false });
    const { code, facts, messages } = await runScript(place, PROVE, { args, firstLine: "", input, signal });
    if (code === 0) return { facts };
    signal.throwIfAborted();
    return { failed: proofFailure(target, code, messages) };
  }

  private podFor(target: DatabaseTarget): Promise<HelperPod> {
    const key = whereIs(target);
    const known = this.pods.get(key) ?? this.start(target);
    this.pods.set(key, known);
    return known;
  }

  private async start(target: DatabaseTarget): Promise<HelperPod> {
    const kind = await proofHelper(this.client, target, this.owner);
    const lifeSeconds = START_SECONDS + 2 * this.timeoutSeconds + 600;
    return HelperPod.start(this.client, kind, { startSeconds: START_SECONDS, lifeSeconds });
  }
}

async function* withRoles(statements: string, dump: Readable): AsyncGenerator<Buffer> {
  yield Buffer.from(statements);
  yield* dump as AsyncIterable<Buffer>;
}

/** The pod of a throw-away server like a target's. @throws UserError when the server's pod is not there. */
export async function proofHelper(
  client: ClusterClient,
  target: DatabaseTarget,
  owner: HelperOwner,
): Promise<HelperKind> {
  const { at } = target;
  if ("host" in at) throw new Error(`database ${target.name} is outside of the cluster`);
  const { namespace, container } = at;
  const server: ServerPod | undefined = await client.get(
    POD,
    namespace,
    await serverPod(client, target),
    serverPodSchema,
  );
  if (!server) throw new UserError("backup", `the pod of ${whereIs(target)} has just gone`, "repeat");
  const what = `the pod with a throw-away server, on which backups of ${whereIs(target)} are tried,`;
  return {
    namespace,
    container: PROOF_CONTAINER,
    pod: (seconds) => proofPod(server, container, namespace, owner, seconds),
    refused: (error) =>
      error instanceof ApiError
        ? new UserError(
            "backup",
            `${what} may not be created: ${oneLine(error.message)}`,
            `let a pod like the server's run in namespace ${namespace} (quota, Pod Security, admission webhook), or ${OTHER_WAY}`,
          )
        : error,
    notStarted: async (reader, name, pod, seconds) =>
      new UserError(
        "backup",
        `${what} does not start (it has ${seconds} s):${await stateLines(reader, namespace, name, pod)}`,
        `look at what keeps it from starting, or ${OTHER_WAY}`,
      ),
    useless: (said) => new UserError("backup", `${what} cannot be used: ${said}`, OTHER_WAY),
  };
}

function proofFailure(target: DatabaseTarget, code: number | null, messages: readonly string[]): UserError {
  const said =
    messages
      .filter((line) => line.trim() !== "" && !KUBECTLS.test(line))
      .slice(-5)
      .join(" / ") || `exit code ${code ?? "none"}`;
  const full = /No space left on device|could not extend file|ENOSPC/i.test(said);
  const known = explainRestore(messages.join("\n"));
  if (known) {
    return new UserError("backup", `database ${target.name} (${whereIs(target)}): ${known.problem}`, known.fix);
  }
  const where = "host" in target.at ? "this machine's folder for temporary files" : "the node that its pod ran on";
  return new UserError(
    "backup",
    `database ${target.name} (${whereIs(target)}): the restore into a throw-away server failed: ${full ? `the disk is full (${said})` : said}`,
    full
      ? `make room on ${where}: it needs as much as the database itself; or ${OTHER_WAY}`
      : `repair what the message names, then repeat; or ${OTHER_WAY}`,
  );
}
