import { expect } from "chai";
import { placesOf, RestartQueue, timesOf } from "../../../../components/workload-restarts/queue";

/** What is seen from outside when the queue runs with these durations. */
function run(sizes: number[], k: number, duration: (item: number) => number) {
  const durations = sizes.flatMap((size) => Array<number>(size).fill(0)).map((_, i) => duration(i));
  const { starts, end } = timesOf(sizes, k, durations);
  const ends = starts.map((start, i) => start + (durations[i] ?? 0));
  const groupOf = sizes.flatMap((size, g) => Array.from({ length: size }, () => g));
  const most = Math.max(...starts.map((at) => starts.filter((s, j) => s <= at && (ends[j] ?? 0) > at).length));
  return { most, starts, ends, end, groupOf, durations };
}

const anyTimes = (seed: number) => (i: number) => 1 + ((i * 7919 + seed * 104729) % 11);

describe("RestartQueue", () => {
  for (const k of [1, 2, 3, 5]) {
    for (const sizes of [[12], [3, 3, 3, 3], [1, 7, 4], [2, 1, 1, 8], [0, 2, 0, 5]]) {
      it(`at most ${k} of ${sizes.join("+")} at once, in order, a group after the other, no place idle`, () => {
        for (let seed = 1; seed <= 20; seed++) {
          const { most, starts, ends, groupOf } = run(sizes, k, anyTimes(seed));
          expect(most).to.be.at.most(k);
          expect(starts).to.deep.equal([...starts].sort((a, b) => a - b));
          starts.forEach((at, i) => {
            const before = ends.filter((_, j) => (groupOf[j] ?? 0) < (groupOf[i] ?? 0));
            expect(Math.max(0, ...before)).to.be.at.most(at);
            // It begins at once when the group before is done, or when one of its own ends.
            const own = ends.filter((_, j) => groupOf[j] === groupOf[i]);
            expect([Math.max(0, ...before), ...own]).to.include(at);
            const busy = (t: number) =>
              starts.filter((s, j) => s <= t && (ends[j] ?? 0) > t && groupOf[j] === groupOf[i]);
            for (let t = Math.max(0, ...before); t < at; t++) expect(busy(t).length, `at ${t}`).to.equal(k);
          });
        }
      });
    }
  }

  it("one that is slow holds up nobody of its group", () => {
    expect(run([4], 2, (i) => (i === 0 ? 30 : 10)).starts).to.deep.equal([0, 0, 10, 20]);
  });

  it("takes ceil(n/k) rounds when all take equally long", () => {
    expect(run([12], 1, () => 1).end).to.equal(12);
    expect(run([12], 3, () => 1).end).to.equal(4);
    expect(run([3, 3, 3, 3], 3, () => 1).end).to.equal(4);
    expect(timesOf([], 3, [])).to.deep.equal({ starts: [], end: 0 });
  });

  it("once stopped nothing begins, whatever ends, and those that never will are named", () => {
    const queue = new RestartQueue([3, 2], 2);
    expect(queue.begin()).to.deep.equal([0, 1]);
    expect(queue.begin()).to.deep.equal([]);
    expect(queue.stop()).to.deep.equal([2, 3, 4]);
    queue.end(0);
    queue.end(1);
    expect(queue.begin()).to.deep.equal([]);
  });

  it("refuses a window of less than one", () => {
    for (const k of [0, 1.5, NaN]) expect(() => new RestartQueue([1], k)).to.throw(RangeError, "maxConcurrent");
  });
});

describe("placesOf", () => {
  for (const [setting, workloads, places] of [
    [3, 100, 3],
    ["25%", 12, 3],
    ["25%", 13, 4],
    ["10%", 3, 1],
    ["1%", 0, 1],
    ["100%", 7, 7],
  ] as const) {
    it(`${setting} of ${workloads} is ${places}`, () => expect(placesOf(setting, workloads)).to.equal(places));
  }
});
