import { expect } from "chai";
import { STAMP_ANNOTATION } from "../../../../components/workload-restarts/stamp";
import { stuckOf } from "../../../../components/workload-restarts/stuck";
import type { RunningPod } from "../../../../kubernetes/running-pods";

const pod = (reason: string, stamp = "new"): RunningPod => ({
  ...{ namespace: "mas", name: "a-1", containers: [], ready: false, restarts: 0, created: "" },
  annotations: { [STAMP_ANNOTATION]: stamp },
  waiting: [{ container: "agent", reason, message: "" }],
});

describe("what keeps a restart from going on", () => {
  it("a deadline and an image name are hopeless; a pull, a Secret and a quota need not be", () => {
    const deadline = "Progressing: ProgressDeadlineExceeded ReplicaSet has timed out";
    expect(stuckOf([deadline], [], "new")).to.deep.equal({ why: deadline, hopeless: true });
    expect(stuckOf([], [pod("InvalidImageName")], "new")).to.include({ hopeless: true });
    for (const reason of ["ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError"]) {
      expect(stuckOf([], [pod(reason)], "new"), reason).to.deep.equal({
        why: `pod a-1, container agent: ${reason}`,
        hopeless: false,
      });
    }
    const quota = "ReplicaFailure: FailedCreate exceeded quota";
    expect(stuckOf([quota], [], "new")).to.deep.equal({ why: quota, hopeless: false });
    expect(stuckOf([], [], "new", "FailedCreate: no")).to.deep.equal({ why: "FailedCreate: no", hopeless: false });
  });

  it("pods that start or crash may come up; those of the old template say nothing", () => {
    expect(stuckOf([], [pod("ContainerCreating"), pod("CrashLoopBackOff")], "new")).to.equal(undefined);
    expect(stuckOf([], [pod("ImagePullBackOff", "old")], "new")).to.equal(undefined);
    expect(stuckOf(["Progressing: NewReplicaSetAvailable"], [], "new")).to.equal(undefined);
  });
});
