import { expect } from "chai";
import { judgePods, judgeWorkload } from "../../../../components/workload-restarts/gate-verdict";
import { changedConfig, reloaderText } from "../../../../components/workload-restarts/reloader";
import { adoptedPatch, restartPatch } from "../../../../components/workload-restarts/restart-patch";
import { planRestarts, type WorkloadFacts } from "../../../../components/workload-restarts/restarts";
import { RESTARTED_AT_ANNOTATION, STAMP_ANNOTATION, stampOn } from "../../../../components/workload-restarts/stamp";
import type { KubeObject } from "../../../../kubernetes/objects";
import type { RunningPod } from "../../../../kubernetes/running-pods";
import { workload } from "../../upgrade/situation";

const AT = "2026-11-27T08:00:00Z";

function config(kind: string, name: string, value: string, more: object = {}): KubeObject {
  return { apiVersion: "v1", kind, metadata: { name, namespace: "mas", ...more }, data: { key: value } };
}

/** A workload that reads ConfigMap `settings` and Secret `keys`. */
const reading = (annotations: Record<string, string>) => {
  const envFrom = [{ configMapRef: { name: "settings" } }, { secretRef: { name: "keys" } }];
  return workload("a", { annotations, template: { spec: { containers: [{ name: "agent", envFrom }] } } });
};

describe("Reloader", () => {
  const changes = [
    config("ConfigMap", "settings", "2"),
    config("Secret", "keys", "2"),
    config("ConfigMap", "other", "2"),
  ];
  const marked = { annotations: { "reloader.stakater.com/match": "true" } };
  const ignored = { annotations: { "reloader.stakater.com/ignore": "true" } };
  for (const [key, value, changed, what] of [
    ["reloader.stakater.com/auto", "true", changes, "ConfigMap settings, Secret keys"],
    ["configmap.reloader.stakater.com/auto", "true", changes, "ConfigMap settings"],
    ["secret.reloader.stakater.com/auto", "true", changes, "Secret keys"],
    ["configmap.reloader.stakater.com/reload", "first, other", changes, "ConfigMap other"],
    ["secret.reloader.stakater.com/reload", "other", changes, undefined],
    ["reloader.stakater.com/search", "true", changes, undefined],
    ["reloader.stakater.com/search", "true", [config("ConfigMap", "settings", "2", marked)], "ConfigMap settings"],
    ["reloader.stakater.com/auto", "true", [config("ConfigMap", "settings", "2", ignored)], undefined],
    ["reloader.stakater.com/auto", "true", [config("ConfigMap", "settings", "2", { namespace: "else" })], undefined],
  ] as const) {
    it(`${key}=${value} restarts for ${what ?? "nothing"}`, () => {
      const text = what === undefined ? "" : `; this upgrade changes ${what}`;
      expect(reloaderText(reading({ [key]: value }), changed)).to.deep.equal([`Deployment/mas/a (${key}${text})`]);
    });
  }

  it("a change is one of the data; what is new changes nothing for who runs already", () => {
    const before = [config("ConfigMap", "settings", "1"), config("Secret", "keys", "2")];
    const after = [
      config("ConfigMap", "settings", "2"),
      config("Secret", "keys", "2", marked),
      config("ConfigMap", "new", "1"),
    ];
    expect(changedConfig(before, after, "casa").map(({ metadata }) => metadata.name)).to.deep.equal(["settings"]);
  });

  const facts = (more: Partial<WorkloadFacts> = {}): WorkloadFacts => ({
    ...{ kind: "Deployment", namespace: "mas", name: "a", replicas: 1, available: 1, paused: false },
    ...{
      updateStrategy: "RollingUpdate",
      rolledOut: true,
      reloads: true,
      templateMarks: { [STAMP_ANNOTATION]: "old" },
    },
    ...more,
  });
  const target = (live: WorkloadFacts, reason?: string) =>
    planRestarts(
      [{ namespace: "mas", name: "a", group: "g" }],
      [live],
      "new",
      { stamp: "old", stale: [] },
      { canaries: [], exclude: [], ...(reason === undefined ? {} : { reason }) },
    ).groups[0]?.targets[0];

  it("may have restarted in time what is to be restarted for the release, and nothing else", () => {
    expect(target(facts({ stamp: "old" }))).to.include({ reloads: true, done: false });
    expect(target(facts({ stamp: "new", lacking: "has no proxy" }))).to.not.have.property("reloads");
    expect(target(facts({ stamp: "new" }), "new certificates")).to.not.have.property("reloads");
  });

  it("what it restarted in time keeps its template, so that nothing restarts it once more", () => {
    const kept = { [STAMP_ANNOTATION]: "old" };
    expect(adoptedPatch("new", { kept }, AT).spec).to.deep.equal({ template: { metadata: { annotations: kept } } });
    expect(adoptedPatch("new", {}, AT).spec).to.equal(undefined);
    const done = target(facts({ stamp: "new", moment: AT }));
    expect(done).to.deep.include({ done: true, moment: AT, kept });
    expect(restartPatch("new", {}).metadata.annotations).to.not.have.property(RESTARTED_AT_ANNOTATION);
  });

  it("a pod that is older than that fails the gate's look, whoever was trusted", () => {
    const annotations = { [STAMP_ANNOTATION]: "new", [RESTARTED_AT_ANNOTATION]: AT };
    const live = workload("a", { stamp: "old", annotations });
    expect(stampOn(live)).to.equal("new");
    expect(judgeWorkload(live, { stamp: "new" })).to.deep.equal({ state: "done" });
    const pod = (created: string): RunningPod => ({
      ...{ namespace: "mas", name: "a-1", containers: [], annotations: {}, ready: true, restarts: 0, waiting: [] },
      created,
    });
    const judge = (created: string) =>
      judgePods(live, [pod(created)], { injected: { containers: [] } }, "istio", { stamp: "new" });
    expect(judge(AT)).to.deep.equal({ state: "done" });
    expect(judge("2026-11-27T07:59:59Z")).to.include({ state: "failed" });
  });
});
