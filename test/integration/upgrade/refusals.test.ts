import { expect } from "chai";
import { toYaml } from "../../fixtures/mas";
import { chartPath, mustSucceed, RELEASE_NAMESPACE, type Run, World } from "../world/world";

/** Every refusal: one clear error that names the fix, in the preview and in `up`, and nothing changed. */
describe("what cannot work is refused before anything changes", function () {
  this.timeout(300_000);
  let world: World;

  before(async () => {
    world = await World.open();
    await world.helmInstall("0.1.0");
    await world.helm("upgrade", "casa", chartPath("casa-runtime-0.1.0"), "-n", RELEASE_NAMESPACE);
  });
  after(async () => world?.close());
  beforeEach(() => world.useVersion("0.2.0", { context: world.cluster.context, kubeconfig: world.cluster.kubeconfig }));

  async function refused(...expected: (string | RegExp)[]): Promise<void> {
    const before = await world.fingerprint();
    for (const run of [await world.preview(), await world.up()]) oneError(run, expected);
    expect(await world.fingerprint()).to.deep.equal(before);
  }

  it("a context that does not exist: the known ones and the line that sets one", async () => {
    await world.config({ context: "kwok-typo" });
    await refused("kwok-typo", world.cluster.context, "pulumi config set context");
  });

  it("an unreadable kubeconfig", async () => {
    await world.config({ kubeconfig: "/nowhere/kubeconfig" });
    await refused("/nowhere/kubeconfig", "Fix:");
  });

  it("another cluster than the one the stack is pinned to", async () => {
    await world.config({ clusterId: "00000000-0000-4000-8000-000000000000" });
    await refused("00000000-0000-4000-8000-000000000000", "clusterId", "Fix:");
    await world.engine.pulumi(["config", "rm", "clusterId", "--stack", world.stack]);
  });

  it("a chart that does not exist, is none, or has another version", async () => {
    await world.config({ chart: "./charts/nowhere" });
    await refused("./charts/nowhere", "does not exist", "pulumi config set chart");
    await world.config({ chart: chartPath("broken-not-a-chart") });
    await refused("cannot be read", "Fix:");
    await world.config({ chart: chartPath("casa-runtime-0.2.0"), version: "0.3.0" });
    await refused("is version 0.2.0, the config says 0.3.0", "pulumi config set version 0.2.0");
  });

  for (const [chart, expected] of [
    ["broken-yaml", /YAML/],
    ["broken-template", /cannot be rendered/],
    ["broken-crd", /crds\//],
  ] as const) {
    it(`a chart with an error in it: ${chart}`, async () => {
      await world.config({ chart: chartPath(chart), version: "0.1.0" });
      await refused(expected, "Fix:");
    });
  }

  it("wrong config: every problem, with key, value, what is allowed and the line that fixes it", async () => {
    await world.config({ mode: "linkerd", restarts: { maxConcurent: 3 } });
    await refused("mode", "linkerd", "istio", "pulumi config set", "maxConcurent", "maxConcurrent");
    await world.config({ mode: "istio" });
    await world.engine.pulumi(["config", "rm", "restarts", "--stack", world.stack]);
  });

  it("a release that another helm left pending, with the helm line that repairs it", async () => {
    const secret = "sh.helm.release.v1.casa.v2";
    const undo = await releaseStatus(world, secret, "pending-upgrade");
    try {
      await refused("pending-upgrade", "helm rollback casa 1");
    } finally {
      await world.kubectl(["patch", "secret", secret, "-n", RELEASE_NAMESPACE, "-p", undo]);
    }
  });

  it("an object that another release owns", async () => {
    const foreign = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name: "only-in-the-next-version",
        namespace: RELEASE_NAMESPACE,
        labels: { "app.kubernetes.io/managed-by": "Helm" },
        annotations: {
          "meta.helm.sh/release-name": "casa-sidecar-standalone",
          "meta.helm.sh/release-namespace": RELEASE_NAMESPACE,
        },
      },
    };
    await world.kubectl(["apply", "-f", "-"], toYaml([foreign]));
    const copy = world.chartCopy("casa-runtime-0.2.0");
    const { writeFileSync } = await import("node:fs");
    writeFileSync(
      `${copy}/templates/extra.yaml`,
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: only-in-the-next-version}\n",
    );
    await world.config({ chart: copy });
    try {
      await refused("only-in-the-next-version", "casa-sidecar-standalone", "Fix:");
    } finally {
      await world.kubectl(["delete", "cm", "only-in-the-next-version", "-n", RELEASE_NAMESPACE]);
    }
  });

  it("missing permissions: each one listed, with the role to give", async () => {
    await world.kubectl(["create", "serviceaccount", "weak", "-n", "default"]);
    await world.kubectl([
      "create",
      "clusterrolebinding",
      "weak-view",
      "--clusterrole=view",
      "--serviceaccount=default:weak",
    ]);
    const token = await world.kubectl(["create", "token", "weak", "-n", "default"]);
    const weak = `${world.scratch}/weak.kubeconfig`;
    await world.kubectl(["config", "view", "--raw"]).then(async (text) => {
      const { writeFileSync } = await import("node:fs");
      writeFileSync(weak, asUser(text, token));
    });
    await world.config({ kubeconfig: weak });
    await refused(/permission/i, "customresourcedefinitions", "secrets");
  });

  it("a release that does not exist: perhaps the wrong context, or allowInstall", async () => {
    await world.config({ release: "casb" });
    await refused("casb", "allowInstall");
    await world.config({ release: "casa" });
  });

  it("a failing upgrade ends with the failing workload, its pods and events, and a later run goes on", async () => {
    await world.config({
      timeouts: { release: 15 },
      values: { authService: { podAnnotations: { "sandbox.casa-upgrade.dev/behavior": "crash-loop" } } },
    });
    const run = await world.up();
    expect(run.ok).to.equal(false);
    expect(run.text).to.contain("casa-auth-service").and.to.contain("CrashLoopBackOff");
    await world.engine.pulumi(["config", "rm", "values", "--stack", world.stack]);
    await world.config({ timeouts: { release: 120 } });
    // helm leaves on the cluster what only the failed revision added; the preview says so, and the line that takes it
    // back.
    const preview = mustSucceed(await world.preview());
    const rollback =
      /helm (rollback casa \d+ --namespace casa-runtime --kube-context \S+)/.exec(preview.text)?.[1] ?? "";
    await world.helm(...rollback.split(" "), "--wait");
    mustSucceed(await world.up());
    expect((await world.helmVersions()).at(-1)).to.equal("casa-runtime-0.2.0 deployed");
  });

  it("the API server down: refused, and the next run works", async () => {
    await world.cluster.stopApiServer();
    for (const run of [await world.preview(), await world.up()]) oneError(run, ["cannot be reached", "Fix:"]);
    await world.cluster.startApiServer();
    mustSucceed(await world.preview());
  });
});

function oneError(run: Run, expected: (string | RegExp)[]): void {
  expect(run.ok, run.text).to.equal(false);
  for (const part of expected) {
    if (typeof part === "string") expect(run.text).to.contain(part);
    else expect(run.text).to.match(part);
  }
  expect(run.text, "no stack trace").not.to.match(/\n\s+at .+:\d+:\d+/);
  expect(run.text.match(/^\s*error:/gm) ?? [], run.text).to.have.length(1);
}

/**
 * Writes another status into helm's release Secret, as a helm that was killed leaves it; returns the patch that undoes
 * it.
 */
async function releaseStatus(world: World, secret: string, status: string): Promise<string> {
  const { gunzipSync, gzipSync } = await import("node:zlib");
  const found = await world.json<{ data: { release: string } }>("secret", secret, "-n", RELEASE_NAMESPACE);
  const inner = Buffer.from(Buffer.from(found.data.release, "base64").toString(), "base64");
  const release = JSON.parse(gunzipSync(inner).toString()) as { info: { status: string } };
  const patch = (to: string, data: string) =>
    JSON.stringify({ metadata: { labels: { status: to } }, data: { release: data } });
  const undo = patch(release.info.status, found.data.release);
  release.info.status = status;
  const changed = Buffer.from(gzipSync(JSON.stringify(release)).toString("base64")).toString("base64");
  await world.kubectl(["patch", "secret", secret, "-n", RELEASE_NAMESPACE, "-p", patch(status, changed)]);
  return undo;
}

/** The kubeconfig with its user replaced by one with a token. */
function asUser(kubeconfig: string, token: string): string {
  return kubeconfig
    .replace(/^( +)client-certificate(-data)?: .+$/m, `$1token: ${token}`)
    .replace(/^ +client-key(-data)?: .+\n/m, "");
}
