import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { HookWatch } from "../../../diagnosis/hook-watch";
import { parseManifest } from "../../../kubernetes/objects";
import { ClusterFixture, refusal } from "../world/cluster-fixture";

const NAMESPACE = "hooked";
const PROCESS = "sandbox.casa-upgrade.dev/process";

/** A Job or a Pod as a hook. */
interface Hook {
  name: string;
  kind?: "Job" | "Pod";
  policy?: string;
  command?: string;
  spec?: object;
  events?: string;
}

/** What plain helm leaves of hooks that fail, and what is known of them all the same. */
describe("a hook that fails", function () {
  this.timeout(60_000);
  let fixture: ClusterFixture;

  before(async () => {
    fixture = await ClusterFixture.start();
    await helm("install", chart([]));
  });
  after(() => fixture?.stop());

  function chart(hooks: Hook[]): string {
    const dir = mkdtempSync(join(fixture.scratch, "chart-"));
    mkdirSync(join(dir, "templates"));
    writeFileSync(join(dir, "Chart.yaml"), "apiVersion: v2\nname: hooked\nversion: 1.0.0\n");
    for (const hook of hooks)
      writeFileSync(join(dir, "templates", `${hook.name}.yaml`), JSON.stringify(objectOf(hook)));
    return dir;
  }

  function objectOf({ name, kind = "Job", policy, command = "true", spec = {}, events = "pre-upgrade" }: Hook) {
    const annotations = { "helm.sh/hook": events, ...(policy ? { "helm.sh/hook-delete-policy": policy } : {}) };
    const pod = { restartPolicy: "Never", containers: [{ name: "main", image: "x:1" }] };
    if (kind === "Pod") {
      return {
        apiVersion: "v1",
        kind,
        metadata: { name, annotations: { ...annotations, [PROCESS]: command } },
        spec: { ...pod, ...spec },
      };
    }
    const template = { metadata: { annotations: { [PROCESS]: command } }, spec: pod };
    return {
      apiVersion: "batch/v1",
      kind,
      metadata: { name, annotations },
      spec: { backoffLimit: 0, template, ...spec },
    };
  }

  const helm = (verb: string, dir: string, ...more: string[]) =>
    fixture.helm([
      verb,
      "hooked",
      dir,
      "--namespace",
      NAMESPACE,
      ...(verb === "install" ? ["--create-namespace"] : []),
      ...more,
    ]);
  const left = async () =>
    (await fixture.kubectl("get", "jobs,pods", "-n", NAMESPACE, "-o", "name")).split("\n").filter(Boolean).sort();

  /** Upgrades with plain helm, watched. @returns what helm says, what it left, and what the watch knows. */
  async function upgrade(hooks: Hook[], ...more: string[]) {
    const objects = hooks
      .map((hook) => parseManifest(JSON.stringify(objectOf(hook)))[0]?.object)
      .filter((one) => one !== undefined);
    const watch = await HookWatch.start(fixture.client, objects, NAMESPACE);
    const said = await refusal(helm("upgrade", chart(hooks), "--timeout", "20s", ...more));
    const remains = await left();
    const known = await watch.explain((log) => log.split("\n"));
    await fixture.kubectl("delete", "jobs,pods", "--all", "-n", NAMESPACE);
    return { said, remains, known };
  }

  // Long enough for its log to be opened, also where everything is slow.
  const failing = "echo preparing; echo no seeds for tenant 7; sleep 2; exit 3";

  it("by default it stays, with its pod", async () => {
    const { said, remains, known } = await upgrade([{ name: "seed", command: failing }]);
    expect(said).to.contain("pre-upgrade hooks failed");
    expect(remains.map((one) => one.split("-")[0])).to.deep.equal(["job.batch/seed", "pod/seed"]);
    expect(known).to.match(/^helm hook Job hooked\/seed: 0 of 1 completed.*\n {2}Failed: BackoffLimitExceeded/);
    expect(known).to.match(/pod seed-\w+: Failed\n {4}container main: ended with exit code 3 \(Error\)/);
    expect(known).to.contain("      | preparing\n      | no seeds for tenant 7");
  });

  it("deleted when it fails: nothing is left to look at, and yet it is known what it said", async () => {
    const { remains, known } = await upgrade([
      { name: "seed", policy: "before-hook-creation,hook-failed", command: failing },
    ]);
    expect(remains.filter((one) => one.startsWith("job"))).to.deep.equal([]);
    expect(known).to.contain("helm hook Job hooked/seed: deleted since").and.contain("      | no seeds for tenant 7");
    expect(known).to.contain("container main: ended with exit code 3");
  });

  it("a pod, and one that never ends: what it is doing when helm gives up", async () => {
    const pod = await upgrade([{ name: "seed", kind: "Pod", policy: "hook-failed", command: failing }]);
    expect(pod.known).to.contain("helm hook Pod hooked/seed: deleted since").and.contain("no seeds for tenant 7");
    const command = "echo waiting for the queue; sleep 60";
    const stuck = await upgrade([{ name: "seed", policy: "hook-failed", command }], "--timeout", "3s");
    expect(stuck.said).to.contain("timed out");
    expect(stuck.known).to.contain("container main: ").and.contain("      | waiting for the queue");
  });

  it("one that no pod can be made for: the events say why; hooks that went well or were not reached are left out", async () => {
    const spec = {
      template: {
        spec: { restartPolicy: "Never", serviceAccountName: "nobody", containers: [{ name: "main", image: "x:1" }] },
      },
    };
    const hooks = [
      { name: "a-first", command: "echo well" },
      { name: "b-seed", spec },
      { name: "c-after", events: "post-upgrade" },
    ];
    const { known } = await upgrade(hooks, "--timeout", "3s");
    expect(known).to.match(
      /^helm hook Job hooked\/b-seed: [^\n]*\n {2}event FailedCreate: .*serviceaccount "nobody" not found/,
    );
    expect(known).not.to.contain("a-first").and.not.contain("c-after");
  });
});
