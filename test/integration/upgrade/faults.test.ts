import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { join } from "node:path";
import { expect } from "chai";
import { RunError } from "@pulumi/pulumi";
import { prepareConfig } from "../../../config/config-load";
import { showUserErrors } from "../../../config/show-errors";
import { ApiError } from "../../../kubernetes/api";
import { planFor } from "../../../upgrade/plan";
import { crdText } from "../../fixtures/crd-text";
import { writeFiles } from "../../fixtures/write-files";
import { ClusterFixture } from "../world/cluster-fixture";

/** What may come back instead of an answer. */
const FAULTS = [400, 401, 403, 404, 409, 410, 429, 500, 503, "reset", "garbage", "html", "slow"] as const;
type Fault = (typeof FAULTS)[number];

/** Stands between the program and the API server, and spoils one request. */
class Spoiler {
  /** Every request so far, names of things left out. */
  readonly seen: string[] = [];
  spoil: { request: string; fault: Fault } | undefined;
  private readonly server: Server;

  constructor(private readonly fixture: ClusterFixture) {
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url = "/" } = request;
    const kind = `${method} ${url.split("?")[0] ?? ""}`;
    this.seen.push(kind);
    const body = await text(request);
    if (this.spoil?.request === kind) return fail(this.spoil.fault, response);
    const { api } = this.fixture.client;
    if (method === "GET") {
      const { code, contentType, body: answer } = await api.readRaw(url, request.headers.accept ?? "application/json");
      response.writeHead(code, { "content-type": contentType }).end(answer);
      return;
    }
    try {
      const contentType = request.headers["content-type"];
      const answer = await api.request(method, url, {
        contentType,
        ...(body ? { body: JSON.parse(body) as unknown } : {}),
      });
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      response
        .writeHead(error.code)
        .end(JSON.stringify({ kind: "Status", reason: error.reason, message: error.message }));
    }
  }
}

function fail(fault: Fault, response: ServerResponse): void {
  if (typeof fault === "number") {
    const status = { kind: "Status", status: "Failure", reason: "Spoiled", message: "spoiled on the way", code: fault };
    response.writeHead(fault, { "content-type": "application/json", "retry-after": "0" }).end(JSON.stringify(status));
    return;
  }
  switch (fault) {
    case "reset":
      response.destroy();
      return;
    case "slow":
      return; // never
    case "garbage":
      response.writeHead(200, { "content-type": "application/json" }).end('{"items": 7');
      return;
    case "html":
      response.writeHead(200, { "content-type": "text/html" }).end("<html>please log in</html>");
      return;
  }
}

const chartFiles = (version: string, field: string): Record<string, string> => ({
  "Chart.yaml": `apiVersion: v2\nname: faults\nversion: ${version}\n`,
  "crds/gadgets.yaml": crdText("Gadget", { group: "faults.example", field }),
  "templates/all.yaml": `apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {v: "{{ .Chart.Version }}"}
---
{{ if eq .Chart.Version "0.1.0" }}
apiVersion: v1
kind: Secret
metadata: {name: goes}
{{ else }}
apiVersion: v1
kind: ConfigMap
metadata: {name: comes}
{{ end }}
`,
});

describe("whatever the API server answers while planning: one text with what failed, and the fix", function () {
  this.timeout(600_000);
  let fixture: ClusterFixture;
  let spoiler: Spoiler;
  let all: Record<string, string>;
  const path = process.env["PATH"];

  before(async () => {
    fixture = await ClusterFixture.start();
    spoiler = new Spoiler(fixture);
    const server = await spoiler.listen();
    process.env["PATH"] = `${fixture.tools.binDir}:${path ?? ""}`;
    const chart = (version: string, field: string) =>
      writeFiles(join(fixture.scratch, `chart-${version}`), chartFiles(version, field));
    await fixture.helm(["install", "faults", chart("0.1.0", "size"), "--namespace", "faults", "--create-namespace"]);
    await fixture.kubectl("wait", "--for=condition=Established", "crd/gadgets.faults.example");
    await fixture.apply({
      apiVersion: "faults.example/v1",
      kind: "Gadget",
      metadata: { name: "g", namespace: "faults" },
      spec: { size: 1 },
    });
    const config = {
      ...{ chart: chart("0.2.0", "length"), version: "0.2.0", release: "faults", namespace: "faults", context: "c" },
      kubeconfig: await fixture.kubeconfig({ server }),
      ...{ backup: { enabled: false }, migrationGate: { enabled: false }, timeouts: { connect: 2, request: 2 } },
    };
    all = Object.fromEntries(
      Object.entries(config).map(([key, value]) => [
        `p:${key}`,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    );
  });
  after(async () => {
    process.env["PATH"] = path;
    spoiler.close();
    await fixture.stop();
  });

  const plan = () => showUserErrors(() => planFor(prepareConfig("p", all, []), "s"));

  it("each request of a plan, each with some of the faults", async () => {
    const { review } = await plan();
    expect(review.objects.map(({ name }) => name)).to.include.members(["a", "comes", "goes", "gadgets.faults.example"]);
    const requests = [...new Set(spoiler.seen)];
    expect(requests.length).to.be.greaterThan(20);
    const outcomes: string[] = [];
    for (const [i, request] of requests.entries()) {
      for (const fault of [FAULTS[i % FAULTS.length], FAULTS[(i + 6) % FAULTS.length]] as Fault[]) {
        spoiler.spoil = { request, fault };
        const outcome = await plan().then(
          ({ review: { verdict } }) => verdict as string,
          (error: unknown) => {
            if (!(error instanceof RunError))
              throw new Error(`${request} with ${fault} ends raw: ${String(error)}`, { cause: error });
            return error.message;
          },
        );
        if (outcome !== "changes") expect(outcome, `${request} with ${fault}`).to.match(/\S+[\s\S]*Fix: \S+/);
        outcomes.push(`${request} ${fault}: ${outcome.split("\n")[0] ?? ""}`);
      }
    }
    if (process.env["SHOW"]) console.log(outcomes.join("\n"));
    // Most of them stop it: a request that does not matter would not be sent.
    expect(outcomes.filter((one) => !one.endsWith(": changes")).length).to.be.greaterThan(requests.length);
  });
});
