import * as https from "node:https";
import { Readable } from "node:stream";
import type { S3 } from "@aws-sdk/client-s3";
import { proxyAgent, proxyFor } from "../../../shared/proxy";
import { trustedCertificates } from "../../../shared/trusted-certificates";
import { UserError } from "../../../shared/user-error";
import type { Destination } from "../destination";
import { type BackupManifest, parseManifest } from "../manifest";

import { type BackupStore, manifestFile, manifestText, Meter, newestOf, type Stored } from "./store";

/** Size of one part of an upload; a part is all of a dump that is in memory. 10,000 parts make 320 GB. */
const PART_BYTES = 32 * 1024 * 1024;

/**
 * Backups in an S3 bucket or one of a compatible server. Objects appear only when they are complete, so a dump has its
 * name at once; it counts when its manifest is there.
 */
export class S3Store implements BackupStore {
  private loaded: Promise<S3> | undefined;
  private readonly bucket: string;
  private readonly prefix: string;

  constructor(
    private readonly to: Extract<Destination, { kind: "s3" }>,
    stack: string,
  ) {
    this.bucket = to.bucket;
    this.prefix = [to.prefix, stack, ""].filter((part, i) => part !== "" || i === 2).join("/");
  }

  /** Loaded only where it is used: that takes longer than all else in a preview. */
  private client(): Promise<S3> {
    return (this.loaded ??= Promise.all([import("@aws-sdk/client-s3"), this.agent()]).then(
      ([{ S3 }, httpsAgent]) =>
        new S3({
          region: this.to.region,
          requestHandler: { httpsAgent },
          // Compatible servers are rarely reached by a host name for each bucket, and few know the newer checksums.
          ...(this.to.endpoint === undefined ? {} : { endpoint: this.to.endpoint, forcePathStyle: true }),
          requestChecksumCalculation: "WHEN_REQUIRED",
          responseChecksumValidation: "WHEN_REQUIRED",
        }),
    ));
  }

  /** What the AWS client does not look at by itself: the environment's proxy, and whom the machine trusts. */
  private async agent(): Promise<https.Agent> {
    const server = this.to.endpoint ?? `https://${this.bucket}.s3.${this.to.region ?? "us-east-1"}.amazonaws.com`;
    const options = { keepAlive: true, maxSockets: 50, ca: trustedCertificates() };
    const proxy = server.startsWith("https:") ? proxyFor(server) : undefined;
    return proxy === undefined ? new https.Agent(options) : proxyAgent(server, proxy, options);
  }

  locate(file: string): string {
    return `s3://${this.bucket}/${this.key(file)}`;
  }

  async check(): Promise<void> {
    await this.ask("cannot be used", (s3) => s3.headBucket({ Bucket: this.bucket }));
  }

  /** Nothing has to be: an upload that was not completed leaves no object. */
  cleanUp(): Promise<void> {
    return Promise.resolve();
  }

  async write(file: string, content: Readable): Promise<Stored> {
    const { Upload } = await import("@aws-sdk/lib-storage");
    const meter = new Meter();
    content.once("error", (error) => meter.destroy(error));
    meter.on("error", () => undefined); // it may come before the upload reads, which then fails with it
    const params = { Bucket: this.bucket, Key: this.key(file), Body: content.pipe(meter) };
    await this.ask("cannot be written to", (client) =>
      new Upload({ client, params, partSize: PART_BYTES, queueSize: 1 }).done(),
    );
    return meter.result();
  }

  async read(file: string): Promise<Readable> {
    const get = { Bucket: this.bucket, Key: this.key(file) };
    const { Body: body } = await this.ask("cannot be read", (s3) => s3.getObject(get));
    if (!(body instanceof Readable))
      throw new UserError("backup", `${this.locate(file)} is empty`, "choose another backup");
    return body;
  }

  async finish(manifest: BackupManifest): Promise<void> {
    const Key = this.key(manifestFile(manifest.file));
    const put = { Bucket: this.bucket, Key, Body: manifestText(manifest), ContentType: "application/json" };
    await this.ask("cannot be written to", (s3) => s3.putObject(put));
  }

  /** An object has its name from the beginning. */
  keep(): Promise<void> {
    return Promise.resolve();
  }

  async discard(file: string): Promise<void> {
    await this.delete(this.key(file));
  }

  async list(): Promise<BackupManifest[]> {
    const keys: string[] = [];
    let next: string | undefined;
    do {
      const page = { Bucket: this.bucket, Prefix: this.prefix, ContinuationToken: next };
      const answer = await this.ask("cannot be read", (s3) => s3.listObjectsV2(page));
      keys.push(...(answer.Contents ?? []).flatMap(({ Key }) => (Key?.endsWith(".json") ? [Key] : [])));
      next = answer.IsTruncated ? answer.NextContinuationToken : undefined;
    } while (next !== undefined);
    const found = await Promise.all(keys.map((Key) => this.text(Key)));
    return found.flatMap((text) => parseManifest(text) ?? []);
  }

  async remove(manifest: BackupManifest): Promise<void> {
    await this.delete(this.key(manifestFile(manifest.file)));
    await this.delete(this.key(manifest.file));
  }

  async newestRun(): Promise<string | undefined> {
    return newestOf(await this.list());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private async text(Key: string): Promise<string> {
    const answer = await this.ask("cannot be read", (s3) => s3.getObject({ Bucket: this.bucket, Key }));
    return (await answer.Body?.transformToString()) ?? "";
  }

  private async delete(Key: string): Promise<void> {
    await this.ask("does not delete", (s3) => s3.deleteObject({ Bucket: this.bucket, Key }));
  }

  private key(file: string): string {
    return `${this.prefix}${file.split("/").at(-1) ?? file}`;
  }

  private async ask<T>(what: string, request: (s3: S3) => Promise<T>): Promise<T> {
    try {
      return await request(await this.client());
    } catch (error) {
      if (error instanceof UserError) throw error;
      const name = error instanceof Error ? error.name : "";
      const why =
        error instanceof Error && error.message !== "UnknownError"
          ? `${name}: ${error.message}`
          : name || String(error);
      throw new UserError(
        "backup",
        `the backup destination s3://${this.bucket}/${this.prefix} ${what}: ${why}`,
        "check bucket, backup.s3Endpoint and backup.s3Region, and the credentials in the environment (AWS_ACCESS_KEY_ID and " +
          "AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role); they need ListBucket, GetObject, PutObject and DeleteObject",
      );
    }
  }
}
