import { expect } from "chai";
import { refusedPodWarnings } from "../../../../components/workload-restarts/refused-pods";
import { workload } from "../../upgrade/situation";

const QUOTA = "exceeded quota: q, requested: memory=1Gi, used: memory=2Gi, limited: memory=2Gi";
const withUnavailable = (unavailable: number) => {
  const { strategy } = workload("a");
  return workload("a", { strategy: { ...strategy, unavailable } });
};

describe("new pods that the API server would refuse", () => {
  for (const [what, unavailable, message, text] of [
    ["a quota, and a new pod comes first", 0, QUOTA, "cannot be restarted as things are: a new pod comes before"],
    [
      "a quota, and an old pod goes first",
      1,
      QUOTA,
      "have no room in their quota for one more pod, so old ones go first",
    ],
    [
      "anything else",
      1,
      "no PriorityClass with name gone was found",
      "cannot be restarted as things are, because the API server refuses their new pods: Deployment/mas/a (no PriorityClass",
    ],
  ] as const) {
    it(what, () => {
      const [found] = refusedPodWarnings([{ workload: withUnavailable(unavailable), message }]);
      expect(found).to.contain(text).and.contain("Deployment/mas/a (");
    });
  }

  it("nothing is refused", () => expect(refusedPodWarnings([])).to.deep.equal([]));
});
