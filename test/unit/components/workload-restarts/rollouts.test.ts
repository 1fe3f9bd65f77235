import { expect } from "chai";
import { judgePods, judgeWorkload } from "../../../../components/workload-restarts/gate-verdict";
import { restartOf } from "../../../../components/workload-restarts/own-restart";
import { restartAt } from "../../../../components/workload-restarts/restart-patch";
import { pendingGroups, planRestarts, type WorkloadFacts } from "../../../../components/workload-restarts/restarts";
import { RESTARTED_AT_ANNOTATION, STAMP_ANNOTATION, stampOn } from "../../../../components/workload-restarts/stamp";
import { rolloutFacts } from "../../../../kubernetes/argo-rollouts";
import { ownerOf, type RunningPod } from "../../../../kubernetes/running-pods";

const AT = "2026-11-27T08:00:00Z";
const MARKS = { [STAMP_ANNOTATION]: "new", [RESTARTED_AT_ANNOTATION]: AT };

function rollout(spec: object = {}, status: object = {}, annotations: object = {}): object {
  return {
    metadata: { namespace: "mas", name: "a", generation: 3, annotations },
    spec: { replicas: 2, selector: { matchLabels: { app: "a" } }, template: {}, ...spec },
    status: { observedGeneration: "3", availableReplicas: 2, readyReplicas: 2, ...status },
  };
}
const restarted = (status: object = { restartedAt: AT }, at: string | undefined = AT) =>
  rolloutFacts(rollout({ restartAt: at }, status, MARKS));

describe("an Argo Rollout", () => {
  it("is rolled out once its controller has seen it, has restarted it, and its pods are available", () => {
    expect(rolloutFacts(rollout())).to.include({ kind: "Rollout", rolledOut: true, podSelector: "app=a" });
    expect(restarted()).to.include({ rolledOut: true, restartAt: AT });
    // The same moment in other words.
    expect(restarted({ restartedAt: "2026-11-27T09:00:00+01:00" }).rolledOut).to.equal(true);
    expect(restarted({}).rolledOut).to.equal(false);
    expect(restarted({ restartedAt: AT, availableReplicas: 1 }).rolledOut).to.equal(false);
    expect(restarted({ restartedAt: AT, observedGeneration: "2" }).rolledOut).to.equal(false);
    // Versions before 1.0 have a hash there, which says nothing.
    expect(restarted({ restartedAt: AT, observedGeneration: "6d8f9b7c" }).rolledOut).to.equal(true);
  });

  it("has its stamp as long as it is told to have pods as new as that", () => {
    expect(stampOn(restarted())).to.equal("new");
    expect(stampOn(restarted({}, "2026-11-27T08:30:00Z"))).to.equal("new");
    expect(stampOn(rolloutFacts(rollout({}, {}, MARKS)))).to.equal(undefined);
    expect(stampOn(restarted({}, "2026-11-27T07:59:59Z"))).to.equal(undefined);
    expect(judgeWorkload(rolloutFacts(rollout({}, {}, MARKS)), { stamp: "new" })).to.deep.include({ state: "failed" });
    expect(judgeWorkload(restarted(), { stamp: "new" })).to.deep.equal({ state: "done" });
  });

  it("its pods are those of the restart when they are not older than its moment", () => {
    const pod = (created: string): RunningPod => ({
      ...{ namespace: "mas", name: "a-1", containers: [], annotations: {}, ready: true, restarts: 0, waiting: [] },
      created,
    });
    const judge = (...created: string[]) =>
      judgePods(restarted(), created.map(pod), { injected: { containers: [] } }, "istio", { stamp: "new" });
    expect(judge(AT, "2026-11-27T08:00:05Z")).to.deep.equal({ state: "done" });
    expect(judge(AT, "2026-11-27T07:59:59Z")).to.deep.equal({
      state: "waiting",
      why: `pod a-1 is still one of before ${AT}`,
    });
    expect(restartAt(new Date("2026-11-27T07:59:59.001Z"))).to.equal(AT);
  });

  it("is found by the name of the Deployment that it refers to, which is restarted itself while it has pods", () => {
    const facts = (kind: WorkloadFacts["kind"], name: string, more: Partial<WorkloadFacts> = {}): WorkloadFacts => ({
      ...{ kind, namespace: "mas", name, replicas: 2, available: 2, paused: false },
      ...{ updateStrategy: "RollingUpdate", rolledOut: true, ...more },
    });
    const refers = facts("Rollout", "r", { refersTo: { kind: "Deployment", name: "a" } });
    const plan = (replicas: number, settings: object = {}) =>
      planRestarts(
        [{ namespace: "mas", name: "a", group: "g" }],
        [facts("Deployment", "a", { replicas }), refers],
        "new",
        { stamp: "old", stale: [] },
        { canaries: [], exclude: [], ...settings },
      );
    const pending = (replicas: number) => pendingGroups(plan(replicas)).map((group) => group.map(({ kind }) => kind));
    expect(pending(0)).to.deep.equal([["Rollout"]]);
    expect(pending(2)).to.deep.equal([["Deployment", "Rollout"]]);
    expect(plan(0, { exclude: [{ namespace: "mas", name: "a" }] }).stale).to.deep.equal(["Rollout/mas/r"]);
  });

  it("keeps the moment of a restart that was made, and is given another one where it is to be restarted again", () => {
    const live = { ...restarted({}), stamp: "new", moment: AT } as WorkloadFacts;
    const target = (more: Partial<WorkloadFacts> = {}, stamp = "new") =>
      planRestarts(
        [{ namespace: "mas", name: "a", group: "g" }],
        [{ ...live, ...more }],
        stamp,
        { stamp: "old", stale: [] },
        { canaries: [], exclude: [] },
      ).groups[0]?.targets[0];
    expect(target()).to.include({ moment: AT, done: false });
    expect(target({ rolledOut: true })).to.include({ moment: AT, done: true });
    expect(target({ rolledOut: true }, "newer")).to.not.have.property("moment");
    expect(target({ rolledOut: true, lacking: "has no proxy" })).to.not.have.property("moment");
  });

  it("owns its pods through a ReplicaSet that is named after its own hash", () => {
    const labels = { "rollouts-pod-template-hash": "5f7", app: "a" };
    const owners = [{ kind: "ReplicaSet", name: "a-5f7", controller: true }];
    expect(ownerOf({ namespace: "mas", name: "a-1" }, labels, owners).workload).to.equal("Rollout/mas/a");
  });
});

describe("what restarts pods of other controllers", () => {
  for (const [apiVersion, kind, how] of [
    [
      "apps.kruise.io/v1alpha1",
      "CloneSet",
      `kubectl patch clonesets.apps.kruise.io a --namespace mas --type merge --patch '{"spec":{"template":{"metadata":` +
        `{"annotations":{"casa-upgrade.dev/restarted-by-hand":"<now>"}}}}}'`,
    ],
    [
      "serving.kserve.io/v1beta1",
      "InferenceService",
      `kubectl patch inferenceservices.serving.kserve.io a --namespace mas --type merge --patch ` +
        `'{"spec":{"predictor":{"annotations":{"casa-upgrade.dev/restarted-by-hand":"<now>"}}}}'`,
    ],
    [
      "core.strimzi.io/v1beta2",
      "StrimziPodSet",
      "kubectl annotate strimzipodsets.core.strimzi.io a --namespace mas strimzi.io/manual-rolling-update=true",
    ],
    ["serving.knative.dev/v1", "Revision", "deploy a new revision of the Knative Service that it belongs to"],
    ["agents.example/v1", "Agent", "restart it through the Agent a (agents.example/v1)"],
  ] as const) {
    it(`${kind}: ${how}`, () => expect(restartOf({ apiVersion, kind, namespace: "mas", name: "a" })).to.equal(how));
  }
});
