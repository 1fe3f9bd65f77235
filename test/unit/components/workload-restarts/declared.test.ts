import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { childNames } from "../../../../components/child-names";
import { WorkloadRestarts, type WorkloadRestartsArgs } from "../../../../components/workload-restarts/component";
import type { RestartTarget } from "../../../../components/workload-restarts/restarts";
import type { SkipReason } from "../../../../components/workload-restarts/skipped";

const target = (i: number, done = false): RestartTarget => ({
  kind: "Deployment",
  namespace: "mas",
  name: `agent-${i}`,
  done,
});

/** What the engine is told of, in its order, and how much at once. */
async function declared(
  targets: RestartTarget[],
  preview: boolean,
  lookAgain: WorkloadRestartsArgs["lookAgain"] = () => Promise.resolve(undefined),
) {
  const told: string[] = [];
  let recorded: unknown;
  let [now, most] = [0, 0];
  await pulumi.runtime.setMocks(
    {
      newResource: async ({ name, type, inputs }) => {
        if (type.endsWith(":ConfigMap")) recorded = (inputs as { data: unknown }).data;
        told.push(`${type.split(":").at(-1)} ${name}`);
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve, 2));
        now--;
        return { id: `${name}-id`, state: inputs as object };
      },
      call: ({ inputs }) => inputs as object,
    },
    "project",
    "stack",
    preview,
  );
  const args: WorkloadRestartsArgs = {
    plan: { groups: [{ name: "explicit", targets }], skipped: [], stale: [] },
    stamp: "a1b2",
    maxConcurrent: 2,
    canarySoakSeconds: 0,
    timeoutSeconds: 60,
    injection: {
      ...{ mode: "istio", namespace: "casa", sidecarDeployment: "sidecar", webhook: "", askAbout: [] },
      timeoutSeconds: 10,
    },
    access: { context: "c" },
    called: childNames("casa"),
    now: () => Promise.resolve(new Date()),
    newSince: () => Promise.resolve(undefined),
    lookAgain,
    record: { name: "record", exists: false },
  };
  const restarts = new WorkloadRestarts("restarts", args);
  const restarted = await new Promise<string[]>((resolve) => restarts.restarted.apply(resolve));
  const skipped = await new Promise<object[]>((resolve) => restarts.skipped.apply(resolve));
  // Told of last, and nothing waits for it.
  for (let i = 0; i < 100 && recorded === undefined; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  const gates = told.filter((one) => one.startsWith("Command") && one.endsWith("-available"));
  const patches = told.filter((one) => one.startsWith("DeploymentPatch"));
  return {
    restarted,
    skipped,
    recorded,
    most,
    gates,
    patches,
    record: told.findIndex((one) => one.startsWith("ConfigMap")),
    told,
  };
}

describe("restarts as the engine is told of them", () => {
  const many = Array.from({ length: 100 }, (_, i) => target(i));

  it("a preview tells of all, as fast as the engine takes them and not at once", async () => {
    const { restarted, most, gates, patches } = await declared([...many, target(100, true)], true);
    expect(restarted).to.have.length(101);
    expect(gates).to.have.length(101);
    expect(patches).to.have.length(101);
    expect(patches[0]).to.contain("agent-0");
    // Patch and gate of each that is on its way.
    expect(most).to.be.lessThan(40);
  });

  it("those that an earlier run restarted are told of in the same way by an `up`", async () => {
    const { restarted, most, gates } = await declared(
      many.map((one) => ({ ...one, done: true })),
      false,
    );
    expect(restarted).to.have.length(100);
    expect(gates).to.have.length(100);
    expect(most).to.be.lessThan(40);
  });

  it("an `up` keeps to the places there are, and records the end", async () => {
    const { restarted, most, patches, record, told } = await declared(many.slice(0, 10), false);
    expect(restarted).to.have.length(10);
    expect(patches).to.have.length(10);
    expect(most).to.be.at.most(3);
    expect(record).to.be.greaterThan(told.findLastIndex((one) => one.endsWith("-available")));
  });

  it("one that is gone, or paused, when its turn comes is told and left alone, and the others go on", async () => {
    const left: Record<string, SkipReason> = {
      "agent-0": { code: "not-found", namedBy: "x" },
      "agent-2": { code: "paused" },
    };
    const { restarted, skipped, recorded, patches } = await declared(many.slice(0, 4), false, ({ name }) =>
      Promise.resolve(left[name]),
    );
    expect(restarted).to.deep.equal(["Deployment/mas/agent-1", "Deployment/mas/agent-3"]);
    expect(patches).to.have.length(2);
    expect(skipped).to.deep.include({ workload: "Deployment/mas/agent-0", reason: "not found (named by x)" });
    // The next run restarts it once it is resumed.
    expect(recorded).to.deep.equal({ stamp: "a1b2", stale: '["Deployment/mas/agent-2"]' });
  });
});
