import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "../../../sandbox/cluster/ports";
import { Progress } from "../../../sandbox/progress";
import { ensureTools } from "../../../sandbox/tools";
import { VERSITYGW } from "../../../sandbox/tools/catalog";

/** What clients log in with. */
export const S3_KEYS = { AWS_ACCESS_KEY_ID: "key-id", AWS_SECRET_ACCESS_KEY: "never-shown" };

/** How a request is spoilt. */
export type Fault = "full" | "break" | "half";

/**
 * A real S3 server with one bucket on a folder, and a proxy before it, through which everybody goes and which can spoil
 * requests.
 */
export class S3Server {
  /** Method and path of every request, oldest first. */
  readonly requests: string[] = [];
  /**
   * Asked of each request: `full` answers as a server without room does, `break` ends the connection, `half` ends it in
   * the middle of the answer.
   */
  fault: (request: IncomingMessage) => Fault | undefined = () => undefined;
  private proxy: Server | undefined;

  private constructor(
    private readonly root: string,
    readonly bucket: string,
    private readonly server: ChildProcess,
    private readonly port: number,
  ) {}

  static async start(bucket: string): Promise<S3Server> {
    const program = (await ensureTools(Progress.silent(), [VERSITYGW])).path("versitygw");
    const root = mkdtempSync(join(tmpdir(), "casa-s3-"));
    for (const folder of ["data", join("data", bucket), "attributes"]) mkdirSync(join(root, folder));
    const [port = 0] = await freePorts(1);
    const { AWS_ACCESS_KEY_ID: access, AWS_SECRET_ACCESS_KEY: secret } = S3_KEYS;
    // Not every file system keeps attributes of files.
    const folder = ["--sidecar", join(root, "attributes"), join(root, "data")];
    const args = ["--port", `127.0.0.1:${port}`, "--quiet", "posix", ...folder];
    const env = { PATH: process.env["PATH"], HOME: root, ROOT_ACCESS_KEY: access, ROOT_SECRET_KEY: secret };
    const s3 = new S3Server(root, bucket, spawn(program, args, { cwd: root, env, stdio: "ignore" }), port);
    await s3.listen();
    return s3;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.proxy?.address() as AddressInfo).port}`;
  }

  /** Keys of all objects, sorted. */
  keys(folder = ""): string[] {
    const entries = readdirSync(join(this.root, "data", this.bucket, folder), { withFileTypes: true });
    return entries
      .filter(({ name }) => !name.startsWith(".sgwtmp"))
      .flatMap((entry) => (entry.isDirectory() ? this.keys(join(folder, entry.name)) : [join(folder, entry.name)]))
      .sort();
  }

  /** Puts an object there, as others do. */
  put(key: string, content: string): void {
    const file = this.file(key);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }

  /** Where the server keeps an object. */
  file(key: string): string {
    return join(this.root, "data", this.bucket, key);
  }

  /** Folders of uploads that were begun and neither completed nor given up. */
  uploads(): string[] {
    const parts = join(this.root, "data", this.bucket, ".sgwtmp", "multipart");
    return existsSync(parts) ? readdirSync(parts) : [];
  }

  /** Ends the server as a machine that is switched off does. */
  async stop(): Promise<void> {
    this.proxy?.closeAllConnections();
    await new Promise((resolve) => (this.proxy ? this.proxy.close(resolve) : resolve(undefined)));
    const ended = new Promise((resolve) => this.server.once("exit", resolve));
    if (this.server.exitCode === null && this.server.signalCode === null) {
      this.server.kill("SIGKILL");
      await ended;
    }
    rmSync(this.root, { recursive: true, force: true });
  }

  private async listen(): Promise<void> {
    const proxy = createServer((incoming, response) => this.pass(incoming, response));
    this.proxy = proxy;
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    for (const end = Date.now() + 20_000; ; await sleep(30)) {
      if (
        await fetch(`http://127.0.0.1:${this.port}/`).then(
          () => true,
          () => false,
        )
      )
        return;
      if (Date.now() > end || this.server.exitCode !== null) throw new Error("the S3 server did not start");
    }
  }

  private pass(incoming: IncomingMessage, response: ServerResponse): void {
    this.requests.push(`${incoming.method} ${new URL(incoming.url ?? "/", "http://s3").pathname}`);
    const fault = this.fault(incoming);
    if (fault === "break") return void incoming.socket.destroy();
    if (fault === "full") {
      incoming.resume().on("end", () => {
        const body = "<Error><Code>XMinioStorageFull</Code><Message>no space</Message></Error>";
        response.writeHead(507, { "content-type": "application/xml" }).end(body);
      });
      return;
    }
    const { method, url: path, headers } = incoming;
    const onward = request({ host: "127.0.0.1", port: this.port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (fault === "half")
        return void answer.once("data", (chunk: Buffer) =>
          response.write(chunk.subarray(0, chunk.length / 2), () => response.destroy()),
        );
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    incoming.pipe(onward);
  }
}
