import { expect } from "chai";
import {
  containersToShow,
  containerState,
  eventSchema,
  eventsToShow,
  formatExplanation,
  logLines,
  maskSecrets,
  podsToShow,
  podState,
} from "../../../diagnosis/explanation";
import { type LivePod, podSchema } from "../../../kubernetes/pods";
import { rolloutOf } from "../../../kubernetes/rollout";
import { workloadFacts } from "../../../kubernetes/workloads";

function pod(name: string, status: object, more: object = {}): LivePod {
  return podSchema.parse({ metadata: { name, ...more }, spec: {}, status });
}
const template = { metadata: { labels: { app: "a" }, annotations: { "casa-upgrade.dev/config-stamp": "s1" } } };
const deployment = (spec: object, status: object) => ({
  metadata: { namespace: "n", name: "a", generation: 2 },
  spec: { selector: { matchLabels: { app: "a" } }, template, ...spec },
  status: { observedGeneration: 2, ...status },
});

describe("workloads and why they are not available", () => {
  it("a Deployment is rolled out when every replica runs the current template and is available, and no old one is left", () => {
    const full = { replicas: 2, updatedReplicas: 2, availableReplicas: 2 };
    const is = (status: object, spec: object = {}) =>
      workloadFacts("Deployment", deployment({ replicas: 2, ...spec }, status)).rolledOut;
    expect(is(full)).to.equal(true);
    expect(is({ ...full, observedGeneration: 1 })).to.equal(false);
    expect(is({ ...full, updatedReplicas: 1 })).to.equal(false);
    expect(is({ ...full, availableReplicas: 1 })).to.equal(false);
    expect(is({ ...full, replicas: 3 })).to.equal(false);
    const fresh = workloadFacts("Deployment", deployment({}, {}));
    expect(fresh).to.include({ replicas: 1, available: 0 });
    expect(fresh.podAnnotations).to.deep.equal({ "casa-upgrade.dev/config-stamp": "s1" });
    const other = deployment({ paused: true, strategy: { type: "Recreate" } }, {});
    expect(workloadFacts("Deployment", other)).to.include({ paused: true, updateStrategy: "Recreate" });
  });

  it("a StatefulSet also needs one revision, unless a partition keeps pods on the old one", () => {
    const status = {
      replicas: 2,
      updatedReplicas: 1,
      availableReplicas: 2,
      currentRevision: "r1",
      updateRevision: "r2",
    };
    const is = (updateStrategy: object, more: object = {}) =>
      workloadFacts("StatefulSet", deployment({ replicas: 2, updateStrategy }, { ...status, ...more })).rolledOut;
    expect(is({ type: "RollingUpdate" })).to.equal(false);
    expect(is({ type: "RollingUpdate" }, { updatedReplicas: 2 })).to.equal(false);
    expect(is({ type: "RollingUpdate" }, { updatedReplicas: 2, currentRevision: "r2" })).to.equal(true);
    expect(is({ type: "RollingUpdate", rollingUpdate: { partition: 1 } })).to.equal(true);
  });

  it("rollouts of all four kinds", () => {
    const conditions = [
      { type: "Available", status: "False", message: "only repeats the counts" },
      { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: "has timed out" },
      { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "exceeded quota" },
    ];
    expect(rolloutOf("Deployment", deployment({ replicas: 2 }, { updatedReplicas: 1, conditions }))).to.deep.include({
      complete: false,
      progress: "1 of 2 replicas updated, 0 available",
      failures: ["Progressing: ProgressDeadlineExceeded has timed out", "ReplicaFailure: FailedCreate exceeded quota"],
      podSelector: "app=a",
    });
    const surge = { replicas: 2, updatedReplicas: 1, availableReplicas: 1 };
    expect(rolloutOf("Deployment", deployment({}, surge)).progress).to.equal(
      "1 of 1 replicas updated, 1 available, 1 old one left",
    );
    const daemons = { desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1 };
    expect(rolloutOf("DaemonSet", deployment({}, daemons))).to.include({
      complete: false,
      progress: "2 of 2 pods updated, 1 available",
    });
    expect(rolloutOf("DaemonSet", deployment({}, { ...daemons, numberAvailable: 2 })).complete).to.equal(true);
    expect(rolloutOf("Job", deployment({}, { failed: 3 }))).to.include({ complete: false });
    expect(rolloutOf("Job", deployment({}, { conditions: [{ type: "Complete", status: "True" }] })).complete).to.equal(
      true,
    );
  });

  it("writes selectors as the API server reads them", () => {
    const matchExpressions = [
      { key: "tier", operator: "In", values: ["a", "b"] },
      { key: "old", operator: "DoesNotExist" },
    ];
    const live = deployment({ selector: { matchLabels: { app: "a" }, matchExpressions } }, {});
    expect(rolloutOf("Deployment", live).podSelector).to.equal("app=a,tier in (a,b),!old");
  });

  it("shows the newest pods that are not ready", () => {
    const ready = { conditions: [{ type: "Ready", status: "True" }] };
    const at = (creationTimestamp: string) => ({ creationTimestamp });
    const pods = [
      pod("old", {}, at("2026-01-01T00:00:00Z")),
      pod("ready", ready, at("2026-01-05T00:00:00Z")),
      pod("done", { phase: "Succeeded" }, at("2026-01-06T00:00:00Z")),
      pod("new", {}, at("2026-01-04T00:00:00Z")),
      pod("b", {}, at("2026-01-02T00:00:00Z")),
      pod("c", {}, at("2026-01-03T00:00:00Z")),
    ];
    expect(podsToShow(pods).map(({ metadata }) => metadata.name)).to.deep.equal(["new", "c", "b"]);
  });

  it("says why a pod or container does not run", () => {
    const conditions = [{ type: "PodScheduled", status: "False", message: "0/2 nodes are available" }];
    expect(podState(pod("a", { phase: "Pending", conditions }))).to.equal(
      "Pending; not scheduled: 0/2 nodes are available",
    );
    const gate = 'the status of pod readiness gate "lb" is not "True"';
    const gated = {
      ...{ phase: "Running", conditions: [{ type: "Ready", status: "False", message: gate }] },
      containerStatuses: [{ name: "main", ready: true }],
    };
    expect(podState(pod("a", gated))).to.equal(`Running; not ready: ${gate}`);
    const ready = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
    const held = pod("a", ready, { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["example.com/x"] });
    expect(podsToShow([held])).to.have.length(1);
    expect(podState(held)).to.equal("Running, being deleted (held by its finalizer example.com/x)");
    const [init, main, ...rest] = containersToShow(
      pod("a", {
        initContainerStatuses: [
          { name: "migrate", state: { terminated: { exitCode: 1, reason: "Error" } } },
          { name: "fine", state: { terminated: { exitCode: 0 } } },
        ],
        containerStatuses: [
          {
            name: "main",
            restartCount: 4,
            state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 40s" } },
            lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } },
          },
          { name: "proxy", ready: true },
        ],
      }),
    ).map(containerState);
    expect(init).to.equal("container migrate: ended with exit code 1 (Error), 0 restarts");
    expect(main).to.equal(
      "container main: CrashLoopBackOff back-off 40s, 4 restarts; before that ended with exit code 137 (OOMKilled)",
    );
    expect(rest).to.deep.equal([]);
  });

  it("takes the newest warnings about the workload, each once, and nobody else's", () => {
    const event = (kind: string, name: string, message: string, lastTimestamp: string) =>
      eventSchema.parse({ reason: "Bad", message, lastTimestamp, metadata: {}, involvedObject: { kind, name } });
    const volumes = [{ persistentVolumeClaim: { claimName: "data" } }];
    const own = podSchema.parse({ metadata: { name: "web-1-a" }, spec: { volumes }, status: {} });
    const events = [
      event("Deployment", "web", "one", "2026-01-01T00:00:01Z"),
      event("ReplicaSet", "web-5c4f", "two", "2026-01-01T00:00:02Z"),
      event("ReplicaSet", "web-ui-5c4f", "of another Deployment", "2026-01-01T00:00:09Z"),
      event("Pod", "web-1-a", "three", "2026-01-01T00:00:03Z"),
      event("Pod", "web-1-a", "three", "2026-01-01T00:00:04Z"),
      event("Pod", "other", "of another pod", "2026-01-01T00:00:09Z"),
      event("ReplicaSet", "web-5c4f", 'pods "web-5c4f-abcde" is forbidden', "2026-01-01T00:00:06Z"),
      event(
        "ReplicaSet",
        "web-5c4f",
        '(combined from similar events): pods "web-5c4f-fghij" is forbidden',
        "2026-01-01T00:00:07Z",
      ),
      event("PersistentVolumeClaim", "data", "four", "2026-01-01T00:00:05Z"),
    ];
    expect(eventsToShow(events, { kind: "Deployment", name: "web" }, [own])).to.deep.equal([
      'Bad: (combined from similar events): pods "web-5c4f-fghij" is forbidden',
      "Bad: four",
      "Bad: three",
      "Bad: two",
      "Bad: one",
    ]);
  });

  it("keeps the end of a log, in plain lines", () => {
    const text = Array.from({ length: 30 }, (_, i) => `line ${i}`).join("\n");
    expect(logLines(text)).to.have.length(10);
    expect(logLines(`${text}\n\n`).at(-1)).to.equal("line 29");
    expect(logLines("\u001b[31mred\u001b[0m\tx\u0007")).to.deep.equal(["red x"]);
    expect(logLines("x".repeat(5000))[0]).to.have.length(401);
  });

  for (const [line, expected] of [
    ["connect password=hunter2 host=db", "connect password=*** host=db"],
    ["POSTGRES_PASSWORD: 'hun ter2' next", "POSTGRES_PASSWORD: *** next"],
    ['{"user":"a","client_secret":"hunter2","n":1}', '{"user":"a","client_secret":***,"n":1}'],
    ["postgresql://casa:hunter2@db:5432/auth", "postgresql://casa:***@db:5432/auth"],
    ["redis://:hun@ter2@cache:6379", "redis://:***@cache:6379"],
    ["Authorization: Bearer abcdef.hunter2", "Authorization: Bearer ***"],
    ["got eyJhbGciOi.eyJzdWIi.hunter2 back", "got *** back"],
    ["run --db-password hunter2 --verbose", "run --db-password *** --verbose"],
    ["API_KEY=hunter2", "API_KEY=***"],
    ["tokens left: 12", "tokens left: 12"],
    ["KeyError: 'audience'", "KeyError: 'audience'"],
  ] as const) {
    it(`hides secrets: ${line}`, () => expect(maskSecrets(line)).to.equal(expected));
  }

  it("puts it into one paragraph, and text of others stays on its line", () => {
    const rollout = {
      kind: "Deployment",
      namespace: "n",
      name: "a",
      complete: false,
      progress: "0 of 1",
      failures: ["F: x"],
      podSelector: "",
    };
    const pods = [{ name: "p", state: "Pending", containers: [{ state: "container c: bad\nline", log: ["boom"] }] }];
    expect(formatExplanation({ rollout, pods, events: ["E: y"] })).to.equal(
      "Deployment n/a: 0 of 1\n  F: x\n  pod p: Pending\n    container c: bad line\n      | boom\n  event E: y",
    );
  });
});
