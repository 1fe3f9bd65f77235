import { expect } from "chai";
import { KubeApi } from "../../../kubernetes/api";
import type { ClusterClient, ClusterWriter } from "../../../kubernetes/connect";

describe("reading and writing the cluster", () => {
  const api = new KubeApi({} as ConstructorParameters<typeof KubeApi>[0]);

  it("are two types: what holds a reader cannot write, by the compiler's word", () => {
    // Each of these lines compiles only as long as it is true.
    type CanWrite<Client extends { api: object }> = "request" extends keyof Client["api"] ? true : false;
    const reader: CanWrite<ClusterClient> = false;
    const writer: CanWrite<ClusterWriter> = true;
    expect([reader, writer]).to.deep.equal([false, true]);
  });

  it("a dry-run always says that it is one", async () => {
    const asked: unknown[] = [];
    api.request = (method, path, options) => Promise.resolve(void asked.push([method, path, options?.query]));
    await api.dryRun("DELETE", "/api/v1/namespaces/a", { query: { dryRun: "none", propagationPolicy: "Background" } });
    expect(asked).to.deep.equal([
      ["DELETE", "/api/v1/namespaces/a", { dryRun: "All", propagationPolicy: "Background" }],
    ]);
  });
});
