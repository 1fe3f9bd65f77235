import { expect } from "chai";
import { Patience, type Seen } from "../../../../components/workload-restarts/patience";

const WAITING = { state: "waiting", why: "1 of 2 replicas updated" } as const;
const stuck = (why: string, more: object = {}): Seen => ({
  verdict: WAITING,
  stuck: { why, hopeless: false, ...more },
});

describe("how long a gate waits", () => {
  const patience = (brokenBefore?: true) =>
    new Patience({ timeoutSeconds: 300, ...(brokenBefore ? { brokenBefore } : {}) }, 0);

  it("an obstacle counts when it has stood there for a while, and the count begins anew when there is progress", () => {
    const one = patience();
    one.saw({ ...stuck("FailedCreate: no"), counts: "0" }, 1_000);
    expect(one.stuckAt).to.equal(9_000);
    one.saw({ ...stuck("FailedCreate: no"), counts: "1" }, 5_000);
    expect(one.stuckAt).to.equal(13_000);
    one.saw({ verdict: WAITING, counts: "1" }, 6_000);
    expect(one.stuckAt).to.equal(Infinity);
    one.saw(stuck("InvalidImageName", { hopeless: true }), 7_000);
    expect(one.stuckAt).to.equal(7_000);
    const pull = patience();
    pull.saw(stuck("ErrImagePull", { patience: 45 }), 0);
    expect(pull.stuckAt).to.equal(45_000);
  });

  it("a full quota that got room is given the time until the controller tries again", () => {
    const one = patience();
    one.saw({ verdict: WAITING, getsRoom: true }, 10_000);
    one.saw(stuck("FailedCreate: exceeded quota: q"), 11_000);
    expect(one.stuckAt).to.equal(55_000);
  });

  it("one that was not available before is waited for while it gets on, and never longer than any other", () => {
    const one = patience(true);
    expect(one.end).to.equal(60_000);
    one.saw({ verdict: WAITING, counts: "0" }, 1_000);
    one.saw({ verdict: WAITING, counts: "1" }, 50_000);
    expect(one.end).to.equal(110_000);
    one.saw({ verdict: WAITING, counts: "2" }, 299_000);
    expect(one.end).to.equal(300_000);
    expect(patience().end).to.equal(300_000);
  });

  it("a failure counts at once, unless another look may say something else", () => {
    const one = patience();
    one.saw({ verdict: { state: "failed", why: "gone" } }, 1_000);
    expect(one.failsAt).to.equal(-Infinity);
    one.saw({ verdict: { state: "failed", why: "no proxy", mayPass: true } }, 2_000);
    one.saw({ verdict: { state: "failed", why: "no proxy", mayPass: true } }, 4_000);
    expect(one.failsAt).to.equal(7_000);
  });
});
