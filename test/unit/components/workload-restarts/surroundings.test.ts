import { expect } from "chai";
import type { RestartPlan } from "../../../../components/workload-restarts/restarts";
import { surroundingWarnings } from "../../../../components/workload-restarts/surroundings";
import type { KubeObject } from "../../../../kubernetes/objects";
import type { LiveWorkload } from "../../../../kubernetes/workloads";
import { workload } from "../../upgrade/situation";

const labelled = (name: string, more: Partial<LiveWorkload> = {}) =>
  workload(name, { replicas: 2, podLabels: { app: name }, ...more });
const strategy = (more: Partial<LiveWorkload["strategy"]>) => ({
  strategy: {
    type: "RollingUpdate",
    surge: 1,
    unavailable: 0,
    partition: 0,
    minReadySeconds: 0,
    paused: false,
    ...more,
  },
});

function object(kind: string, name: string, spec: object, status: object = {}): KubeObject {
  return { apiVersion: "v1", kind, metadata: { namespace: "mas", name }, spec, status };
}
const budget = (app: string, spec: object) =>
  object("PodDisruptionBudget", "pdb", { selector: { matchLabels: { app } }, ...spec });
/** A budget over the pods of two workloads, of which so many may be missing. */
const shared = (missing: number) =>
  object(
    "PodDisruptionBudget",
    "pdb",
    { selector: { matchExpressions: [{ key: "app", operator: "In", values: ["a", "b"] }] }, minAvailable: 4 - missing },
    { expectedPods: 4, desiredHealthy: 4 - missing },
  );
const quota = (hard: number, used: number, spec: object = {}, key = "pods") =>
  object("ResourceQuota", "q", spec, { hard: { [key]: `${hard}` }, used: { [key]: `${used}` } });
const hpa = (name: string, kind = "Deployment") =>
  object("HorizontalPodAutoscaler", "hpa", { scaleTargetRef: { kind, name } });

/** What is said of workloads that are all to be restarted, three at a time. */
function said(workloads: LiveWorkload[], objects: KubeObject[] = []): string {
  const targets = workloads.map(({ kind, namespace, name }) => ({ kind, namespace, name, done: name === "done" }));
  const plan: RestartPlan = { groups: [{ name: "all", targets }], skipped: [], stale: [] };
  return surroundingWarnings(plan, workloads, objects, { places: 3, changes: [] }).join("\n");
}

describe("what meets a restart from outside", () => {
  const one = strategy({ unavailable: 1 });
  for (const [what, workloads, objects, text] of [
    ["nothing", [labelled("a")], [], undefined],
    [
      "a budget that allows less than goes missing",
      [labelled("a", one)],
      [budget("a", { minAvailable: 2 })],
      "a (pdb: 0 may",
    ],
    ["a share of it", [labelled("a", one)], [budget("a", { minAvailable: "75%" })], "a (pdb: 0 may be missing, 1 are)"],
    ["maxUnavailable", [labelled("a", one)], [budget("a", { maxUnavailable: 0 })], "a (pdb: 0 may be missing, 1 are)"],
    ["a budget that is kept", [labelled("a", one)], [budget("a", { maxUnavailable: 1 })], undefined],
    ["a surge takes none away", [labelled("a")], [budget("a", { maxUnavailable: 0 })], undefined],
    ["a budget of other pods", [labelled("a", one)], [budget("b", { maxUnavailable: 0 })], undefined],
    ["one that is done is not restarted", [labelled("done", one)], [budget("done", { maxUnavailable: 0 })], undefined],
    [
      "a budget that two share, as its controller counts it",
      [labelled("a", one), labelled("b", one)],
      [shared(1)],
      "Deployment/mas/a and Deployment/mas/b at once (pdb: 1 may be missing, 2 are)",
    ],
    ["one that two share, with room for both", [labelled("a", one), labelled("b", one)], [shared(2)], undefined],
    [
      "a quota without room for one",
      [labelled("a")],
      [quota(2, 2)],
      "room for 0 pods, and of the workloads to restart there one of",
    ],
    [
      "a quota without room for all at once",
      ["a", "b"].map((name) => labelled(name)),
      [quota(5, 4)],
      "3 at a time need 2 more",
    ],
    [
      "counted as objects",
      [labelled("a")],
      [quota(2, 2, {}, "count/pods")],
      "quota q of namespace mas leaves room for 0",
    ],
    ["a quota with room", [labelled("a")], [quota(3, 2)], undefined],
    ["a quota on some pods only", [labelled("a")], [quota(2, 2, { scopes: ["BestEffort"] })], undefined],
    ["a quota on something else", [labelled("a")], [quota(1, 1, {}, "secrets")], undefined],
    [
      "a budget that lets no pod of a Rollout go",
      [labelled("a", { kind: "Rollout" })],
      [budget("a", { maxUnavailable: 0 })],
      "lets no pod go, which Argo asks of each; allow one: Rollout/mas/a",
    ],
    [
      "a budget that lets a pod of a Rollout go",
      [labelled("a", { kind: "Rollout", ...one })],
      [budget("a", { maxUnavailable: 1 })],
      undefined,
    ],
    [
      "the only pod of a Rollout",
      [labelled("a", { kind: "Rollout", replicas: 1 })],
      [],
      "have no pod for as long as a new one takes to start, because Argo takes the old one away first: Rollout/mas/a",
    ],
    ["an autoscaler", [labelled("a")], [hpa("a")], "HorizontalPodAutoscaler while they are restarted; new pods that"],
    ["an autoscaler of another kind", [labelled("a")], [hpa("a", "StatefulSet")], undefined],
  ] as const) {
    it(what, () => {
      const found = said([...workloads], [...objects]);
      if (text === undefined) expect(found).to.equal("");
      else expect(found).to.contain(text);
    });
  }

  for (const [key, value, on] of [
    ["reloader.stakater.com/auto", "true", true],
    ["reloader.stakater.com/search", "true", true],
    ["secret.reloader.stakater.com/auto", "true", true],
    ["configmap.reloader.stakater.com/reload", "settings", true],
    ["secret.reloader.stakater.com/reload", "keys,tokens", true],
    ["reloader.stakater.com/auto", "false", false],
    ["reloader.stakater.com/last-reloaded-from", "x", false],
  ] as const) {
    it(`Reloader: ${key}=${value} is ${on ? "told" : "nothing"}, on the workload or its pod template`, () => {
      for (const where of ["annotations", "podAnnotations"]) {
        const found = said([labelled("a", { [where]: { [key]: value } })]);
        if (on) expect(found).to.contain(`Deployment/mas/a (${key})`).and.contain("not restarted again here if");
        else expect(found).to.equal("");
      }
    });
  }

  it("names five and counts the others", () => {
    const many = ["a", "b", "c", "d", "e", "f", "g"].map((name) => labelled(name));
    expect(
      said(
        many,
        many.map(({ name }) => hpa(name)),
      ),
    ).to.match(/: (\S+ \(hpa\),? ){5}and 2 more$/);
  });
});
