import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { z } from "zod";
import { parseConfig } from "../../../config/config";
import { connect, connectForWriting } from "../../../kubernetes/connect";
import type { UserError } from "../../../shared/user-error";
import { checkKubectl } from "../../../upgrade/preflight";
import { ClusterFixture } from "../world/cluster-fixture";
import { inEnvironment, LocalProxy } from "../world/corporate-network";

const kubeconfig = z.looseObject({
  clusters: z.tuple([z.looseObject({ cluster: z.looseObject({ server: z.string() }) })]),
  users: z.tuple([z.looseObject({ user: z.looseObject({}) })]),
});
const AUTHENTICATION = "client.authentication.k8s.io";

/** Kubeconfigs as people have them: whether this program gets at the cluster is what kubectl says of the same file. */
describe("kubeconfigs, beside kubectl", function () {
  this.timeout(60_000);
  let world: ClusterFixture;
  let proxy: LocalProxy;
  let dir: string;
  let base: z.infer<typeof kubeconfig>;
  let port: string;
  let token: string;

  before(async function () {
    this.timeout(300_000);
    world = await ClusterFixture.start();
    proxy = await LocalProxy.start();
    dir = mkdtempSync(join(world.scratch, "kubeconfigs-"));
    const view = ["config", "view", "--raw", "--minify", "--flatten", "--output", "json"];
    base = kubeconfig.parse(JSON.parse(await world.kubectl(...view)));
    port = new URL(base.clusters[0].cluster.server).port;
    await world.kubectl("create", "serviceaccount", "reader");
    await world.bind("reader", "view");
    token = await world.kubectl("create", "token", "reader");
    plugin("good", credential("v1"));
  });
  after(async () => {
    proxy?.stop();
    await world?.stop();
  });

  /** The fixture's kubeconfig with changes to its cluster, and perhaps another user. */
  function config(cluster: object = {}, user: object = base.users[0].user) {
    return {
      clusters: [{ name: "c", cluster: { ...base.clusters[0].cluster, ...cluster } }],
      users: [{ name: "u", user }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    };
  }
  const exec = (settings: object) =>
    config(
      {},
      { exec: { apiVersion: `${AUTHENTICATION}/v1`, interactiveMode: "Never", command: "./good", ...settings } },
    );
  const credential = (version: string) =>
    `echo '{"apiVersion":"${AUTHENTICATION}/${version}","kind":"ExecCredential","status":{"token":"${token}"}}'`;
  function plugin(name: string, script: string): string {
    const file = join(dir, name);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
    return file;
  }

  /** What kubectl and this program say: "ok", or why not. */
  async function both(content: object | string, env: NodeJS.ProcessEnv = {}) {
    const file = join(mkdtempSync(join(dir, "k-")), "config");
    // Relative paths are relative to the kubeconfig.
    const text = (typeof content === "string" ? content : JSON.stringify(content)).replaceAll('"./', '"../');
    writeFileSync(file, text, { mode: 0o600 });
    const access = ["--kubeconfig", file, "--context", "x", "--request-timeout", "10s"];
    const options = { env: { ...world.env, ...env }, reject: false, timeout: 30_000, input: "" };
    const byHand = await execa(world.tools.path("kubectl"), [...access, "get", "--raw", "/api/v1/namespaces"], options);
    const asked = proxy.asked.splice(0);
    const ours = await inEnvironment(env, () =>
      connect({ kubeconfig: file, context: "x", timeoutSeconds: 10 }).then(
        () => "ok",
        (error: Error) => error.message,
      ),
    );
    // Whatever one of them sends through the proxy, the other does.
    expect(proxy.asked.splice(0).length > 0).to.equal(asked.length > 0, "through the proxy");
    return { byHand: byHand.failed ? byHand.stderr : "ok", ours, file };
  }
  async function bothReach(content: object | string, env: NodeJS.ProcessEnv = {}): Promise<void> {
    const { byHand, ours } = await both(content, env);
    expect({ byHand, ours }).to.deep.equal({ byHand: "ok", ours: "ok" });
  }
  async function neitherReaches(content: object | string, why: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
    const { byHand, ours } = await both(content, env);
    expect(byHand).not.to.equal("ok");
    expect(ours).to.contain(why).and.to.contain("Fix:").and.not.to.contain(token);
  }

  it("a proxy that the environment names, and what NO_PROXY takes from it", async () => {
    const far = (host: string) => config({ server: `https://${host}:${port}`, "tls-server-name": "kubernetes" });
    for (const env of [
      { HTTPS_PROXY: `http://${proxy.address}` },
      { https_proxy: proxy.address },
      { HTTPS_PROXY: `http://${proxy.address}`, NO_PROXY: "10.0.0.0/8, example.com,api.corp.test:1, .api.corp.test" },
    ])
      await bothReach(far("api.corp.test"), env);
    await bothReach(far("10.1.2.3"), { HTTPS_PROXY: `http://${proxy.address}`, NO_PROXY: "10.2.0.0/16,10.1.2.4" });
    for (const NO_PROXY of ["*", "corp.test", ".corp.test", "*.corp.test", "API.corp.test", `api.corp.test:${port}`])
      await neitherReaches(far("api.corp.test"), "ENOTFOUND", { HTTPS_PROXY: `http://${proxy.address}`, NO_PROXY });
    // This machine is never reached by a proxy; a proxy of the kubeconfig counts before the environment's.
    await bothReach(config(), { HTTPS_PROXY: "http://127.0.0.1:1" });
    await bothReach(config({ ...far("api.corp.test").clusters[0]?.cluster, "proxy-url": `http://${proxy.address}` }), {
      HTTPS_PROXY: "http://127.0.0.1:1",
      NO_PROXY: "*",
    });
    await neitherReaches(far("api.corp.test"), "cannot be reached", { HTTPS_PROXY: "http://127.0.0.1:1" });
  });

  it("certificates that only the machine trusts", async () => {
    const { "certificate-authority-data": authority, ...cluster } = base.clusters[0].cluster;
    const content = { ...config(), clusters: [{ name: "c", cluster }] };
    const file = join(dir, "machine.pem");
    writeFileSync(file, Buffer.from(z.string().parse(authority), "base64"));
    await neitherReaches(content, "certificate");
    await bothReach(content, { SSL_CERT_FILE: file });
    await bothReach({
      ...content,
      clusters: [{ name: "c", cluster: { ...cluster, "insecure-skip-tls-verify": true } }],
    });
  });

  it("credential plugins that want to know whom they speak to", async () => {
    const wants = (text: string) =>
      `case $KUBERNETES_EXEC_INFO in *'${text}'*) ;; *) echo "not told" >&2; exit 1 ;; esac\n${credential("v1")}`;
    plugin("version", wants(`"apiVersion":"${AUTHENTICATION}/v1"`));
    await bothReach(exec({ command: "./version" }));
    plugin("cluster", wants(`"server":"${base.clusters[0].cluster.server}"`));
    await bothReach(exec({ command: "./cluster", provideClusterInfo: true }));
    await neitherReaches(exec({ command: "./cluster" }), "not told");
    plugin("settings", wants('"audience":"abc"'));
    const extensions = [{ name: `${AUTHENTICATION}/exec`, extension: { audience: "abc" } }];
    const { users } = exec({ command: "./settings", provideClusterInfo: true });
    await bothReach({ ...config({ extensions }), users });
    plugin("asks", `read answer\n${credential("v1")}`);
    await bothReach(exec({ command: "./asks", interactiveMode: "IfAvailable" }));
    await bothReach(exec({ command: "good" }), { PATH: `${dir}${delimiter}${process.env["PATH"] ?? ""}` });
    plugin(
      "yaml",
      `printf 'apiVersion: ${AUTHENTICATION}/v1\\nkind: ExecCredential\\nstatus: {token: %s}\\n' '${token}'`,
    );
    await bothReach(exec({ command: "./yaml" }));
  });

  it("credential plugins that fail, in their words", async () => {
    await neitherReaches(exec({ command: "no-such-plugin", installHint: "brew install it" }), "brew install it");
    plugin("expired", "echo 'session expired, run corp login' >&2; exit 3");
    await neitherReaches(exec({ command: "./expired" }), "failed (exit code 3): session expired, run corp login");
    plugin("silent", "exit 0");
    await neitherReaches(exec({ command: "./silent" }), "printed no ExecCredential");
    plugin("chatty", `echo "WARNING: old"; ${credential("v1")}`);
    await neitherReaches(exec({ command: "./chatty" }), "printed no ExecCredential");
    plugin("older", credential("v1beta1"));
    await neitherReaches(exec({ command: "./older" }), "answers with client.authentication.k8s.io/v1beta1");
    await neitherReaches(config({}, { "auth-provider": { name: "gcp" } }), "gke-gcloud-auth-plugin");
  });

  it("a credential is not used after its time", async () => {
    const uses = join(dir, "uses");
    plugin(
      "short",
      `echo x >> ${uses}\nat=$(date -u -d '+2 seconds' +%Y-%m-%dT%H:%M:%SZ)\n` +
        `echo '{"apiVersion":"${AUTHENTICATION}/v1","kind":"ExecCredential","status":{"token":"${token}","expirationTimestamp":"'$at'"}}'`,
    );
    const { file } = await both(exec({ command: "./short" }));
    const client = await connect({ kubeconfig: file, context: "x", timeoutSeconds: 10 });
    const before = (await execa("cat", [uses])).stdout.length;
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    await client.api.list({ apiVersion: "v1", kind: "Pod" }, "default");
    expect((await execa("cat", [uses])).stdout.length).to.be.greaterThan(before);
  });

  it("who is meant: impersonation with all that belongs to it, tokens of files that are not there", async () => {
    const as = { ...base.users[0].user, as: "jane", "as-groups": ["system:masters"] };
    await bothReach(config({}, { ...as, "as-uid": "1", "as-user-extra": { "corp.test/Team": ["a", "b"] } }));
    // The API server says whom it takes the user for.
    const { file } = await both(config({}, { ...as, "as-user-extra": { "corp.test/team": ["a", "b"] } }));
    const { api } = await connectForWriting({ kubeconfig: file, context: "x", timeoutSeconds: 10 });
    const self = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
    const said = await api.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", { body: self });
    expect(JSON.stringify(said)).to.contain('"corp.test/team":["a","b"]');
    await bothReach(config({}, { tokenFile: "/nowhere/token", token }));
    await neitherReaches(config({}, { tokenFile: "/nowhere/token" }), "/nowhere/token");
    await bothReach(config({}, { token, ...exec({}).users[0]?.user }));
  });

  it("texts: YAML as Go reads it", async () => {
    const text = JSON.stringify(config());
    await bothReach(`${text}\n---\n{"clusters": 1}\n`);
    await bothReach(text.replace('{"clusters"', '{"kind":"Config","kind":"Config","clusters"'));
    await bothReach(`\ufeff${text}`);
    await neitherReaches(config({ server: "a b" }), "is no address");
    await neitherReaches({ ...config(), clusters: 1 }, "clusters");
    const twins = { ...config(), users: [...config().users, { name: "u", user: { token } }] };
    await neitherReaches(twins, 'two users of the name "u"');
  });

  it("what only kubectl refuses is told before anything else begins, since helm and Pulumi's plugin would refuse it", async () => {
    const refused = [
      exec({ interactiveMode: undefined }),
      exec({ interactiveMode: "Always" }),
      config({ "insecure-skip-tls-verify": true }),
      exec({ apiVersion: `${AUTHENTICATION}/v1alpha1`, command: plugin("alpha", credential("v1alpha1")) }),
    ];
    for (const content of refused) {
      const { ours, byHand, file } = await both(content);
      expect(ours).to.equal("ok");
      expect(byHand).not.to.equal("ok");
      const refusal = await check(file);
      expect(refusal?.message).to.contain('kubectl cannot use context "x"');
      expect(byHand).to.contain(refusal?.problem.split(": ").at(-1));
    }
    const { file } = await both(config());
    expect(await check(file)).to.equal(undefined);
  });
  const check = (kubeconfig: string) =>
    inEnvironment({ PATH: world.env["PATH"] }, () =>
      checkKubectl(parseConfig({ chart: "./chart", kubeconfig, context: "x" })).then(
        () => undefined,
        (error: UserError) => error,
      ),
    );
});
