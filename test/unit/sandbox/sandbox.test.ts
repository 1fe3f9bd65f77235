import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";

import { notReady } from "../../../sandbox/cluster/bootstrap";
import { criLog } from "../../../sandbox/cluster/logs";
import {
  clusterProcesses,
  endProcess,
  isAlive,
  killClusterProcesses,
  MARKER,
} from "../../../sandbox/cluster/processes";
import { formatElapsed, Progress } from "../../../sandbox/progress";
import { cached, cacheEntry, store } from "../../../sandbox/tools/cache";
import { buildArguments, parseVersion, pinnedVersion, TOOLS } from "../../../sandbox/tools/catalog";
import { digestOf, downloadTool } from "../../../sandbox/tools/download";
import { withLock } from "../../../sandbox/tools/lock";
import execa from "execa";

const tool = (name: string) => {
  const spec = TOOLS.find((candidate) => candidate.name === name);
  if (!spec) throw new Error(`no tool ${name}`);
  return spec;
};
const fits = (name: string, found: string) => {
  const [version, pinned] = [parseVersion(found), parseVersion(pinnedVersion(tool(name)))];
  if (!version || !pinned) throw new Error("no version");
  return tool(name).fits(version, pinned);
};

describe("sandbox: which tools fit", () => {
  it("reads a version out of what programs print", () => {
    expect(parseVersion("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0")).to.deep.equal([1, 32, 4]);
    expect(parseVersion("v3.22.0+g1a2b3c4")).to.deep.equal([3, 22, 0]);
    expect(parseVersion("unknown")).to.equal(undefined);
  });

  it("takes kubectl within one minor version, helm 3.14 and newer, the rest as pinned", () => {
    expect(["v1.33.9", "v1.34.0", "v1.35.1"].map((v) => fits("kubectl", v))).to.deep.equal([true, true, true]);
    expect(["v1.32.4", "v1.36.0", "v2.34.0"].map((v) => fits("kubectl", v))).to.deep.equal([false, false, false]);
    expect(["3.13.9", "3.14.0", "3.30.1", "4.0.0"].map((v) => fits("helm", v))).to.deep.equal([
      false,
      true,
      true,
      false,
    ]);
    expect(["3.259.4", "3.258.0", "3.260.0"].map((v) => fits("pulumi", v))).to.deep.equal([true, false, false]);
    expect(["1.34.4", "1.34.5"].map((v) => fits("kube-apiserver", v))).to.deep.equal([true, false]);
  });

  it("builds with the version that go.mod pins", () => {
    expect(buildArguments(tool("kube-scheduler")).at(-1)).to.contain(`gitVersion=${pinnedVersion(tool("kubectl"))} `);
    expect(buildArguments(tool("pulumi")).at(-1)).to.contain(`common/version.Version=${pinnedVersion(tool("pulumi"))}`);
  });
});

describe("sandbox: downloads", () => {
  let server: http.Server;
  let base: string;
  let scratch: string;
  const content = Buffer.from("#!/bin/sh\necho hello\n");
  const good = createHash("sha256").update(content).digest("hex");

  beforeEach(async () => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), "casa-upgrade-test-"));
    server = http.createServer((request, response) => {
      if (request.url === "/tool") response.end(content);
      else if (request.url === "/good") response.end(`${"0".repeat(64)}  other\n${good}  tool\n`);
      else if (request.url === "/bad") response.end("0".repeat(64));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    fs.rmSync(scratch, { recursive: true });
  });

  const attempt = async (checksums: string): Promise<string> => {
    try {
      await downloadTool({ url: `${base}/tool`, checksumUrl: base + checksums }, path.join(scratch, "tool"));
      return "done";
    } catch (error) {
      return (error as Error).message;
    }
  };

  it("keeps a file whose published checksum is right", async () => {
    expect(await attempt("/good")).to.equal("done");
    expect(fs.readFileSync(path.join(scratch, "tool")).equals(content)).to.equal(true);
  });

  it("refuses a wrong and a missing checksum", async () => {
    expect(await attempt("/bad")).to.contain(`has SHA-256 ${good}, but ${"0".repeat(64)} was published`);
    expect(await attempt("/none")).to.contain("answered 404");
  });

  it("finds a digest by file name only", () => {
    expect(digestOf(`${good} *dir/tool\n`, "tool")).to.equal(good);
    expect(digestOf(`${good}  tool.asc\n`, "tool")).to.equal(undefined);
  });
});

describe("sandbox: the cache of tools", () => {
  it("takes away what a build that was killed has left", async () => {
    const before = process.env["XDG_CACHE_HOME"];
    const home = fs.mkdtempSync(path.join(os.tmpdir(), "cache-"));
    process.env["XDG_CACHE_HOME"] = home;
    try {
      const [spec] = TOOLS;
      if (!spec) throw new Error("there is no tool");
      const left = `${cacheEntry(spec)}.tmp-1-0123abcd`;
      fs.mkdirSync(left, { recursive: true });
      const file = await store(spec, async (to) => fs.promises.writeFile(to, "built"));
      expect(fs.readFileSync(file, "utf8")).to.equal("built");
      expect(fs.readdirSync(path.dirname(left))).to.deep.equal([path.basename(cacheEntry(spec))]);
      expect(await cached(spec)).to.deep.equal({ file });
    } finally {
      if (before === undefined) delete process.env["XDG_CACHE_HOME"];
      else process.env["XDG_CACHE_HOME"] = before;
      fs.rmSync(home, { recursive: true });
    }
  });
});

describe("sandbox: locks", () => {
  let file: string;
  beforeEach(() => (file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "casa-upgrade-test-")), "lock")));
  afterEach(() => fs.rmSync(path.dirname(file), { recursive: true }));

  it("lets one caller in at a time", async () => {
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await sleep(30);
      inside--;
    };
    await Promise.all([1, 2, 3].map(() => withLock(file, () => undefined, work)));
    expect(most).to.equal(1);
    expect(fs.readdirSync(path.dirname(file))).to.deep.equal([]);
  });

  it("takes over the lock of a process that is gone, even when its number is used again", async () => {
    const gone = spawnSync("true").pid;
    for (const content of [`${gone} 1`, `${process.pid} 1`]) {
      fs.writeFileSync(file, content);
      expect(
        await withLock(
          file,
          () => expect.fail("waited"),
          () => Promise.resolve("in"),
        ),
      ).to.equal("in");
    }
  });
});

describe("sandbox: processes of a cluster", () => {
  it("finds and kills those that carry its mark, and no others", async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), "casa-upgrade-test-"));
    const marked = execa("sh", ["-c", "sleep 60 & wait"], { env: { [MARKER]: dir }, reject: false });
    const other = execa("sleep", ["60"], { env: { [MARKER]: `${dir}-other` }, reject: false });
    try {
      for (let i = 0; clusterProcesses(dir).length < 2 && i < 100; i++) await sleep(20);
      expect(clusterProcesses(dir)).to.have.lengthOf(2);
      await killClusterProcesses(dir);
      expect(clusterProcesses(dir)).to.deep.equal([]);
      expect(isAlive(other.pid ?? 0)).to.equal(true);
    } finally {
      await endProcess(other.pid ?? 0, "SIGKILL");
      await Promise.all([marked, other]);
      fs.rmSync(dir, { recursive: true });
    }
  });
});

describe("sandbox: small decisions", () => {
  it("writes output as a container runtime does, once", () => {
    const written = criLog("one\ntwo\n", new Date("2026-11-23T00:00:00Z"));
    expect(written).to.equal("2026-11-23T00:00:00.000Z stdout F one\n2026-11-23T00:00:00.000Z stdout F two\n");
    expect(criLog(written)).to.equal(written);
  });

  it("says what a cluster lacks before pods can run", () => {
    const node = (taints: unknown[]) => ({
      kind: "Node",
      metadata: { name: "node-1" },
      spec: { taints },
      status: { conditions: [{ type: "Ready", status: "True" }] },
    });
    const account = { kind: "ServiceAccount", metadata: { name: "default", namespace: "default" } };
    const crd = { kind: "CustomResourceDefinition", metadata: { name: "x.y" }, status: { conditions: [] } };
    expect(notReady([node([]), account], 1)).to.deep.equal([]);
    expect(notReady([node([{ key: "not-ready" }]), crd], 1)).to.deep.equal([
      "0 of 1 nodes ready",
      "no service account in namespace default",
      "x.y not established",
    ]);
  });

  it("tells how long a step took, and passes its error on", async () => {
    const lines: string[] = [];
    const progress = new Progress({ write: (text) => lines.push(text) });
    expect(await progress.step("one", () => Promise.resolve(7))).to.equal(7);
    const failed = await progress
      .step("two", () => Promise.reject(new Error("no")))
      .catch((error: Error) => error.message);
    expect(failed).to.equal("no");
    expect(lines.join("")).to.match(/^one \.\.\.\none: done in 0\.0 s\ntwo \.\.\.\ntwo: failed after 0\.0 s\n$/);
    expect([4_200, 59_960, 185_400].map(formatElapsed)).to.deep.equal(["4.2 s", "1 min 00 s", "3 min 05 s"]);
  });
});
