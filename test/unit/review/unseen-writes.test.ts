import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { HelmWrites } from "../../../helm/helm-writes";
import type { ClusterClient } from "../../../kubernetes/connect";
import { unseenWrites } from "../../../review/unseen-writes";

const MAPS = "/api/v1/namespaces/ns/configmaps";
const LIVE = JSON.stringify({ kind: "ConfigMap", metadata: { name: "a" }, data: { live: "yes" } });

/** Sends requests to something that notes them, and gives back what it answered. */
async function sent(
  writes: HelmWrites,
  ...all: { method: string; path: string; body?: string; type?: string }[]
): Promise<string[]> {
  const look = () => Promise.resolve({ code: 200, contentType: "application/json", body: Buffer.from(LIVE) });
  const server = createServer((incoming, response) => {
    void writes.take(incoming, incoming.url ?? "", look).then(({ code, body }) => response.writeHead(code).end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const answers: string[] = [];
  for (const { method, path, body = "", type = "application/json" } of all) {
    const headers = { "content-type": type, "content-length": Buffer.byteLength(body) };
    answers.push(
      await new Promise((resolve) => {
        const asked = request({ port, method, path, headers }, (response) => {
          let text = `${response.statusCode} `;
          response.on("data", (part) => (text += String(part))).on("end", () => resolve(text));
        });
        asked.end(body);
      }),
    );
  }
  server.close();
  return answers;
}

const client = {
  api: {
    resource: (_: string, kind: string) => Promise.resolve(kind === "ConfigMap" ? {} : undefined),
    path: (_: object, namespace: string, name: string) =>
      Promise.resolve(`/api/v1/namespaces/${namespace}/configmaps/${name}`),
  },
} as unknown as ClusterClient;

describe("what helm writes while nothing reaches the API server", () => {
  it("is noted with what was sent, and answered as if it were done", async () => {
    const writes = new HelmWrites();
    const made = JSON.stringify({ kind: "ConfigMap", metadata: { name: "new" } });
    const answers = await sent(
      writes,
      { method: "POST", path: `${MAPS}?fieldManager=helm`, body: made },
      {
        method: "PATCH",
        path: `${MAPS}/a`,
        body: '{"data":{"x":null}}',
        type: "application/strategic-merge-patch+json",
      },
      { method: "DELETE", path: `${MAPS}/a%3Ab` },
    );
    expect(answers.slice(0, 2)).to.deep.equal([`201 ${made}`, `200 ${LIVE}`]);
    expect(answers[2]).to.contain('"Success"');
    expect(writes.paths()).to.deep.equal([`${MAPS}/new`, `${MAPS}/a`, `${MAPS}/a:b`]);
    expect(writes.to(`${MAPS}/new`)[0]).to.deep.include({ method: "POST", query: { fieldManager: "helm" } });
    const contentType = "application/strategic-merge-patch+json";
    expect(writes.to(`${MAPS}/a`)[0]).to.deep.include({ method: "PATCH", contentType, body: { data: { x: null } } });
  });

  it("does not keep helm's record, which holds all values", async () => {
    const writes = new HelmWrites();
    const record = JSON.stringify({ kind: "Secret", metadata: { name: "sh.helm.release.v1.casa.v2" } });
    const path = "/api/v1/namespaces/ns/secrets";
    const answers = await sent(
      writes,
      { method: "POST", path, body: record },
      { method: "PUT", path: `${path}/sh.helm.release.v1.casa.v1`, body: record },
      { method: "POST", path, body: "k8s\0...", type: "application/vnd.kubernetes.protobuf" },
    );
    expect(answers).to.deep.equal([`201 ${record}`, `200 ${record}`, "200 k8s\0..."]);
    expect(writes.paths()).to.deep.equal([]);
  });

  it("and the review does not show is a warning", async () => {
    const writes = new HelmWrites();
    const comes = JSON.stringify({ kind: "Comes", metadata: { name: "c" } });
    await sent(writes, ...["a", "b"].map((name) => ({ method: "DELETE", path: `${MAPS}/${name}` })), {
      method: "POST",
      path: "/apis/x/v1/namespaces/ns/comes",
      body: comes,
    });
    const map = (name: string, namespace?: string) => ({
      target: { apiVersion: "v1", kind: "ConfigMap", metadata: { name, ...(namespace ? { namespace } : {}) } },
    });
    const other = { target: { apiVersion: "x/v1", kind: "Comes", metadata: { name: "c" } } };
    expect(await unseenWrites(client, [map("a"), map("b", "ns"), other], writes, "ns")).to.deep.equal([]);
    expect(await unseenWrites(client, [map("a"), map("b", "elsewhere"), other], writes, "ns")).to.deep.equal([
      `helm sends DELETE ${MAPS}/b, which this review does not show: look at it before you go on`,
    ]);
    expect(await unseenWrites(client, [], undefined, "ns")).to.deep.equal([]);
  });
});
