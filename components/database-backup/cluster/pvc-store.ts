import { messageOf } from "../../../shared/helper-program";
import { UserError } from "../../../shared/user-error";
import { createHash, randomBytes } from "node:crypto";
import { PassThrough, Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { explainClaimFailure } from "../claim";
import { type ClaimDestination, destinationText } from "../destination";
import type { HelperOwner } from "../helper-pod-spec";
import { type BackupManifest, isLeftOver, parseManifest } from "../manifest";
import type { ClusterWriter } from "../../../kubernetes/connect";
import { oneLine } from "../../../diagnosis/explanation";
import { kubectlProblem } from "../../../kubernetes/kubectl";
import { checkClaim } from "./claim-check";
import { type ClaimRecord, readNewestRun, writeNewestRun } from "./claim-record";
import { deleteLeftPods, HelperPod, type Running, textOf } from "./helper-pod";
import { claimHelper } from "./helper-problem";

import { FINISH, KEEP, LIST, listed, PARTIAL, PREPARE, READ, REMOVE, WRITE } from "./pvc-scripts";
import { type BackupStore, manifestFile, manifestText, Meter, type Stored } from "./store";

/** What a claim as destination needs beside its name. */
export interface ClaimAccess extends Pick<HelperOwner, "release" | "purpose"> {
  client: ClusterWriter;
  /** Longest time of all dumps, and again of their verification: config `backup.timeoutSeconds`. */
  timeoutSeconds: number;
  /** Longest wait for the helper pod; an image may have to be pulled, a volume attached. Default 180. */
  startSeconds?: number;
}

const BROKEN_PIPE = new Set<string | undefined>(["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"]);

/**
 * Backups in a PersistentVolumeClaim, a sub-folder for each stack. A short-lived pod mounts the claim; it is started
 * when it is needed first, and deleted by {@link close}. As in a folder, a dump is `*.partial` until it is verified,
 * and on the disk before it counts.
 */
export class PvcStore implements BackupStore {
  private readonly folder: string;
  private readonly owner: HelperOwner;
  private readonly record: ClaimRecord;
  private readonly running = new Set<Running>();
  private pod: Promise<HelperPod> | undefined;

  constructor(
    private readonly to: ClaimDestination,
    stack: string,
    private readonly access: ClaimAccess,
  ) {
    this.folder = [to.folder, stack].filter(Boolean).join("/");
    this.owner = { stack, release: access.release, purpose: access.purpose };
    this.record = { namespace: to.namespace, release: access.release, stack };
  }

  locate(file: string): string {
    return `pvc://${this.to.claim}/${this.folder}/${base(file)}`;
  }

  check(): Promise<void> {
    return checkClaim(this.access.client, this.to, this.owner);
  }

  async cleanUp(names: readonly string[]): Promise<void> {
    const own = await this.pod;
    await deleteLeftPods(this.access.client, this.to, this.owner, own?.name);
    await this.run("cannot be used", PREPARE, []);
    const files = (await this.run("cannot be read", PARTIAL, [])).split("\n");
    const left = files.filter((file) => names.some((name) => isLeftOver(file, name)));
    if (left.length > 0) await this.run("does not delete", REMOVE, left);
  }

  async write(file: string, content: Readable): Promise<Stored> {
    const meter = new Meter();
    try {
      const said = await this.run("cannot be written to", WRITE, [base(file)], content, meter);
      const stored = meter.result();
      if (said.split(" ")[0] === stored.sha256) return stored;
      throw this.refusal("cannot be written to", "the dump did not arrive as it was sent");
    } catch (error) {
      await this.discard(file).catch(() => undefined);
      throw error instanceof UserError ? error : this.refusal("cannot be written to", messageOf(error));
    }
  }

  async read(file: string, unverified = false): Promise<Readable> {
    const running = await this.exec(READ, [`${base(file)}${unverified ? ".partial" : ""}`]);
    // The end of a stream says nothing about how the program ended, so it is held back until that is known.
    return Readable.from(this.output(running), { objectMode: false });
  }

  async finish(manifest: BackupManifest): Promise<void> {
    // First: a record of a backup that then fails costs another backup, one that is missing would save a needed one.
    await writeNewestRun(this.access.client, this.record, manifest.run).catch((error: unknown) => {
      throw this.refusal("cannot be recorded on the cluster", messageOf(error));
    });
    const text = Buffer.from(manifestText(manifest));
    const sum = createHash("sha256").update(text).digest("hex");
    const file = base(manifest.file);
    await this.run("cannot be written to", FINISH, [file, manifestFile(file), sum], Readable.from([text]));
  }

  async keep(file: string): Promise<void> {
    await this.run("cannot be written to", KEEP, [base(file)]);
  }

  async discard(file: string): Promise<void> {
    await this.run("does not delete", REMOVE, [`${base(file)}.partial`]);
  }

  async list(): Promise<BackupManifest[]> {
    const mark = randomBytes(16).toString("hex");
    const texts = listed(await this.run("cannot be read", LIST, [mark]), mark);
    if (!texts) throw this.refusal("cannot be read", "the list of backups breaks off");
    return texts.flatMap((text) => parseManifest(text) ?? []);
  }

  async remove(manifest: BackupManifest): Promise<void> {
    const file = base(manifest.file);
    await this.run("does not delete", REMOVE, [manifestFile(file), file]);
  }

  newestRun(): Promise<string | undefined> {
    return readNewestRun(this.access.client, this.record);
  }

  async close(): Promise<void> {
    for (const { child } of this.running) child.kill("SIGKILL");
    const pod = await this.pod?.catch(() => undefined);
    this.pod = undefined;
    await pod?.delete();
  }

  private async exec(script: string, args: readonly string[]): Promise<Running> {
    const { client, timeoutSeconds, startSeconds = 180 } = this.access;
    const lifeSeconds = startSeconds + 2 * timeoutSeconds + 600;
    this.pod ??= HelperPod.start(client, claimHelper(this.to, this.owner), { startSeconds, lifeSeconds });
    const running = (await this.pod).exec(script, [this.folder, ...args], timeoutSeconds + 60);
    this.running.add(running);
    const over = () => this.running.delete(running);
    running.ended.then(over, over);
    return running;
  }

  /** Runs a script to its end; @returns what it printed. */
  private async run(
    what: string,
    script: string,
    args: readonly string[],
    input = Readable.from([]),
    through: Transform = new PassThrough(),
  ): Promise<string> {
    const { child, ended, messages } = await this.exec(script, args);
    let broken: Error | undefined;
    // A script that ends early breaks the pipe, and through it the input; that is no cause.
    input.once("error", (error: NodeJS.ErrnoException) => (broken = BROKEN_PIPE.has(error.code) ? undefined : error));
    const fed = pipeline(input, through, child.stdin).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    );
    const [unfed, printed, said, code] = await Promise.all([fed, textOf(child.stdout), messages, ended]);
    if (broken) throw this.refusal(what, broken.message);
    if (code !== 0) throw this.refusal(what, kubectlProblem(said));
    if (unfed !== undefined) throw this.refusal(what, unfed);
    return printed;
  }

  private async *output({ child, ended, messages }: Running): AsyncGenerator<Buffer> {
    let head = "";
    let left: number | undefined;
    try {
      for await (let chunk of child.stdout as AsyncIterable<Buffer>) {
        if (left === undefined) {
          const end = chunk.indexOf("\n");
          head += chunk.subarray(0, end < 0 ? chunk.length : end).toString();
          if (end < 0) continue;
          left = Number(head);
          chunk = chunk.subarray(end + 1);
        }
        left -= chunk.length;
        if (left <= 0) child.stdin.end();
        if (chunk.length > 0) yield chunk;
      }
      if ((await ended) !== 0) throw this.refusal("cannot be read", kubectlProblem(await messages));
      if (left !== 0) throw this.refusal("cannot be read", "the file breaks off on the way");
    } finally {
      child.stdin.destroy();
      child.kill("SIGKILL");
    }
  }

  private refusal(what: string, said: string): UserError {
    const { why, fix } = explainClaimFailure(this.to, oneLine(said));
    const place = `${destinationText(this.to)} (namespace ${this.to.namespace})`;
    return new UserError("backup", `the backup destination ${place} ${what}: ${why}`, fix);
  }
}

/** The last part of a path or URL. */
const base = (path: string) => path.split("/").at(-1) ?? path;
