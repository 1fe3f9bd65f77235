import { readFileSync } from "node:fs";
import { createServer as createHttpServer, request, type Server } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import execa from "execa";

/** A proxy that connects whatever host is asked for with this machine, at the same port. */
export class LocalProxy {
  /** Hosts and ports that connections were asked for. */
  readonly asked: string[] = [];

  private constructor(private readonly server: Server) {
    server.on("connect", (incoming, socket) => {
      this.asked.push(incoming.url ?? "");
      const onward = connect(Number(incoming.url?.split(":").at(-1)), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        onward.pipe(socket).pipe(onward);
      });
      onward.on("error", () => socket.destroy());
      socket.on("error", () => onward.destroy());
    });
  }

  static async start(): Promise<LocalProxy> {
    const server = createHttpServer((_, response) => void response.writeHead(502).end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new LocalProxy(server);
  }

  /** Host and port. */
  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** A server that speaks TLS for one that does not, with a certificate that nobody trusts yet. */
export class TlsServer {
  private constructor(
    private readonly server: Server,
    /** File of the certificate. */
    readonly certificate: string,
  ) {}

  /** @param folder for its key and certificate. @param behind address of the server that answers. */
  static async start(folder: string, host: string, behind: string): Promise<TlsServer> {
    const [key, certificate] = [join(folder, "tls.key"), join(folder, "tls.crt")];
    await execa("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`, "-keyout", key, "-out", certificate],
    ]);
    const tls = { key: readFileSync(key), cert: readFileSync(certificate) };
    const server = createServer(tls, (incoming, response) => {
      const { method, url, headers } = incoming;
      const onward = request(new URL(url ?? "/", behind), { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.destroy());
      incoming.pipe(onward);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new TlsServer(server, certificate);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** Does something with other environment variables; undefined removes one. */
export async function inEnvironment<T>(changes: NodeJS.ProcessEnv, action: () => Promise<T>): Promise<T> {
  const before = Object.keys(changes).map((name) => [name, process.env[name]] as const);
  const set = ([name, value]: readonly [string, string | undefined]) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  Object.entries(changes).forEach(set);
  try {
    return await action();
  } finally {
    before.forEach(set);
  }
}
