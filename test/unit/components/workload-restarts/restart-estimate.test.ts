import { expect } from "chai";
import { estimateRestarts, median, type RestartFacts } from "../../../../components/workload-restarts/restart-estimate";
import type { RestartPlan } from "../../../../components/workload-restarts/restarts";

const limits = { maxConcurrent: 1, canarySoakSeconds: 0, timeoutSeconds: 60 };
const one: RestartFacts = { replicas: 1, surge: 1, unavailable: 0, minReadySeconds: 0, startupSeconds: 9 };

/** Groups of Deployments by name; a name with `!` is done. */
function plan(...groups: string[][]): RestartPlan {
  return {
    groups: groups.map((names, i) => ({
      name: `group ${i}`,
      targets: names.map((text) => {
        const name = text.replace("!", "");
        return { kind: "Deployment" as const, namespace: "mas", name, done: text.endsWith("!") };
      }),
    })),
    skipped: [{ workload: "Deployment/mas/left", why: { code: "excluded" as const } }],
    stale: [],
  };
}

function facts(of: Record<string, Partial<RestartFacts>>): Map<string, RestartFacts> {
  return new Map(Object.entries(of).map(([name, own]) => [`Deployment/mas/${name}`, { ...one, ...own }]));
}

/** Seconds of a single workload's restart. */
function seconds(own: Partial<RestartFacts>): number {
  return estimateRestarts(plan(["a"]), facts({ a: own }), limits).estimate.seconds;
}

/** Start of each workload. */
function starts(review: ReturnType<typeof estimateRestarts>): Record<string, number> {
  const all = review.groups.flatMap(({ workloads }) => workloads);
  return Object.fromEntries(
    all.map(({ workload, start }) => [workload.replace("Deployment/mas/", ""), start] as const),
  );
}

describe("estimateRestarts", () => {
  it("a restart takes its waves, each as long as a pod needs to be available, and a second for the commands", () => {
    expect(seconds({})).to.equal(10);
    expect(seconds({ minReadySeconds: 5 })).to.equal(15);
    expect(seconds({ replicas: 4, surge: 1, unavailable: 1 })).to.equal(19);
    expect(seconds({ replicas: 5, surge: 1, unavailable: 1 })).to.equal(28);
    expect(seconds({ replicas: 2, surge: 3, unavailable: 0 })).to.equal(10);
    expect(seconds({ replicas: 3, surge: 0, unavailable: 3 })).to.equal(10);
    expect(seconds({ replicas: 3, surge: 0, unavailable: 1 })).to.equal(28);
    expect(seconds({ replicas: 3, surge: 0, unavailable: 1, partition: 1 })).to.equal(19);
  });

  it("one after the other, or as many as the window takes", () => {
    const own = facts({ a: {}, b: {}, c: {}, d: {} });
    const all = plan(["a", "b", "c", "d"]);
    const single = estimateRestarts(all, own, limits);
    expect(starts(single)).to.deep.equal({ a: 0, b: 10, c: 20, d: 30 });
    expect(single.estimate.seconds).to.equal(40);
    const three = estimateRestarts(all, own, { ...limits, maxConcurrent: 3 });
    expect(starts(three)).to.deep.equal({ a: 0, b: 0, c: 0, d: 10 });
    expect(three.estimate.seconds).to.equal(20);
  });

  it("any free place takes the next one, as in the real queue", () => {
    const own = facts({ a: { startupSeconds: 29 }, b: {}, c: {}, d: {} });
    const review = estimateRestarts(plan(["a", "b", "c", "d"]), own, { ...limits, maxConcurrent: 2 });
    expect(starts(review)).to.deep.equal({ a: 0, b: 0, c: 10, d: 20 });
    expect(review.estimate.seconds).to.equal(30);
  });

  it("the time in which the canaries are watched counts", () => {
    const all = plan(["a"], ["b"]);
    const canaries = {
      ...all,
      groups: all.groups.map((group, i) => (i === 0 ? { ...group, name: "canaries" } : group)),
    };
    const review = estimateRestarts(canaries, facts({ a: {}, b: {} }), { ...limits, canarySoakSeconds: 300 });
    expect(starts(review)).to.deep.equal({ a: 0, b: 310 });
    expect(review.estimate).to.include({ seconds: 320, worstSeconds: 422 });
    expect(review.estimate.basis).to.contain("300 s in which the canaries are watched");
  });

  it("a group starts when the one before is done, however many slots are free", () => {
    const own = facts({ a: {}, b: { startupSeconds: 19 }, c: {}, d: {} });
    const review = estimateRestarts(plan(["a", "b"], ["c"], ["d"]), own, { ...limits, maxConcurrent: 5 });
    expect(starts(review)).to.deep.equal({ a: 0, b: 0, c: 20, d: 30 });
    expect(review.groups.map(({ name }) => name)).to.deep.equal(["group 0", "group 1", "group 2"]);
    const reason = "excluded by restarts.exclude";
    expect(review.skipped).to.deep.equal([{ workload: "Deployment/mas/left", reason, code: "excluded" }]);
  });

  it("what is done takes no time and no place", () => {
    const review = estimateRestarts(plan(["a!", "b"], ["c!"]), facts({ a: {}, b: { replicas: 2 }, c: {} }), limits);
    expect(review.groups[0]?.workloads).to.deep.equal([
      { workload: "Deployment/mas/a", done: true, replicas: 1, seconds: 0, start: 0 },
      { workload: "Deployment/mas/b", done: false, replicas: 2, seconds: 19, start: 0 },
    ]);
    expect(review.estimate.seconds).to.equal(19);
    const nothing = estimateRestarts(plan(["a!"]), facts({ a: {} }), limits);
    expect(nothing.estimate).to.deep.equal({ seconds: 0, worstSeconds: 0, basis: "nothing is left to restart" });
  });

  it("the worst case is every workload at its time limit, in the same queue", () => {
    const own = facts({ a: {}, b: {}, c: {} });
    const worst = (maxConcurrent: number) =>
      estimateRestarts(plan(["a", "b", "c"]), own, { ...limits, maxConcurrent }).estimate.worstSeconds;
    expect(worst(1)).to.equal(183);
    expect(worst(2)).to.equal(122);
  });

  it("unknown start-up times are the median of the known ones, done ones included, and said", () => {
    const own = facts({ a: { startupSeconds: 4 }, b: { startupSeconds: undefined }, c: { startupSeconds: 10 } });
    const { estimate } = estimateRestarts(plan(["a!"], ["b", "c"]), own, limits);
    expect(estimate.seconds).to.equal(7 + 1 + 11);
    expect(estimate.basis).to.contain("1 of 2 workloads").and.contain("median of the known ones, 7 s, for 1");
  });

  it("no known time at all is a guess, and said; so is a workload that nobody knows", () => {
    const { estimate } = estimateRestarts(plan(["a", "b"]), new Map(), { ...limits, timeoutSeconds: 300 });
    expect(estimate.seconds).to.equal(62);
    expect(estimate.basis).to.contain("30 s assumed for each pod of 2").and.not.contain("start-up times of");
  });

  it("says when a workload would run into the limit", () => {
    const slow = estimateRestarts(plan(["a", "b"]), facts({ a: { startupSeconds: 61 }, b: {} }), limits);
    expect(slow.estimate.basis).to.contain("1 would take longer than the limit of 60 s");
    const fast = estimateRestarts(plan(["a", "b"]), facts({ a: { startupSeconds: 60 }, b: {} }), limits);
    expect(fast.estimate.basis).not.to.contain("limit");
  });
});

describe("median", () => {
  it("is the middle, or the mean of two", () => {
    expect(median([])).to.equal(undefined);
    expect(median([5])).to.equal(5);
    expect(median([9, 1, 5])).to.equal(5);
    expect(median([10, 1, 3, 4])).to.equal(3.5);
  });
});
