import { UserError } from "../../../shared/user-error";
import { chmodSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import type * as https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { connect } from "../../../kubernetes/connect";
import { ContextAccess } from "../../../kubernetes/context-access";
import { loadKubeconfig } from "../../../kubernetes/kubeconfig";

describe("kubeconfig", () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "kubeconfig-"))));
  afterEach(() => rmSync(dir, { recursive: true }));

  function file(name: string, content: object | string): string {
    const path = join(dir, name);
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  }
  const cluster = (name: string, server: string, more: object = {}) => ({ name, cluster: { server, ...more } });
  const context = (name: string, of: string, user?: string) => ({ name, context: { cluster: of, user } });
  async function login(path: string, name = "c"): Promise<https.RequestOptions> {
    const options: https.RequestOptions = {};
    await ContextAccess.of(loadKubeconfig(path), name).applyToHTTPSOptions(options);
    return options;
  }
  function problem(action: () => unknown): string {
    try {
      action();
    } catch (error) {
      expect(error).to.be.instanceOf(UserError);
      return (error as Error).message;
    }
    throw new Error("nothing was refused");
  }

  it("merges the files of $KUBECONFIG as kubectl does: the first entry of a name counts, missing files are passed over", () => {
    const one = file("one", { clusters: [cluster("a", "https://first")], contexts: [context("c", "a")] });
    const two = file("two", { clusters: [cluster("a", "https://second")], contexts: [context("d", "a")] });
    const found = loadKubeconfig(undefined, { KUBECONFIG: [one, join(dir, "none"), two].join(":") });
    expect([...found.contexts.keys()]).to.deep.equal(["c", "d"]);
    expect(ContextAccess.of(found, "d").getCurrentCluster().server).to.equal("https://first");
  });

  it("a configured path counts more than $KUBECONFIG", () => {
    const one = file("one", { contexts: [] });
    expect(loadKubeconfig(one, { KUBECONFIG: "/elsewhere" }).files).to.deep.equal([one]);
  });

  it("names files that do not exist", () => {
    expect(problem(() => loadKubeconfig("/no/such/file")))
      .to.contain("/no/such/file does not exist")
      .and.contain("pulumi config");
    expect(problem(() => loadKubeconfig(undefined, { KUBECONFIG: "/no/a:/no/b" }))).to.contain("/no/a, /no/b");
  });

  it("a file that is no kubeconfig is named, without its text", () => {
    const bad = file("bad", "users:\n- name: x\n  user: {token: s3cret\n clusters: [");
    expect(problem(() => loadKubeconfig(bad)))
      .to.contain(bad)
      .and.contain("line")
      .and.not.contain("s3cret");
    const wrong = file("wrong", { users: [{ name: "x", user: { token: ["s3cret"] } }] });
    expect(problem(() => loadKubeconfig(wrong)))
      .to.contain("users.0.user.token")
      .and.not.contain("s3cret");
  });

  it("takes certificates inline or from files relative to their kubeconfig", async () => {
    mkdirSync(join(dir, "pki"));
    file("pki/ca.crt", "CA");
    const data = Buffer.from("CERT").toString("base64");
    const path = file("config", {
      clusters: [cluster("a", "https://x", { "certificate-authority": "pki/ca.crt", "tls-server-name": "other" })],
      users: [{ name: "u", user: { "client-certificate-data": data, "client-certificate": "pki/none", as: "jane" } }],
      contexts: [context("c", "a", "u")],
    });
    const options = await login(path);
    expect(String(options.ca)).to.equal("CA");
    expect(String(options.cert)).to.equal("CERT");
    expect(options.servername).to.equal("other");
    expect(options.headers).to.include({ "impersonate-user": "jane" });
  });

  it("reads tokens and token files, and runs credential plugins relative to their kubeconfig", async () => {
    file("token", "from-file\n");
    const plugin = file(
      "plugin.sh",
      `#!/bin/sh\necho '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'$WHO'"}}'\n`,
    );
    chmodSync(plugin, 0o755);
    const env = [{ name: "WHO", value: "from-plugin" }];
    const path = file("config", {
      clusters: [cluster("a", "https://x")],
      users: [
        { name: "file", user: { tokenFile: "token", token: "old" } },
        { name: "exec", user: { exec: { command: "./plugin.sh", args: [], env } } },
      ],
      contexts: [context("c", "a", "file"), context("d", "a", "exec")],
    });
    const bearer = (options: https.RequestOptions) => {
      const headers = options.headers as Record<string, string>;
      return headers["authorization"] ?? headers["Authorization"];
    };
    expect(bearer(await login(path))).to.equal("Bearer from-file");
    expect(bearer(await login(path, "d"))).to.equal("Bearer from-plugin");
  });

  it("leaves proxies to the library", async () => {
    const path = file("config", {
      clusters: [cluster("a", "https://x", { "proxy-url": "http://proxy.example:3128" })],
      contexts: [context("c", "a")],
    });
    const { agent } = await login(path);
    expect(JSON.stringify(agent, ["proxy"])).to.contain("proxy.example");
  }).timeout(30_000);

  it("an unknown context: the known ones, nearest first, and the line that sets one", async () => {
    const path = file("config", {
      clusters: [cluster("a", "https://x")],
      contexts: [context("staging", "a"), context("production", "a")],
    });
    const error = await connect({ kubeconfig: path, context: "prodction", timeoutSeconds: 1 }).catch((e: unknown) => e);
    expect(String(error)).to.contain("production, staging").and.contain("pulumi config set context production");
  });

  it("a context whose cluster or user is missing", () => {
    const path = file("config", {
      clusters: [cluster("a", "https://x")],
      contexts: [context("c", "b"), context("d", "a", "u")],
    });
    const found = loadKubeconfig(path);
    expect(problem(() => ContextAccess.of(found, "c"))).to.contain('cluster "b"');
    expect(problem(() => ContextAccess.of(found, "d"))).to.contain('user "u"');
  });
});
