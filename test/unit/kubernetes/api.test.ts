import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { ApiError, KubeApi, UnreachableError } from "../../../kubernetes/api";

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** The client against a server that behaves in ways a healthy API server does not. */
describe("API client", () => {
  let server: http.Server;
  let handler: Handler;
  let api: KubeApi;

  beforeEach(async () => {
    server = http.createServer((request, response) => handler(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    api = new KubeApi(
      { getCurrentCluster: () => ({ server: url }), applyToHTTPSOptions: () => Promise.resolve() },
      0.3,
    );
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const json = (response: http.ServerResponse, value: unknown, code = 200, headers = {}) =>
    response.writeHead(code, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
  const failure = (action: Promise<unknown>) =>
    action.then(
      () => undefined,
      (error: unknown) => error,
    );

  it("gives up on a server that never answers", async () => {
    handler = () => undefined;
    const error = await failure(api.request("GET", "/version"));
    expect(error).to.be.instanceOf(UnreachableError);
    expect(String(error)).to.contain("no answer within 0.3 s");
  });

  it("a long answer may take longer than the wait for its next part", async () => {
    handler = (_request, response) => {
      let parts = 0;
      const timer = setInterval(() => {
        if (++parts < 4) return void response.write(" ");
        clearInterval(timer);
        response.end("done");
      }, 150);
    };
    expect(await api.request("GET", "/log", { text: true })).to.equal("   done");
  });

  it("says what the server said", async () => {
    handler = (_request, response) => json(response, { kind: "Status", reason: "Forbidden", message: "no way" }, 403);
    const error = await failure(api.request("GET", "/x"));
    expect(error).to.be.instanceOf(ApiError).and.include({ code: 403, reason: "Forbidden", message: "no way" });
  });

  it("asks again when the server is too busy, and gives up in the end", async () => {
    let calls = 0;
    handler = (_request, response) => {
      if (++calls < 3) json(response, { message: "busy" }, 429, { "retry-after": "0" });
      else json(response, { ok: true });
    };
    expect(await api.request("GET", "/x")).to.deep.equal({ ok: true });
    handler = (_request, response) => json(response, { message: "busy" }, 429, { "retry-after": "0" });
    expect(await failure(api.request("GET", "/x")))
      .to.be.instanceOf(ApiError)
      .and.include({ code: 429 });
  });

  it("repeats a GET, and nothing else, on a kept connection that the server closes", async () => {
    let calls = 0;
    handler = (request, response) => {
      if (++calls % 2 === 0) request.socket.resetAndDestroy();
      else json(response, { calls });
    };
    expect(await api.request("GET", "/x")).to.deep.equal({ calls: 1 });
    expect(await api.request("GET", "/x")).to.deep.equal({ calls: 3 });
    expect(await failure(api.request("POST", "/x", { body: {} }))).to.be.instanceOf(UnreachableError);
  });

  it("something that is no API server", async () => {
    handler = (_request, response) => response.end("{ not json");
    expect(String(await failure(api.request("GET", "/version")))).to.contain("not JSON");
  });

  it("a refused connection names the address", async () => {
    server.close();
    expect(String(await failure(api.request("GET", "/x")))).to.match(/ECONNREFUSED 127\.0\.0\.1/);
  });

  it("reads lists page by page, and whole when a page has expired", async () => {
    let expired = false;
    handler = (request, response) => {
      const { pathname, searchParams: query } = new URL(request.url ?? "", "http://x");
      if (pathname === "/api/v1") {
        const resources = [{ name: "pods", kind: "Pod", namespaced: true }];
        return json(response, { kind: "APIResourceList", groupVersion: "v1", resources });
      }
      if (!query.get("limit")) return json(response, { items: [{ n: "all" }] });
      if (query.get("continue") !== "more")
        return json(response, { metadata: { continue: "more" }, items: [{ n: 1 }] });
      return expired ? json(response, { message: "expired" }, 410) : json(response, { items: [{ n: 2 }] });
    };
    const pod = { apiVersion: "v1", kind: "Pod" };
    expect(await api.list(pod, "a")).to.deep.equal([
      { ...pod, n: 1 },
      { ...pod, n: 2 },
    ]);
    expired = true;
    expect(await api.list(pod, "a")).to.deep.equal([{ ...pod, n: "all" }]);
  });

  it("reads a list of moderate size in one piece, and one that is too long page by page", async () => {
    const asked: string[] = [];
    let remaining = 2;
    handler = (request, response) => {
      const { pathname, search, searchParams: query } = new URL(request.url ?? "", "http://x");
      if (pathname === "/api/v1") {
        const resources = [{ name: "pods", kind: "Pod", namespaced: true }];
        return json(response, { kind: "APIResourceList", groupVersion: "v1", resources });
      }
      asked.push(search);
      if (!query.get("limit")) return json(response, { items: [{ n: 1 }, { n: 2 }, { n: 3 }] });
      if (query.get("continue")) return json(response, { items: [{ n: 2 }] });
      return json(response, { metadata: { continue: "more", remainingItemCount: remaining }, items: [{ n: 1 }] });
    };
    const seen: object[] = [];
    const visit = (items: object[]) => void seen.push(...items);
    await api.eachPage({ apiVersion: "v1", kind: "Pod" }, "a", {}, visit);
    expect(seen).to.deep.equal([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(asked).to.deep.equal(["?limit=500", ""]);

    seen.length = 0;
    remaining = 10_000_000;
    await api.eachPage({ apiVersion: "v1", kind: "Pod" }, "a", {}, visit);
    expect(seen).to.deep.equal([{ n: 1 }, { n: 2 }]);
    expect(asked.slice(2)).to.deep.equal(["?limit=500", "?limit=500&continue=more"]);
  });

  it("a list in one piece that is refused, breaks off or is none is an error that names the request", async () => {
    let whole: (response: http.ServerResponse) => void;
    handler = (request, response) => {
      const { pathname, searchParams: query } = new URL(request.url ?? "", "http://x");
      if (pathname === "/api/v1") {
        const resources = [{ name: "pods", kind: "Pod", namespaced: true }];
        return json(response, { kind: "APIResourceList", groupVersion: "v1", resources });
      }
      if (!query.get("limit")) return whole(response);
      json(response, { metadata: { continue: "more", remainingItemCount: 1 }, items: [{ n: 1 }] });
    };
    const list = () => api.list({ apiVersion: "v1", kind: "Pod" }, "a").catch((error: unknown) => error);
    whole = (response) => json(response, { message: "no longer" }, 403);
    expect(await list())
      .to.be.instanceOf(ApiError)
      .and.include({ code: 403, message: "no longer" });
    whole = (response) => {
      response.write('{"items":[{"n":1},');
      setTimeout(() => response.destroy(), 20);
    };
    expect(await list())
      .to.be.instanceOf(UnreachableError)
      .and.include({ request: "GET /api/v1/namespaces/a/pods" });
    for (const text of ["<html>", '{"items":[{"n":1}', '{"items":[{n}]}']) {
      whole = (response) => response.end(text);
      expect(await list(), text).to.be.instanceOf(UnreachableError);
    }
  });

  it("what a visitor of a list throws comes out as it is", async () => {
    handler = (request, response) => {
      const { pathname, searchParams: query } = new URL(request.url ?? "", "http://x");
      if (pathname === "/api/v1") {
        const resources = [{ name: "pods", kind: "Pod", namespaced: true }];
        return json(response, { kind: "APIResourceList", groupVersion: "v1", resources });
      }
      const metadata = query.get("limit") ? { continue: "more", remainingItemCount: 1 } : {};
      json(response, { metadata, items: [{ n: 1 }] });
    };
    const thrown = new Error("not as its kind says");
    const visit = () => {
      throw thrown;
    };
    const error = await api.eachPage({ apiVersion: "v1", kind: "Pod" }, "a", {}, visit).catch((one: unknown) => one);
    expect(error).to.equal(thrown);
  });

  it("servers without aggregated discovery: one request a version, a broken one does not matter", async () => {
    const answers: Record<string, object> = {
      "/api": { kind: "APIVersions", versions: ["v1"] },
      "/apis": {
        kind: "APIGroupList",
        groups: [{ versions: [{ groupVersion: "apps/v1" }] }, { versions: [{ groupVersion: "metrics.k8s.io/v1" }] }],
      },
      "/api/v1": {
        kind: "APIResourceList",
        groupVersion: "v1",
        resources: [
          { name: "pods", kind: "Pod", namespaced: true, verbs: ["get", "patch"] },
          { name: "pods/log", kind: "Pod", namespaced: true },
        ],
      },
      "/apis/apps/v1": {
        kind: "APIResourceList",
        groupVersion: "apps/v1",
        resources: [{ name: "deployments", kind: "Deployment", namespaced: true }],
      },
    };
    handler = (request, response) => {
      const answer = answers[request.url ?? ""];
      json(response, answer ?? { message: "down" }, answer ? 200 : 503);
    };
    const found = await api.allKinds();
    expect([...found.keys()].sort()).to.deep.equal(["apps/v1", "metrics.k8s.io/v1", "v1"]);
    expect(found.get("v1")).to.deep.equal(new Map([["Pod", { plural: "pods", namespaced: true, patchable: true }]]));
    const before = api.requestCount;
    const deployments = { plural: "deployments", namespaced: true, patchable: false };
    expect(await api.resource("apps/v1", "Deployment")).to.deep.equal(deployments);
    expect(api.requestCount).to.equal(before);
  });

  it("reads an object and a list once while it remembers, and anew after that, or after a failure", async () => {
    let count = 0;
    let works = true;
    handler = (request, response) => {
      const { pathname } = new URL(request.url ?? "", "http://x");
      const resources = [{ name: "pods", kind: "Pod", namespaced: true }];
      if (pathname === "/api/v1") return json(response, { kind: "APIResourceList", groupVersion: "v1", resources });
      count++;
      json(response, works ? { items: [{ n: count }], n: count } : { message: "no" }, works ? 200 : 403);
    };
    const pod = { apiVersion: "v1", kind: "Pod" };
    const both = () => Promise.all([api.get(pod, "a", "x"), api.list(pod, "a", "l=1")]);
    const seen = await api.remembering(async () => {
      works = false;
      await Promise.allSettled([api.get(pod, "a", "x"), api.list(pod, "a", "l=1")]);
      works = true;
      return [await both(), await both(), await api.list(pod, "a"), await api.get(pod, "b", "x")];
    });
    expect(count).to.equal(6);
    expect(seen[0]).to.deep.equal(seen[1]);
    await both();
    expect(count).to.equal(8);
  });
});
