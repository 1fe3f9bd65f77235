import { expect } from "chai";
import { stuckOf } from "../../../../components/workload-restarts/stuck";
import type { RunningPod } from "../../../../kubernetes/running-pods";

const pod = (reason: string): RunningPod => ({
  ...{ namespace: "mas", name: "a-1", containers: [], ready: false, restarts: 0, created: "" },
  annotations: {},
  waiting: [{ container: "agent", reason, message: "" }],
});

describe("what keeps a restart from going on", () => {
  it("a deadline and an image name are hopeless; a pull, a Secret and a quota need not be", () => {
    const deadline = "Progressing: ProgressDeadlineExceeded ReplicaSet has timed out";
    expect(stuckOf([deadline], [])).to.deep.equal({ why: deadline, hopeless: true });
    expect(stuckOf([], [pod("InvalidImageName")])).to.include({ hopeless: true });
    for (const reason of ["ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError"]) {
      expect(stuckOf([], [pod(reason)]), reason).to.deep.equal({
        why: `pod a-1, container agent: ${reason}`,
        hopeless: false,
      });
    }
    const quota = "ReplicaFailure: FailedCreate exceeded quota";
    expect(stuckOf([quota], [])).to.deep.equal({ why: quota, hopeless: false });
    expect(stuckOf([], [], "FailedCreate: no")).to.deep.equal({ why: "FailedCreate: no", hopeless: false });
  });

  it("a webhook that does not answer may come back", () => {
    const down = 'ReplicaFailure: FailedCreate Internal error occurred: failed calling webhook "rev.istio.io"';
    expect(stuckOf([down], [])).to.equal(undefined);
  });

  it("pods that start or crash may come up", () => {
    expect(stuckOf([], [pod("ContainerCreating"), pod("CrashLoopBackOff")])).to.equal(undefined);
    expect(stuckOf(["Progressing: NewReplicaSetAvailable"], [])).to.equal(undefined);
  });
});
