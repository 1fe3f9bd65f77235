import { expect } from "chai";
import { brokenInOrder, stuckOf } from "../../../../components/workload-restarts/stuck";
import type { RunningPod } from "../../../../kubernetes/running-pods";

const pod = (reason: string, message = ""): RunningPod => ({
  ...{ namespace: "mas", name: "a-1", containers: [], ready: false, restarts: 0, created: "" },
  annotations: {},
  waiting: [{ container: "agent", reason, message }],
});

describe("what keeps a restart from going on", () => {
  it("a deadline and an image name are hopeless; a pull, a Secret and a quota need not be", () => {
    const deadline = "Progressing: ProgressDeadlineExceeded ReplicaSet has timed out";
    expect(stuckOf([deadline], [])).to.deep.equal({ why: deadline, hopeless: true });
    expect(stuckOf([], [pod("InvalidImageName")])).to.include({ hopeless: true });
    for (const [reason, more] of [
      ["ImagePullBackOff", { patience: 45 }],
      ["ErrImagePull", { patience: 45 }],
      ["CreateContainerConfigError", {}],
    ] as const) {
      expect(stuckOf([], [pod(reason)]), reason).to.deep.equal({
        ...{ why: `pod a-1, container agent: ${reason}`, hopeless: false },
        ...more,
      });
    }
    const gone = "rpc error: code = NotFound desc = failed to pull: registry.example/agent:9: not found";
    expect(stuckOf([], [pod("ErrImagePull", gone)])).not.to.have.property("patience");
    const quota = "ReplicaFailure: FailedCreate exceeded quota";
    expect(stuckOf([quota], [])).to.deep.equal({ why: quota, hopeless: false });
    expect(stuckOf([], [], "FailedCreate: no")).to.deep.equal({ why: "FailedCreate: no", hopeless: false });
  });

  it("a webhook that does not answer may come back", () => {
    const down = 'ReplicaFailure: FailedCreate Internal error occurred: failed calling webhook "rev.istio.io"';
    expect(stuckOf([down], [])).to.equal(undefined);
  });

  it("a pod in the way of others of its StatefulSet is named, with what helps", () => {
    const old = { ...pod("CrashLoopBackOff"), restarts: 3 };
    const stuck = brokenInOrder({ kind: "StatefulSet", inOrder: true }, [old]);
    expect(stuck?.why).to.contain("pod a-1 of the old template is not ready (CrashLoopBackOff)");
    expect(stuck?.why).to.contain("kubectl delete pod a-1 --namespace mas");
    expect(brokenInOrder({ kind: "StatefulSet" }, [old])).to.equal(undefined);
    expect(brokenInOrder({ kind: "StatefulSet", inOrder: true }, [{ ...old, ready: true }])).to.equal(undefined);
  });

  it("pods that start or crash may come up", () => {
    expect(stuckOf([], [pod("ContainerCreating"), pod("CrashLoopBackOff")])).to.equal(undefined);
    expect(stuckOf(["Progressing: NewReplicaSetAvailable"], [])).to.equal(undefined);
  });
});
