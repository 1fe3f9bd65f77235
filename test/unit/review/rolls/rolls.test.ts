import { expect } from "chai";
import { replacedWorkloads, withPods } from "../../../../review/rolls/rolls";
import { staleText } from "../../../../review/rolls/stale";
import type { ObjectPair } from "../../../../kubernetes/pod-templates";
import { LABELS, newImage, object, pair, plan, roll, type Shape, workload } from "./rolls-world";

describe("planRolls: what rolls and why", () => {
  const reasons = (before: Shape, after: Shape) => roll("Deployment", before, after).reasons;

  it("an image, of containers and init containers", () => {
    const init = (tag: string) => ({ initContainers: [{ name: "migrate", image: `r.example/m:${tag}` }] });
    expect(reasons({ pod: init("1") }, { ...newImage, pod: init("2") })).to.deep.equal([
      { kind: "image", text: "main: r.example/web:1.0.0 -> r.example/web:1.1.0" },
      { kind: "image", text: "init migrate: r.example/m:1 -> r.example/m:2" },
    ]);
  });

  it("environment by name, never a value", () => {
    const env = (values: Record<string, string>) => ({
      container: { env: Object.entries(values).map(([name, value]) => ({ name, value })) },
    });
    const found = reasons(
      env({ A: "planted-1", B: "b", C: "planted-2" }),
      env({ A: "planted-3", B: "b", D: "planted-4" }),
    );
    expect(found).to.deep.equal([{ kind: "env", text: "main: A changed, C removed, D added" }]);
    expect(reasons({}, env({ A: "planted-5" }))).to.deep.equal([{ kind: "env", text: "main: A added" }]);
    expect(reasons(env({ A: "1", B: "2" }), env({ B: "2", A: "1" }))).to.deep.equal([
      { kind: "env", text: "main: the list as a whole" },
    ]);
  });

  it("arguments and annotations without their values, resources with theirs", () => {
    const found = reasons(
      { container: { args: ["--token=planted"], resources: { limits: { memory: "1Gi" } } } },
      {
        container: { args: ["--token=planted2"], resources: { limits: { memory: "2Gi", cpu: 2 } } },
        metadata: { annotations: { note: "planted", "checksum/config": "abc" }, labels: { ...LABELS, tier: "x" } },
      },
    );
    expect(found).to.deep.equal([
      { kind: "resources", text: "main: limits.cpu not set -> 2, limits.memory 1Gi -> 2Gi" },
      { kind: "command", text: "main: args" },
      { kind: "config", text: "annotation checksum/config" },
      { kind: "annotations", text: "annotation note" },
      { kind: "annotations", text: "label tier" },
    ]);
    expect(JSON.stringify(found)).not.to.contain("planted");
  });

  it("another ConfigMap, as environment and as volume, is told once", () => {
    const reading = (name: string) => ({
      container: { envFrom: [{ configMapRef: { name } }] },
      pod: { volumes: [{ name: "v", secret: { secretName: `${name}-tls` } }] },
    });
    expect(reasons(reading("a"), reading("b"))).to.deep.equal([
      { kind: "config", text: "reads ConfigMap b, Secret b-tls" },
      { kind: "config", text: "no longer reads ConfigMap a, Secret a-tls" },
    ]);
  });

  it("volumes, mounts, containers that come and go, anything else by its field", () => {
    const after = {
      container: { volumeMounts: [{ name: "tmp", mountPath: "/tmp" }], livenessProbe: { exec: { command: ["x"] } } },
      more: [{ name: "proxy", image: "r.example/proxy:2" }],
      pod: { volumes: [{ name: "tmp", emptyDir: {} }], serviceAccountName: "web" },
    };
    expect(reasons({}, after)).to.deep.equal([
      { kind: "other", text: "container proxy added (r.example/proxy:2)" },
      { kind: "volumes", text: "main: mounts /tmp" },
      { kind: "other", text: "main: livenessProbe" },
      { kind: "volumes", text: "volume tmp added" },
      { kind: "other", text: "serviceAccountName" },
    ]);
  });

  it("nothing, when the template says the same in other words", () => {
    const after = {
      container: { env: [], resources: {} },
      pod: { volumes: null, securityContext: {} },
      metadata: { creationTimestamp: null, annotations: {} },
    };
    expect(plan([pair(workload("Deployment"), workload("Deployment", after))]).rolls).to.deep.equal([]);
  });

  it("nothing for created and deleted workloads, Jobs, and changes outside of the template", () => {
    const pairs = [
      pair(undefined, workload("Deployment")),
      pair(workload("StatefulSet"), undefined),
      pair(workload("DaemonSet"), workload("DaemonSet", { spec: { revisionHistoryLimit: 3 } })),
      pair({ ...workload("Job"), apiVersion: "batch/v1" }, { ...workload("Job", newImage), apiVersion: "batch/v1" }),
    ];
    expect(plan(pairs).rolls).to.deep.equal([]);
  });

  it("a scale replaces no pod", () => {
    const scaled = roll("Deployment", { replicas: 2 }, { replicas: 3 });
    expect(scaled).to.deep.equal({
      workload: "Deployment/casa/web",
      reasons: [{ kind: "replicas", text: "2 -> 3" }],
      strategy: "RollingUpdate",
      replicas: 3,
      downtime: { expected: "none", why: "1 pod more, none is replaced" },
    });
    expect([...replacedWorkloads([scaled])]).to.deep.equal([]);
    expect(roll("Deployment", { replicas: 2 }, { replicas: 0 }).downtime.expected).to.equal("until-ready");
    const both = roll("Deployment", { replicas: 1 }, { replicas: 2, ...newImage });
    expect(both.reasons.map(({ kind }) => kind)).to.deep.equal(["image", "replicas"]);
    expect([...replacedWorkloads([both])]).to.deep.equal(["Deployment/casa/web"]);
  });

  it("pods that were held back and are let go", () => {
    const paused = { replicas: 2, spec: { paused: true }, status: { replicas: 2, updatedReplicas: 0 } };
    expect(roll("Deployment", paused, { replicas: 2 }).reasons).to.deep.equal([
      { kind: "other", text: "its rollout is resumed: pods that run an older template are replaced" },
    ]);
    const upToDate = { ...paused, status: { replicas: 2, updatedReplicas: 2 } };
    const pairs = [pair(workload("Deployment", upToDate), workload("Deployment", { replicas: 2 }))];
    expect(plan(pairs).rolls).to.deep.equal([]);

    const partition = (at: number) => ({ updateStrategy: { rollingUpdate: { partition: at } } });
    const half = { replicas: 4, spec: partition(2), status: { currentRevision: "a", updateRevision: "b" } };
    const released = roll("StatefulSet", half, { replicas: 4, spec: partition(0) });
    expect(released.reasons[0]?.text).to.match(/^its partition goes from 2 to 0/);
    expect(released.downtime.expected).to.equal("none");
  });
});

describe("planRolls: workloads that keep the old configuration", () => {
  const config = (data: object) => object("ConfigMap", "conf", { data });
  const changed = pair(config({ a: "1", b: "2" }), config({ a: "1", b: "planted" }));
  const stale = (shape: Shape, pairs: ObjectPair[] = [changed]) =>
    plan(pairs, { predicted: [workload("Deployment", shape)] }).stale;
  const envFrom = { container: { envFrom: [{ configMapRef: { name: "conf" } }] } };
  const read = { kind: "ConfigMap", name: "conf", keys: ["b"], deleted: false, optional: false };

  it("environment, files, and files that never follow", () => {
    expect(stale(envFrom)).to.deep.equal([
      { workload: "Deployment/casa/web", reads: [{ ...read, as: "environment" }] },
    ]);
    const volumes = [{ name: "v", projected: { sources: [{ configMap: { name: "conf" } }] } }];
    const mounted = (mount: object) => ({
      container: { volumeMounts: [{ name: "v", mountPath: "/c", ...mount }] },
      pod: { volumes },
    });
    expect(stale(mounted({}))[0]?.reads).to.deep.equal([{ ...read, as: "file" }]);
    expect(stale(mounted({ subPath: "b" }))[0]?.reads).to.deep.equal([{ ...read, as: "fixed file" }]);
  });

  it("only the keys that are read", () => {
    const reading = (key: string) => ({
      container: { env: [{ name: "X", valueFrom: { configMapKeyRef: { name: "conf", key } } }] },
    });
    expect(stale(reading("a"))).to.deep.equal([]);
    expect(stale(reading("b"))[0]?.reads).to.deep.equal([{ ...read, as: "environment" }]);
    const item = (key: string) => ({
      pod: { volumes: [{ name: "v", configMap: { name: "conf", items: [{ key }] } }] },
    });
    expect(stale(item("a"))).to.deep.equal([]);
  });

  it("a Secret, and stringData that says the same as data", () => {
    const secret = (rest: object) => object("Secret", "conf", rest);
    const from = { container: { envFrom: [{ secretRef: { name: "conf" } }] } };
    const [before, same] = [secret({ data: { p: "eA==" } }), secret({ stringData: { p: "x" } })];
    expect(stale(from, [pair(before, same)])).to.deep.equal([]);
    const found = stale(from, [pair(before, secret({ data: { p: "eQ==" } }))]);
    expect(found[0]?.reads[0]).to.include({ kind: "Secret", name: "conf" });
  });

  it("not workloads that roll, are created, run no pod or stand in another namespace", () => {
    const roll = pair(
      workload("Deployment", envFrom),
      workload("Deployment", { container: { ...envFrom.container, image: "x:2.0.0" } }),
    );
    expect(stale(envFrom, [changed, roll])).to.deep.equal([]);
    expect(stale(envFrom, [changed, pair(undefined, workload("Deployment", envFrom))])).to.deep.equal([]);
    expect(stale({ ...envFrom, replicas: 0 })).to.deep.equal([]);
    const elsewhere = { ...config({ b: "2" }), metadata: { name: "conf", namespace: "other" } };
    expect(stale(envFrom, [pair(elsewhere, { ...elsewhere, data: {} })])).to.deep.equal([]);
    expect(stale(envFrom, [pair(undefined, config({ b: "2" }))])).to.deep.equal([]);
  });

  it("a scale alone does not bring the new configuration to running pods", () => {
    const scaled = pair(workload("Deployment", envFrom), workload("Deployment", { ...envFrom, replicas: 3 }));
    expect(stale({ ...envFrom, replicas: 3 }, [changed, scaled])).to.have.lengthOf(1);
  });

  it("says it with the command that helps, and without values", () => {
    const texts = stale(envFrom).flatMap(staleText);
    expect(texts).to.deep.equal([
      "Deployment/casa/web is not restarted although ConfigMap conf changes (b): its pods keep the old environment " +
        "(kubectl rollout restart deployment/web --namespace casa)",
    ]);
    const gone = stale(envFrom, [pair(config({ a: "1" }), undefined)]).flatMap(staleText);
    expect(gone[0]).to.contain("which is deleted").and.contain("does not come up");
    const optional = { container: { envFrom: [{ configMapRef: { name: "conf", optional: true } }] } };
    expect(stale(optional, [pair(config({ a: "1" }), undefined)]).flatMap(staleText)[0]).not.to.contain("come up");
  });
});

describe("withPods", () => {
  it("leaves out what is scaled to 0 and whose last pod is gone", () => {
    const id = "Deployment/casa/web";
    const left = (live: ReturnType<typeof workload>) => [...withPods(new Set([id]), [live], "casa")];
    expect(left(workload("Deployment", { replicas: 0 }))).to.deep.equal([]);
    expect(left(workload("Deployment", { replicas: 0, status: { replicas: 0 } }))).to.deep.equal([]);
    expect(left(workload("Deployment", { replicas: 0, status: { replicas: 1 } }))).to.deep.equal([id]);
    expect(left(workload("Deployment"))).to.deep.equal([id]);
  });
});
