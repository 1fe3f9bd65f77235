import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo } from "node:net";
import * as path from "node:path";
import execa from "execa";

/** A server on loopback that asks for this user and password. */
export interface ChartServer {
  /** With its scheme: `http://`, or `oci://` over TLS. */
  url: string;
  close(): Promise<void>;
}

export const USER = "reader";
export const PASSWORD = "hunter2";

function isAuthorized(request: http.IncomingMessage): boolean {
  return request.headers.authorization === `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString("base64")}`;
}

async function listen(server: http.Server, scheme: string): Promise<ChartServer> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => (server.close(() => resolve()), server.closeAllConnections())),
  };
}

/** Serves `archive` (name-version.tgz) as the only chart of a classic repository. */
export function serveRepository(archive: string, name: string, version: string): Promise<ChartServer> {
  const file = path.basename(archive);
  const index = { apiVersion: "v1", entries: { [name]: [{ apiVersion: "v2", name, version, urls: [file] }] } };
  const server = http.createServer((request, response) => {
    if (!isAuthorized(request)) response.writeHead(401).end();
    else if (request.url === "/index.yaml") response.end(JSON.stringify(index));
    else if (request.url === `/${file}`) response.end(fs.readFileSync(archive));
    else response.writeHead(404).end();
  });
  return listen(server, "http");
}

/** Serves `archive` as `charts/NAME:VERSION` of an OCI registry; `certificate` and `key` are files. */
export function serveRegistry(
  archive: string,
  name: string,
  version: string,
  tls: { certificate: string; key: string },
): Promise<ChartServer> {
  const digest = (content: Buffer) => `sha256:${createHash("sha256").update(content).digest("hex")}`;
  const config = Buffer.from(JSON.stringify({ apiVersion: "v2", name, version }));
  const chart = fs.readFileSync(archive);
  const describe = (mediaType: string, content: Buffer) => ({
    mediaType,
    digest: digest(content),
    size: content.length,
  });
  const manifestType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: describe("application/vnd.cncf.helm.config.v1+json", config),
      layers: [describe("application/vnd.cncf.helm.chart.content.v1.tar+gzip", chart)],
    }),
  );
  const base = `/v2/charts/${name}`;
  const served = new Map([
    [`${base}/manifests/${version}`, manifest],
    [`${base}/manifests/${digest(manifest)}`, manifest],
    [`${base}/blobs/${digest(config)}`, config],
    [`${base}/blobs/${digest(chart)}`, chart],
  ]);
  const options = { cert: fs.readFileSync(tls.certificate), key: fs.readFileSync(tls.key) };
  const server = https.createServer(options, (request, response) => {
    const url = (request.url ?? "").split("?")[0] ?? "";
    const content = served.get(url);
    if (!isAuthorized(request)) {
      response.writeHead(401, { "www-authenticate": `Basic realm="charts"` }).end();
    } else if (url === "/v2/") {
      response.end("{}");
    } else if (url === `${base}/tags/list`) {
      response.end(JSON.stringify({ name: `charts/${name}`, tags: [version] }));
    } else if (content) {
      const type = content === manifest ? manifestType : "application/octet-stream";
      response.writeHead(200, {
        "content-type": type,
        "content-length": content.length,
        "docker-content-digest": digest(content),
      });
      response.end(request.method === "HEAD" ? undefined : content);
    } else {
      response.writeHead(404).end();
    }
  });
  return listen(server, "oci");
}

/** A self-signed certificate for loopback, in files. */
export async function makeCertificate(folder: string): Promise<{ certificate: string; key: string }> {
  const certificate = path.join(folder, "tls.crt");
  const key = path.join(folder, "tls.key");
  const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
  await execa("openssl", [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    key,
    "-out",
    certificate,
    ...subject,
  ]);
  return { certificate, key };
}
