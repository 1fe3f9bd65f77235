import { expect } from "chai";
import { judgePods, judgeWorkload } from "../../../../components/workload-restarts/gate-verdict";
import type { InjectorAnswer } from "../../../../components/workload-restarts/injected";
import { AGAIN_ANNOTATION, STAMP_ANNOTATION } from "../../../../components/workload-restarts/stamp";
import type { RunningPod } from "../../../../kubernetes/running-pods";
import { workload } from "../../upgrade/situation";

const STATUS = JSON.stringify({ initContainers: ["istio-init"], containers: ["istio-proxy"], revision: "default" });
const proxy = (image: string) => ({ name: "istio-proxy", image, init: false });
const INJECTS: InjectorAnswer = { injected: { containers: [proxy("proxy:2")], revision: "default" } };
const NOTHING: InjectorAnswer = { injected: { containers: [] } };
const written = { stamp: "new" };

function pod(name: string, more: Partial<RunningPod> & { image?: string } = {}): RunningPod {
  const { image = "proxy:2", ...rest } = more;
  const annotations = { [STAMP_ANNOTATION]: "new", "sidecar.istio.io/status": STATUS, "istio.io/rev": "default" };
  const containers = [{ name: "agent", image: "agent:1", init: false }, proxy(image)];
  return {
    namespace: "mas",
    name,
    annotations,
    containers,
    ready: true,
    restarts: 0,
    created: "",
    waiting: [],
    ...rest,
  };
}

const stamped = (more: object = {}) => workload("a", { stamp: "new", ...more });
const judge = (pods: RunningPod[], answer: InjectorAnswer = INJECTS, live = stamped()) =>
  judgePods(live, pods, answer, "istio", written);

describe("the gate's verdict", () => {
  it("of the workload: gone, stamp away, another stamp, marker away, on its way, rolled out", () => {
    expect(judgeWorkload(undefined, written)).to.include({ state: "gone", left: "not-found" });
    for (const stamp of [undefined, "old"]) {
      const verdict = judgeWorkload(workload("a", stamp === undefined ? {} : { stamp }), written);
      expect(verdict).to.include({ state: "failed" });
      expect(JSON.stringify(verdict)).to.contain(STAMP_ANNOTATION);
    }
    const again = judgeWorkload(stamped(), { ...written, again: "1" });
    expect(JSON.stringify(again)).to.contain(AGAIN_ANNOTATION);
    const onItsWay = judgeWorkload(stamped({ rolledOut: false, replicas: 2 }), written);
    expect(onItsWay).to.deep.equal({ state: "waiting", why: "1 of 2 replicas updated, 1 available" });
    expect(judgeWorkload(stamped(), written)).to.deep.equal({ state: "done" });
  });

  it("of the pods: missing, old, not ready, and all in order", () => {
    expect(judge([])).to.deep.equal({ state: "waiting", why: "0 of 1 pods are there" });
    const old = pod("a-1", { annotations: { [STAMP_ANNOTATION]: "old" } });
    expect(judge([pod("a-2"), old])).to.deep.equal({
      state: "waiting",
      why: "pod a-1 is still one of the old template",
    });
    expect(judge([pod("a-1", { ready: false })])).to.deep.equal({ state: "waiting", why: "pod a-1 is not ready" });
    expect(judge([pod("a-1")])).to.deep.equal({ state: "done" });
  });

  it("of what is injected: no proxy, another image, another revision; nothing wanted is nothing missing", () => {
    const bare = pod("a-1", { annotations: { [STAMP_ANNOTATION]: "new" }, containers: [] });
    const mayPass = true;
    expect(judge([bare])).to.deep.equal({ state: "failed", why: "pod a-1 has no container istio-proxy", mayPass });
    expect(judge([pod("a-1", { image: "proxy:1" })])).to.deep.equal({
      ...{ state: "failed", mayPass },
      why: "pod a-1 has istio-proxy of proxy:1, the injector's is proxy:2",
    });
    const canary: InjectorAnswer = { injected: { containers: [proxy("proxy:2")], revision: "canary" } };
    expect(judge([pod("a-1")], canary)).to.deep.equal({
      ...{ state: "failed", mayPass },
      why: "pod a-1 was injected by revision default, not canary",
    });
    expect(judge([bare], NOTHING)).to.deep.equal({ state: "done" });
    expect(judge([pod("a-1")], NOTHING)).to.deep.equal({ state: "done" });
  });

  it("waits for an injector that is down, and does without one that cannot be asked", () => {
    const down = judge([pod("a-1")], { problem: "down", message: "connection refused" });
    expect(down).to.include({ state: "waiting" });
    expect(judge([pod("a-1")], { problem: "not-asked", message: "no" })).to.deep.equal({ state: "done" });
    const refused = { problem: "refused", message: "quota" } as const;
    expect(judge([pod("a-1")], refused)).to.deep.equal({ state: "done" });
    expect(judge([pod("a-1", { containers: [] })], refused)).to.deep.equal({
      state: "done",
      note: "whether its pods have what the injector gives is not known, since quota",
    });
  });

  it("a workload that is being deleted is no longer restarted by its controller", () => {
    const deleting = judgeWorkload(stamped({ deleting: true }), written);
    expect(deleting).to.deep.equal({ state: "gone", why: "it is being deleted", left: "being-deleted" });
  });

  it("compares pods of a Rollout with the template that they are of", () => {
    const live = stamped({ kind: "Rollout", podHash: "new", replicas: 2 });
    const stable = pod("a-1", { image: "proxy:1" });
    expect(judge([pod("a-2"), { ...stable, rolloutHash: "old" }], INJECTS, live)).to.deep.equal({ state: "done" });
    expect(judge([pod("a-2"), { ...stable, rolloutHash: "new" }], INJECTS, live)).to.include({ state: "failed" });
  });

  it("leaves the pods alone that a partition keeps on the old template", () => {
    const live = stamped({ kind: "StatefulSet", replicas: 2 });
    const partitioned = { ...live, strategy: { ...live.strategy, partition: 1 } };
    const first = pod("a-0", { annotations: {}, ordinal: 0 });
    expect(judge([first, pod("a-1", { ordinal: 1 })], INJECTS, partitioned)).to.deep.equal({ state: "done" });
    expect(judge([first, pod("a-1", { ordinal: 1 })], INJECTS, live)).to.include({ state: "waiting" });
    // Counted from the first one, whatever its number.
    const from5 = { ...partitioned, firstOrdinal: 5 };
    const fifth = pod("a-5", { annotations: {}, ordinal: 5 });
    expect(judge([fifth, pod("a-6", { ordinal: 6 })], INJECTS, from5)).to.deep.equal({ state: "done" });
  });
});
