import { expect } from "chai";
import { windowDependencies } from "../../../../components/workload-restarts/windows";

/**
 * Runs the dependencies as the engine would and returns the most items that were ever under way, and the time taken.
 */
function simulate(groups: number[], k: number, duration: (item: number) => number) {
  const waits = windowDependencies(groups, k);
  const start: number[] = [];
  const end: number[] = [];
  waits.forEach((on, i) => {
    start[i] = Math.max(0, ...on.map((j) => end[j] ?? Infinity));
    end[i] = start[i] + duration(i);
  });
  const groupOf = groups.flatMap((size, g) => Array.from({ length: size }, () => g));
  const most = Math.max(...start.map((at) => start.filter((s, j) => s <= at && (end[j] ?? 0) > at).length));
  return { most, total: Math.max(...end), start, end, groupOf };
}

describe("windowDependencies", () => {
  for (const k of [1, 2, 3, 5]) {
    for (const groups of [[12], [3, 3, 3, 3], [1, 7, 4], [2, 1, 1, 8]]) {
      it(`keeps at most ${k} of ${groups.join("+")} under way, whatever each one takes`, () => {
        for (let seed = 1; seed <= 20; seed++) {
          const run = simulate(groups, k, (i) => 1 + ((i * 7919 + seed * 104729) % 11));
          expect(run.most).to.be.at.most(k);
        }
      });

      it(`finishes each group of ${groups.join("+")} before the next starts, with ${k} at once`, () => {
        const run = simulate(groups, k, (i) => 1 + (i % 4));
        run.start.forEach((at, i) => {
          run.end.forEach((done, j) => {
            if ((run.groupOf[j] ?? 0) < (run.groupOf[i] ?? 0)) expect(done).to.be.at.most(at);
          });
        });
      });
    }
  }

  it("takes ceil(n/k) rounds when all take equally long, so the window is really used", () => {
    expect(simulate([12], 1, () => 1).total).to.equal(12);
    expect(simulate([12], 3, () => 1).total).to.equal(4);
    expect(simulate([3, 3, 3, 3], 3, () => 1).total).to.equal(4);
  });

  it("lists a bounded number of dependencies for each item, also among a thousand", () => {
    expect(Math.max(...windowDependencies([1000], 5).map((on) => on.length))).to.equal(5);
  });

  it("refuses a window of less than one", () => {
    expect(() => windowDependencies([1], 0)).to.throw(RangeError, "maxConcurrent");
  });
});
