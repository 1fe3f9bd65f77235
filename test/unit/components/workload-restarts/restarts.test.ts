import { skipText } from "../../../../components/workload-restarts/skipped";
import { expect } from "chai";
import {
  type NamedWorkload,
  pendingGroups,
  planRestarts,
  queuedGroups,
  type WorkloadFacts,
} from "../../../../components/workload-restarts/restarts";
import { nameWorkloads } from "../../../../components/workload-restarts/targets";

const facts = (name: string, extra: Partial<WorkloadFacts> = {}): WorkloadFacts => ({
  kind: "Deployment",
  namespace: "mas",
  name,
  replicas: 2,
  paused: false,
  updateStrategy: "RollingUpdate",
  rolledOut: true,
  available: 2,
  ...extra,
});
const named = (name: string, extra: Partial<NamedWorkload> = {}): NamedWorkload => ({
  namespace: "mas",
  name,
  group: "MultiAgentSystem mas/one",
  ...extra,
});
const none = { canaries: [], exclude: [] };
const old = { stamp: "old", stale: [] };
const names = (groups: { name: string }[][]) => groups.map((group) => group.map((target) => target.name));

describe("planRestarts", () => {
  it("restarts workloads that run under another configuration, stamped or not", () => {
    const live = [facts("a"), facts("b", { stamp: "older" })];
    const plan = planRestarts([named("a"), named("b")], live, "new", old, none);
    expect(names(pendingGroups(plan))).to.deep.equal([["a", "b"]]);
    expect(plan.skipped).to.deep.equal([]);
  });

  it("a partition that keeps all pods, and a deletion, are obstacles; a rollout that was stuck goes last", () => {
    const live = [
      facts("a", { kind: "StatefulSet", keepsAll: true }),
      facts("b", { deleting: true }),
      facts("c", { failing: true, rolledOut: false }),
      facts("d"),
    ];
    const all = ["a", "b", "c", "d"].map((name) => named(name));
    const plan = planRestarts(all, live, "new", old, none);
    expect(plan.skipped.map(({ why }) => why.code)).to.deep.equal(["partition", "being-deleted"]);
    expect(plan.stale).to.deep.equal(["StatefulSet/mas/a"]);
    expect(names(pendingGroups(plan))).to.deep.equal([["d"], ["c"]]);
    // What was restarted before somebody set the partition is done.
    const done = planRestarts([named("a")], [facts("a", { keepsAll: true, stamp: "new" })], "new", old, none);
    expect(done.skipped).to.deep.equal([]);
  });

  it("one without replicas may be scaled up while the upgrade runs: the next run restarts it", () => {
    const asleep = planRestarts([named("a")], [facts("a", { replicas: 0, available: 0 })], "new", old, none);
    expect(asleep.stale).to.deep.equal(["Deployment/mas/a"]);
    const awake = planRestarts([named("a")], [facts("a")], "new", { stamp: "new", stale: asleep.stale }, none);
    expect(names(pendingGroups(awake))).to.deep.equal([["a"]]);
    const quiet = planRestarts([named("a")], [facts("a", { replicas: 0 })], "new", { stamp: "new", stale: [] }, none);
    expect(quiet.stale).to.deep.equal([]);
  });

  it("restarts nothing when the configuration does not change", () => {
    const plan = planRestarts([named("a")], [facts("a")], "old", old, none);
    expect(pendingGroups(plan)).to.deep.equal([]);
    expect(plan.skipped[0]?.why).to.deep.equal({ code: "unchanged" });
  });

  it("keeps a workload that an earlier run finished, and goes on with one that it left half-way", () => {
    const live = [facts("a", { stamp: "new" }), facts("b", { stamp: "new", rolledOut: false }), facts("c")];
    const plan = planRestarts([named("a"), named("b"), named("c")], live, "new", old, none);
    const targets = plan.groups.flatMap((group) => group.targets);
    expect(targets.map(({ name, done }) => `${name} ${done}`)).to.deep.equal(["a true", "b false", "c false"]);
    expect(names(pendingGroups(plan))).to.deep.equal([["b", "c"]]);
  });

  it("one that is restarted and not ready for a moment is waited for, and no restart", () => {
    const live = [
      facts("a", { stamp: "new", rolledOut: false, allNew: true, available: 1 }),
      facts("b", { stamp: "new" }),
    ];
    const plan = planRestarts([named("a"), named("b")], live, "new", old, none);
    expect(pendingGroups(plan)).to.deep.equal([]);
    expect(names(queuedGroups(plan))).to.deep.equal([["a"]]);
    const taken = planRestarts([named("a")], [{ ...live[0]!, stamp: "older" }], "new", old, none);
    expect(names(pendingGroups(taken))).to.deep.equal([["a"]]);
  });

  it("one whose pods a webhook holds up goes after all others, also after those that were not available", () => {
    const live = [
      facts("a", { held: true }),
      facts("b", { available: 1 }),
      facts("c"),
      facts("d", { held: true, available: 0 }),
    ];
    const plan = planRestarts(
      ["a", "b", "c", "d"].map((name) => named(name)),
      live,
      "new",
      old,
      none,
    );
    expect(names(pendingGroups(plan))).to.deep.equal([["c"], ["b"], ["a", "d"]]);
    const done = planRestarts([named("a")], [facts("a", { held: true, stamp: "new" })], "new", old, none);
    expect(pendingGroups(done)).to.deep.equal([]);
  });

  it("reports missing, paused, scaled-to-zero, OnDelete, excluded and Pod targets and attempts none of them", () => {
    const live = [
      facts("paused", { paused: true }),
      facts("zero", { replicas: 0 }),
      facts("by-hand", { kind: "StatefulSet", updateStrategy: "OnDelete" }),
      facts("left-out"),
    ];
    const all = ["missing", "paused", "zero", "by-hand", "left-out"].map((name) => named(name));
    const plan = planRestarts([...all, named("pod", { kind: "Pod" })], live, "new", old, {
      canaries: [],
      exclude: [{ namespace: "mas", name: "left-out" }],
    });
    expect(pendingGroups(plan)).to.deep.equal([]);
    const reasons = Object.fromEntries(plan.skipped.map(({ workload, why }) => [workload, skipText(why)]));
    expect(reasons["mas/missing"]).to.contain("not found");
    expect(reasons["Pod/mas/pod"]).to.contain("cannot be restarted");
    expect(reasons["Deployment/mas/paused"]).to.contain("kubectl rollout resume");
    expect(reasons["Deployment/mas/zero"]).to.contain("no replicas");
    expect(reasons["StatefulSet/mas/by-hand"]).to.contain("OnDelete");
    expect(reasons["Deployment/mas/left-out"]).to.contain("restarts.exclude");
    expect(plan.stale).to.deep.equal([
      "Deployment/mas/left-out",
      "Deployment/mas/paused",
      "Deployment/mas/zero",
      "StatefulSet/mas/by-hand",
    ]);
  });

  it("of one that needs no restart nothing is told because it is paused or OnDelete, unless pods of it are old", () => {
    const obstacles = [{ paused: true }, { updateStrategy: "OnDelete" }];
    for (const obstacle of obstacles) {
      const skip = (extra: object) =>
        planRestarts([named("a")], [facts("a", { ...obstacle, ...extra })], "old", old, none).skipped[0]?.why.code;
      expect(skip({ allNew: true })).to.equal("unchanged");
      expect(skip({ allNew: false })).to.be.oneOf(["paused", "on-delete"]);
      const stamped = facts("a", { ...obstacle, stamp: "old", allNew: true, rolledOut: false });
      const plan = planRestarts([named("a")], [stamped], "old", old, none);
      expect(plan.skipped).to.deep.equal([]);
      expect(plan.groups[0]?.targets[0]?.done).to.equal(true);
    }
  });

  it("restarts a workload that was paused during an earlier upgrade once it is resumed", () => {
    const recorded = { stamp: "new", stale: ["Deployment/mas/a"] };
    const plan = planRestarts([named("a"), named("b")], [facts("a"), facts("b")], "new", recorded, none);
    expect(names(pendingGroups(plan))).to.deep.equal([["a"]]);
    expect(plan.stale).to.deep.equal([]);
  });

  it("puts canaries first and then one system after the other", () => {
    const list = [
      named("a1", { group: "A" }),
      named("a2", { group: "A" }),
      named("b1", { group: "B" }),
      named("b2", { group: "B" }),
    ];
    const live = ["a1", "a2", "b1", "b2"].map((name) => facts(name));
    const plan = planRestarts(list, live, "new", old, { canaries: [{ namespace: "mas", name: "b2" }], exclude: [] });
    expect(names(pendingGroups(plan))).to.deep.equal([["b2"], ["a1", "a2"], ["b1"]]);
  });

  it("takes a workload that several name once, and both kinds where a name without a kind means both", () => {
    const live = [facts("a"), facts("a", { kind: "StatefulSet" })];
    const plan = planRestarts([named("a"), named("a", { kind: "Deployment", group: "B" })], live, "new", old, none);
    expect(plan.groups.map(({ name, targets }) => [name, ...targets.map(({ kind }) => kind)])).to.deep.equal([
      ["MultiAgentSystem mas/one", "Deployment", "StatefulSet"],
    ]);
  });

  it("says so when a canary does not exist", () => {
    const plan = planRestarts([], [], "new", old, { canaries: [{ namespace: "mas", name: "x" }], exclude: [] });
    expect(plan.skipped).to.deep.equal([
      { workload: "mas/x", why: { code: "not-found", namedBy: "restarts.canaries" } },
    ]);
  });
});

describe("nameWorkloads", () => {
  it("orders systems by name whatever order the API server lists them in, and apps as they are written", () => {
    const system = (name: string, workloads: string[]) => ({ namespace: "mas", name, workloads });
    const found = nameWorkloads(
      [system("z", ["z1"]), system("a", ["a2", "a1"])],
      [{ namespace: "mas", name: "p", targetRef: { kind: "StatefulSet", name: "db" } }],
      [{ namespace: "other", name: "x" }],
    );
    expect(found.map(({ name }) => name)).to.deep.equal(["a2", "a1", "z1", "db", "x"]);
    expect(found[3]?.kind).to.equal("StatefulSet");
  });

  it("one that is not available before goes last, whatever its group, and is done once it is restarted", () => {
    const broken = { available: 1, rolledOut: false };
    const all = ["a", "b", "c"].map((name) => named(name));
    const settings = { canaries: [{ namespace: "mas", name: "a" }], exclude: [] };
    const before = planRestarts(all, [facts("a", broken), facts("b"), facts("c")], "new", old, settings);
    expect(names(pendingGroups(before))).to.deep.equal([["b", "c"], ["a"]]);
    const after = ["a", "b", "c"].map((name) => facts(name, { stamp: "new" }));
    const still = { ...after[0]!, ...broken, brokenBefore: "new" };
    const done = planRestarts(all, [still, ...after.slice(1)], "new", old, settings);
    expect(pendingGroups(done)).to.deep.equal([]);
    // The recorded groups are the same before and after, so that a repeated run shows no change.
    const groups = (plan: typeof done) =>
      plan.groups.map(({ name, targets }) => [name, ...targets.map((one) => one.name)]);
    expect(groups(done)).to.deep.equal(groups(before));
  });

  it("one that this upgrade broke is no such one: it is waited for again", () => {
    const live = facts("a", { stamp: "new", available: 1, rolledOut: false });
    const plan = planRestarts([named("a")], [live], "new", old, none);
    expect(plan.groups[0]?.targets).to.deep.equal([{ kind: "Deployment", namespace: "mas", name: "a", done: false }]);
    const earlier = planRestarts([named("a")], [{ ...live, brokenBefore: "older" }], "new", old, none);
    expect(earlier.groups).to.deep.equal(plan.groups);
  });
});
