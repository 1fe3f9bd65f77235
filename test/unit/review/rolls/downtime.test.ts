import { expect } from "chai";
import type { RollOptions } from "../../../../review/rolls/rolls";
import { strategyOf } from "../../../../kubernetes/strategy";
import { claim, LABELS, mounting, newImage, pair, plan, roll, type Shape, workload } from "./rolls-world";

/** Downtime of a workload of this shape that gets a new image. */
function downtime(kind: string, shape: Shape, options: Partial<RollOptions> = {}) {
  const after = { ...shape, container: { ...shape.container, ...newImage.container } };
  return roll(kind, shape, after, options).downtime;
}

describe("strategyOf", () => {
  const cases: [string, string, unknown, number, number, number][] = [
    ["Deployment defaults, 1 pod", "Deployment", {}, 1, 1, 0],
    ["Deployment defaults, 3 pods", "Deployment", {}, 3, 1, 0],
    ["Deployment defaults, 4 pods", "Deployment", {}, 4, 1, 1],
    ["Deployment defaults, 10 pods", "Deployment", {}, 10, 3, 2],
    ["both come to 0", "Deployment", { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: "25%" } } }, 3, 0, 1],
    ["never more than there are", "Deployment", { strategy: { rollingUpdate: { maxUnavailable: 5 } } }, 2, 1, 2],
    ["Recreate", "Deployment", { strategy: { type: "Recreate" } }, 3, 0, 3],
    ["StatefulSet", "StatefulSet", {}, 3, 0, 1],
    [
      "StatefulSet rounds down",
      "StatefulSet",
      { updateStrategy: { rollingUpdate: { maxUnavailable: "50%" } } },
      5,
      0,
      2,
    ],
    ["StatefulSet takes one", "StatefulSet", { updateStrategy: { rollingUpdate: { maxUnavailable: "10%" } } }, 3, 0, 1],
    ["DaemonSet", "DaemonSet", {}, 5, 0, 1],
    ["DaemonSet rounds up", "DaemonSet", { updateStrategy: { rollingUpdate: { maxUnavailable: "10%" } } }, 15, 0, 2],
    [
      "DaemonSet surge",
      "DaemonSet",
      { updateStrategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: "10%" } } },
      15,
      2,
      0,
    ],
  ];
  for (const [what, kind, spec, replicas, surge, unavailable] of cases) {
    it(`${what}: surge ${surge}, unavailable ${unavailable}`, () => {
      expect(strategyOf(kind, spec, replicas)).to.include({ surge, unavailable });
    });
  }
});

describe("planRolls: downtime", () => {
  const rolling = (maxSurge: number | string, maxUnavailable: number | string) => ({
    spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } } },
  });
  const expected = (...args: Parameters<typeof downtime>) => downtime(...args).expected;

  it("Recreate: until ready, however many replicas", () => {
    const recreate = { spec: { strategy: { type: "Recreate" } } };
    expect(expected("Deployment", recreate)).to.equal("until-ready");
    expect(downtime("Deployment", { ...recreate, replicas: 3 })).to.deep.equal({
      expected: "until-ready",
      why: "strategy Recreate: all 3 pods go before a new one starts",
    });
  });

  it("no replicas, paused, OnDelete: none", () => {
    expect(expected("Deployment", { replicas: 0, spec: { strategy: { type: "Recreate" } } })).to.equal("none");
    expect(downtime("Deployment", { spec: { paused: true } }).why).to.contain("paused");
    const onDelete = { spec: { updateStrategy: { type: "OnDelete" } } };
    expect(expected("StatefulSet", onDelete)).to.equal("none");
    expect(roll("DaemonSet", onDelete, { ...onDelete, ...newImage })).to.include({ strategy: "OnDelete" });
    expect(expected("DaemonSet", onDelete)).to.equal("none");
  });

  it("one replica: brief with a surge, until ready without", () => {
    expect(expected("Deployment", {})).to.equal("brief");
    expect(expected("Deployment", rolling(1, 0))).to.equal("brief");
    expect(expected("Deployment", rolling(1, 1))).to.equal("until-ready");
    expect(expected("Deployment", rolling(0, "25%"))).to.equal("until-ready");
  });

  it("more replicas: none, unless all may be missing", () => {
    expect(expected("Deployment", { replicas: 2 })).to.equal("none");
    expect(expected("Deployment", { replicas: 2, ...rolling(0, 1) })).to.equal("none");
    expect(expected("Deployment", { replicas: 2, ...rolling(1, 2) })).to.equal("until-ready");
    expect(expected("Deployment", { replicas: 3, ...rolling(0, "100%") })).to.equal("until-ready");
  });

  it("without a readiness probe it says that ready means little", () => {
    expect(downtime("Deployment", {}).why).not.to.contain("probe");
    expect(downtime("Deployment", { container: { readinessProbe: undefined } }).why).to.contain("no readiness probe");
  });

  describe("a claim that old and new pods share", () => {
    const shape = { pod: mounting("data") };
    const withModes = (...modes: string[]) => ({ liveClaims: [claim("data", modes)] });

    it("ReadWriteOnce and ReadWriteOncePod: deadlock while an old pod stays", () => {
      const once = downtime("Deployment", shape, withModes("ReadWriteOnce"));
      expect(once.expected).to.equal("deadlock");
      expect(once.why).to.contain("ReadWriteOnce claim data").and.contain("two servers");
      const pod = downtime("Deployment", shape, withModes("ReadWriteOncePod"));
      expect(pod.expected).to.equal("deadlock");
      expect(pod.why).to.contain("cannot start");
      expect(expected("Deployment", { ...shape, replicas: 4 }, withModes("ReadWriteOnce"))).to.equal("deadlock");
    });

    it("no deadlock when the old pod may go first, when it is shared for writing, or when it is new", () => {
      const once = withModes("ReadWriteOnce");
      expect(expected("Deployment", { ...shape, ...rolling(1, 1) }, once)).to.equal("until-ready");
      expect(expected("Deployment", { ...shape, spec: { strategy: { type: "Recreate" } } }, once)).to.equal(
        "until-ready",
      );
      expect(expected("Deployment", shape, withModes("ReadWriteMany"))).to.equal("brief");
      expect(roll("Deployment", {}, shape, once).downtime.expected).to.equal("brief");
    });

    it("the predicted claim counts before the live one; one that nobody knows is said", () => {
      const [before, after] = [workload("Deployment", shape), workload("Deployment", { ...shape, ...newImage })];
      const options = { liveClaims: [claim("data", ["ReadWriteMany"])], predicted: [claim("data", ["ReadWriteOnce"])] };
      expect(plan([pair(before, after)], options).rolls[0]?.downtime.expected).to.equal("deadlock");
      expect(downtime("Deployment", shape).why).to.contain("access modes of claim data are not known");
    });
  });

  it("host ports: deadlock unless a node is free", () => {
    const ports = { container: { ports: [{ containerPort: 80, hostPort: 8080 }] } };
    expect(downtime("Deployment", ports, { nodes: 1 })).to.deep.equal({
      expected: "deadlock",
      why: "the new pod waits for host port 8080, which the old one keeps until the new one is ready, when no node is free (1 node)",
    });
    expect(expected("Deployment", ports, { nodes: 3 })).to.equal("brief");
    expect(expected("Deployment", ports)).to.equal("deadlock");
    expect(expected("Deployment", { ...ports, pod: { nodeSelector: { disk: "ssd" } } }, { nodes: 3 })).to.equal(
      "deadlock",
    );
    expect(expected("Deployment", { ...ports, replicas: 4 }, { nodes: 4 })).to.equal("none"); // one may go first
    expect(downtime("Deployment", { pod: { hostNetwork: true } }, { nodes: 1 }).why).to.contain("hostNetwork");
  });

  it("anti-affinity against itself: deadlock when there is no node more than pods", () => {
    const term = { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: LABELS } };
    const required = { requiredDuringSchedulingIgnoredDuringExecution: [term] };
    const shape = { replicas: 2, pod: { affinity: { podAntiAffinity: required } } };
    expect(expected("Deployment", shape, { nodes: 2 })).to.equal("deadlock");
    expect(expected("Deployment", shape, { nodes: 3 })).to.equal("none");
    expect(expected("Deployment", shape)).to.equal("none");
  });

  it("StatefulSet: one replica until ready, more none, its own claims never in the way", () => {
    const claims = { volumeClaimTemplates: [{ metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"] } }] };
    expect(expected("StatefulSet", { spec: claims })).to.equal("until-ready");
    expect(expected("StatefulSet", { replicas: 3, spec: claims })).to.equal("none");
    const rollingUpdate = (fields: object) => ({ updateStrategy: { rollingUpdate: fields } });
    expect(expected("StatefulSet", { replicas: 3, spec: rollingUpdate({ maxUnavailable: 3 }) })).to.equal(
      "until-ready",
    );
    const half = downtime("StatefulSet", { replicas: 3, spec: rollingUpdate({ partition: 1, maxUnavailable: 3 }) });
    expect(half).to.deep.equal({
      expected: "none",
      why: "2 of 3 pods replaced, 2 at a time; partition 1 keeps the others on the old template",
    });
    const kept = downtime("StatefulSet", { spec: rollingUpdate({ partition: 1 }) });
    expect(kept).to.deep.equal({ expected: "none", why: "partition 1 keeps 1 pod on the old template" });
  });

  it("DaemonSet: until ready on each node, brief with a surge, deadlock when that wants a host port", () => {
    expect(downtime("DaemonSet", { replicas: 3 }).expected).to.equal("until-ready");
    expect(downtime("DaemonSet", { replicas: 3 }).why).to.contain("on each node");
    const surge = { replicas: 3, spec: { updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } } };
    expect(expected("DaemonSet", surge)).to.equal("brief");
    const ports = { container: { ports: [{ containerPort: 80, hostPort: 80 }] } };
    expect(expected("DaemonSet", { ...surge, ...ports })).to.equal("deadlock");
    const all = { replicas: 3, spec: { updateStrategy: { rollingUpdate: { maxUnavailable: "100%" } } } };
    expect(downtime("DaemonSet", all).why).to.contain("all 3 nodes");
    expect(expected("DaemonSet", { replicas: 0 })).to.equal("none");
  });
});
