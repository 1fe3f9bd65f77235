import { expect } from "chai";
import type { RestartPlan, RestartTarget } from "../../../../components/workload-restarts/restarts";
import { placesFor, stagesOf } from "../../../../components/workload-restarts/stages";

/** A name with `!` is done, one with `?` was broken before. */
function plan(groups: Record<string, string[]>): RestartPlan {
  const target = (text: string): RestartTarget => ({
    ...{ kind: "Deployment", namespace: "mas", name: text.replace(/[!?]/g, ""), done: text.includes("!") },
    ...(text.includes("?") ? { brokenBefore: true } : {}),
  });
  const named = Object.entries(groups).map(([name, texts]) => ({ name, targets: texts.map(target) }));
  return { groups: named, skipped: [], stale: [] };
}

const shown = (of: RestartPlan, seconds: number) =>
  stagesOf(of, seconds).map((stage) =>
    stage.map((item) =>
      "soak" in item
        ? `watch ${item.soak.canaries.map(({ name }) => name).join(" and ")} for ${item.soak.seconds}`
        : item.restart.name,
    ),
  );

describe("stagesOf", () => {
  for (const [what, groups, seconds, stages] of [
    ["no watch unless wanted", { canaries: ["a"], one: ["b"] }, 0, [["a"], ["b"]]],
    [
      "canaries, the watch, the others",
      { canaries: ["a", "b"], one: ["c"] },
      9,
      [["a", "b"], ["watch a and b for 9"], ["c"]],
    ],
    ["no watch without canaries", { one: ["a"], two: ["b"] }, 9, [["a"], ["b"]]],
    ["a run that goes on watches those of before", { canaries: ["a!"], one: ["b"] }, 9, [["watch a for 9"], ["b"]]],
    ["nothing follows, so nothing is watched", { canaries: ["a!"], one: ["b!"] }, 9, [["watch a for 0"]]],
    ["one that is broken is no canary", { canaries: ["a?"], one: ["b"] }, 9, [["b"], ["a"]]],
    ["but those beside it are", { canaries: ["a?", "c"], one: ["b"] }, 9, [["c"], ["watch c for 9"], ["b"], ["a"]]],
  ] as const) {
    it(what, () => expect(shown(plan(groups as never), seconds)).to.deep.equal(stages));
  }
});

it("a share is one of all workloads of the plan, so that it stays the same when a run goes on", () => {
  expect(placesFor("50%", plan({ one: ["a!", "b!"], two: ["c", "d"] }))).to.equal(2);
  expect(placesFor(7, plan({ one: ["a"] }))).to.equal(7);
});
