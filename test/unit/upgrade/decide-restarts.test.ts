import { expect } from "chai";
import type { InjectorAnswer } from "../../../components/workload-restarts/injected";
import { ours, outcomeOf, revision, type Situation, stampOf, system, workload } from "./situation";

const [OLD, NEW] = [stampOf("0.1.0"), stampOf("0.2.0")];
/** Everything is done in 0.2.0; what is left is what somebody changed since. */
const DONE: Situation = {
  revisions: [revision(1, "0.1.0", { status: "superseded" }), revision(2, "0.2.0", { description: ours("0.2.0") })],
  records: { before: { stamp: OLD, stale: [] }, after: { stamp: NEW, stale: [] } },
};
const stamped = (name: string, more: object = {}) => workload(name, { stamp: NEW, ...more });

/** What the API server keeps of this program's writing: its annotations on the object, and the stamp if it holds. */
function writtenByUs(stampHolds: boolean) {
  const template = { "f:metadata": { "f:annotations": { "f:casa-upgrade.dev/config-stamp": {} } } };
  const fieldsV1 = { "f:metadata": {}, ...(stampHolds ? { "f:spec": { "f:template": template } } : {}) };
  return [{ manager: "casa-upgrade", operation: "Apply", fieldsV1 }];
}

describe("restarts that the release gives no reason for", () => {
  it("a stamp that somebody took away, or put back to an older one", () => {
    const outcome = outcomeOf({
      ...DONE,
      systems: [system("gone", "older", "ours")],
      workloads: [
        workload("gone", { managedFields: writtenByUs(false) }),
        workload("older", { stamp: OLD, managedFields: writtenByUs(false) }),
        stamped("ours", { managedFields: writtenByUs(true) }),
      ],
    });
    expect(outcome).to.include({ restart: "gone older", done: "ours", onlyRestarts: true });
  });

  it("pods that lack what is injected, but not while they are replaced, and not where nothing may be restarted", () => {
    const names = ["bare", "stamped", "rolling", "paused"];
    const outcome = outcomeOf({
      ...DONE,
      systems: [system(...names)],
      workloads: [
        workload("bare"),
        stamped("stamped"),
        stamped("rolling", { rolledOut: false, old: 1 }),
        workload("paused", { paused: true }),
      ],
      injection: { lacking: new Map(names.map((name) => [`Deployment/mas/${name}`, "1 of 1 pods: no proxy"])) },
    });
    expect(outcome).to.include({ restart: "bare stamped rolling", skipped: "paused paused", stale: "paused" });
    expect(outcome.again, "of one that is only waited for nothing is changed").to.equal("bare stamped");
  });

  it("what has no pods now: told where the next ones would come without a proxy, or not at all", () => {
    const asleep = workload("asleep", { replicas: 0 });
    const later = (answer: InjectorAnswer) => ({ ...asleep, kind: "CronJob", answer, namespaceLabels: {} });
    const told = (answer: InjectorAnswer) =>
      outcomeOf({ ...DONE, injection: { later: [later(answer)] } }).warnings?.join();
    expect(told({ injected: { containers: [] } })).to.contain(
      "the next ones would come without a proxy: CronJob/mas/asleep",
    );
    expect(told({ problem: "refused", message: "why" })).to.contain(
      "could not be created as things are: CronJob/mas/asleep (why)",
    );
    expect(told({ injected: { containers: [{ name: "istio-proxy", image: "p", init: false }] } })).to.equal("");
  });

  it("workloads that are not available before the upgrade: told and restarted last, or a refusal", () => {
    const situation: Situation = {
      systems: [system("broken", "sound")],
      workloads: [workload("broken", { available: 0, rolledOut: false }), workload("sound")],
    };
    const outcome = outcomeOf(situation);
    expect(outcome.restart).to.equal("sound | broken");
    expect(outcome.warnings?.join()).to.contain("not available before the upgrade: Deployment/mas/broken");
    const config = { restarts: { brokenBefore: "refuse" } };
    expect(outcomeOf({ ...situation, config })).to.deep.equal({ refused: "refused" });
  });

  it("a reason restarts everything once, also what has no stamp, and another one once more; taking it out does nothing", () => {
    const named = { ...DONE, systems: [system("stamped", "bare")] };
    const config = (reason: string) => ({ restarts: { reason } });
    const annotated = (reason: string) => ({
      podAnnotations: { "casa-upgrade.dev/config-stamp": NEW, "casa-upgrade.dev/restart-reason": reason },
    });
    const first = outcomeOf({
      ...named,
      workloads: [stamped("stamped"), workload("bare")],
      config: config("Istio 1.27"),
    });
    expect(first).to.include({ restart: "stamped bare", again: "", onlyRestarts: true });
    const after = {
      ...named,
      records: { ...DONE.records, after: { stamp: NEW, stale: [], reason: "Istio 1.27" } },
      workloads: [workload("stamped", annotated("Istio 1.27")), workload("bare")],
    };
    expect(outcomeOf({ ...after, config: config("Istio 1.27") })).to.include({ restart: "", done: "stamped" });
    expect(outcomeOf(after)).to.include({ restart: "", done: "stamped" });
    expect(outcomeOf({ ...after, config: config("Istio 1.28") })).to.include({ restart: "stamped bare" });
  });

  it("names what controls a workload that is to be restarted, and no other's owner", () => {
    const owner = { apiVersion: "agents.example/v1", kind: "Agent", name: "travel" };
    const situation = {
      systems: [system("owned", "plain")],
      workloads: [workload("owned", { owner }), workload("plain")],
    };
    const warnings = outcomeOf(situation).warnings?.join() ?? "";
    expect(warnings).to.contain("may write them anew. If it takes the stamp off their pod templates");
    expect(warnings).to.contain(
      "Deployment/mas/owned (of Agent travel: restart it through the Agent travel (agents.example/v1))",
    );
    const done = { ...DONE, ...situation, workloads: [stamped("owned", { owner }), workload("plain")] };
    expect(outcomeOf(done).warnings).to.deep.equal([]);
  });

  it("says which kinds of workloads may not be listed, and where", () => {
    const unlisted = ["a", "b", "c", "d", "e", "f"].map((namespace) => ({ kind: "Rollout" as const, namespace }));
    const situation = { systems: [system("plain")], workloads: [workload("plain")] };
    expect(outcomeOf({ ...situation, unlisted }).warnings).to.deep.equal([
      "Rollouts may not be listed in a, b, c, d, e and 1 more: those that run MAS pods there are not known, and are not " +
        "restarted. Let the user get, list, watch and patch rollouts.argoproj.io there",
    ]);
    expect(outcomeOf(situation).warnings).to.deep.equal([]);
  });
});
