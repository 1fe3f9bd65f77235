import { parseImage } from "../../../kubernetes/image";
import { expect } from "chai";
import { Redactor } from "../../../kubernetes/redact";
import { budgetOf } from "../../../review/facts/budgets";
import { componentOf } from "../../../review/facts/component";
import { NO_INJECTION_FACTS } from "../../../components/workload-restarts/injection-facts";
import { namespaceFacts } from "../../../review/facts/namespaces";
import { jobFacts, workloadFacts } from "../../../review/facts/workloads";
import { selects } from "../../../kubernetes/label-selector";
import type { KubeObject } from "../../../kubernetes/objects";
import { podWorkload } from "../../../kubernetes/pod-templates";

const NAMES = { release: "casa", sidecarDeployment: "casa-sidecar" };
const NAMESPACE = "casa-runtime";

function deployment(name: string, podSpec: object, more: Record<string, unknown> = {}, labels = {}): KubeObject {
  const template = { metadata: { labels }, spec: podSpec };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec: { template, ...more } };
}

const runs = (image: string, more = {}) => ({ containers: [{ name: "main", image, ...more }] });

function component(name: string, image: string, labels = {}): string {
  const workload = podWorkload(deployment(name, runs(image), {}, labels), NAMESPACE);
  if (!workload) throw new Error("no workload");
  return componentOf(workload, NAMES);
}

describe("facts of the runtime", () => {
  it("parts are told by what they run, however the chart names them", () => {
    expect(component("casa-keycloak", "registry.example/keycloak/keycloak:25.0.6")).to.equal("keycloak");
    expect(component("sso", "quay.io/keycloak/keycloak@sha256:0")).to.equal("keycloak");
    expect(component("casa-postgres-keycloak", "library/postgres:15.8")).to.equal("postgres");
    expect(component("db", "bitnami/postgresql:16")).to.equal("postgres");
    expect(component("metrics", "prometheuscommunity/postgres-exporter:1")).to.equal("other");
    expect(component("casa-keycloak-operator", "quay.io/keycloak/keycloak-operator:25")).to.equal("other");
    expect(component("casa-sidecar", "casa/ext-authz:1")).to.equal("sidecar");
    expect(component("casa-auth-service", "casa/api:1")).to.equal("auth-service");
    expect(component("prod", "casa/api:1", { "app.kubernetes.io/component": "auth-service" })).to.equal("auth-service");
    expect(component("prod", "r.io:5000/casa/auth-service:1")).to.equal("auth-service");
    expect(component("casa-ui", "casa/ui:1")).to.equal("other");
  });

  it("registries, by the rule of the container runtimes", () => {
    expect(parseImage("redis:7").registry).to.equal("docker.io");
    expect(parseImage("library/redis").registry).to.equal("docker.io");
    expect(parseImage("Registry.example:5000/a/b@sha256:0").registry).to.equal("registry.example:5000");
    expect(parseImage("localhost/a").registry).to.equal("localhost");
  });

  describe("disruption budgets", () => {
    const budget = (spec: Record<string, unknown>): KubeObject => ({
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "b" },
      spec: { selector: { matchLabels: { app: "x" } }, ...spec },
    });
    const found = (object: KubeObject, replicas = 2) => {
      const workload = podWorkload(deployment("x", runs("a"), { replicas }, { app: "x" }), NAMESPACE);
      if (!workload) throw new Error("no workload");
      return budgetOf(workload, [object], NAMESPACE);
    };

    it("count when they select the pods and keep one of them", () => {
      expect(found(budget({ minAvailable: 1 }))).to.equal("b");
      expect(found(budget({ maxUnavailable: 1 }))).to.equal("b");
      expect(found(budget({ maxUnavailable: "50%" }))).to.equal("b");
      expect(found(budget({ minAvailable: 0 }))).to.equal(null);
      expect(found(budget({ maxUnavailable: "100%" }))).to.equal(null);
      expect(found(budget({ maxUnavailable: 1 }), 1)).to.equal(null);
      expect(found(budget({ minAvailable: 1, selector: { matchLabels: { app: "y" } } }))).to.equal(null);
      expect(found({ ...budget({ minAvailable: 1 }), metadata: { name: "b", namespace: "other" } })).to.equal(null);
    });
    it("selectors mean what they mean in Kubernetes", () => {
      const rule = (operator: string, values?: string[]) => ({ matchExpressions: [{ key: "a", operator, values }] });
      expect(selects({}, { a: "1" })).to.equal(true);
      expect(selects(undefined, { a: "1" })).to.equal(false);
      expect(selects(rule("In", ["1", "2"]), { a: "1" })).to.equal(true);
      expect(selects(rule("In", ["2"]), { a: "1" })).to.equal(false);
      expect(selects(rule("NotIn", ["2"]), {})).to.equal(true);
      expect(selects(rule("Exists"), { a: "" })).to.equal(true);
      expect(selects(rule("DoesNotExist"), { a: "" })).to.equal(false);
      expect(selects(rule("Gt", ["1"]), { a: "2" })).to.equal(false);
    });
  });

  it("namespaces: labels of both modes, and those that could not be read", () => {
    const at = (namespace: string) => ({ namespace });
    const labels = new Map<string, Record<string, string>>([
      ["a", { "istio-injection": "enabled" }],
      ["b", { "istio.io/rev": "1-22" }],
      ["c", { "istio-injection": "disabled", "istio.io/rev": "1-22" }],
    ]);
    const common = { labels, workloads: [], injection: NO_INJECTION_FACTS };
    const facts = namespaceFacts({ mode: "istio", mas: ["a", "b", "c", "d", "a"].map(at), ...common });
    expect(facts.map(({ name, labelled, workloads }) => [name, labelled, workloads])).to.deep.equal([
      ["a", true, 2],
      ["b", true, 1],
      ["c", false, 1],
      ["d", null, 1],
    ]);
    expect(namespaceFacts({ mode: "cilium", mas: [at("a")], ...common })[0]).to.include({
      label: "casa.io/injection=enabled",
      labelled: false,
    });
  });

  it("Jobs, CronJobs and Pods count for their images, Deployments do not count twice", () => {
    const podSpec = runs("quay.io/x/migrate:latest");
    const template = { spec: podSpec };
    const job: KubeObject = { apiVersion: "batch/v1", kind: "Job", metadata: { name: "j" }, spec: { template } };
    const cron: KubeObject = {
      ...{ apiVersion: "batch/v1", kind: "CronJob", metadata: { name: "c", namespace: "other" } },
      spec: { jobTemplate: { spec: { template } } },
    };
    const pod: KubeObject = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: podSpec };
    const found = jobFacts([job, cron, pod, deployment("d", podSpec)], NAMESPACE, new Redactor([]));
    expect(found.map(({ workload }) => workload)).to.deep.equal([
      "Job/casa-runtime/j",
      "CronJob/other/c",
      "Pod/casa-runtime/p",
    ]);
    expect(found.flatMap(({ images }) => images.map(({ registry, moving }) => [registry, moving]))).to.deep.equal(
      found.map(() => ["quay.io", true]),
    );
  });

  it("of a database: volumes that two servers would share while one replaces the other", () => {
    const spec = {
      ...runs("postgres:16.4", { volumeMounts: [{ name: "d", mountPath: "/var/lib/postgresql/data" }] }),
      volumes: [{ name: "d", persistentVolumeClaim: { claimName: "data" } }],
    };
    const shared = (kind: string, podSpec: object, more: object = {}) => {
      const claim = { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: "data" } };
      const objects = [{ ...deployment("db", podSpec, { ...more }), kind }];
      const claims = [{ ...claim, spec: { accessModes: ["ReadWriteMany"] } }];
      const names = { namespace: NAMESPACE, names: NAMES, redactor: new Redactor([]) };
      return workloadFacts({ objects, claims, beside: [], replaced: new Set(), ...names })[0]?.exclusiveClaims;
    };
    // Nothing keeps two servers off a claim that pods of all nodes may mount.
    expect(shared("Deployment", spec)).to.deep.equal(["data"]);
    expect(shared("Deployment", { ...spec, volumes: [{ name: "d", hostPath: { path: "/pg" } }] })).to.deep.equal([
      "hostPath /pg",
    ]);
    // It takes the old pod away first.
    expect(shared("StatefulSet", spec)).to.deep.equal([]);
    expect(shared("Deployment", spec, { replicas: 0 })).to.deep.equal([]);
  });

  it("of a workload: replicas with an autoscaler, claims that one node only mounts, images", () => {
    const spec = {
      ...runs("registry.example/library/postgres:15@sha256:0"),
      volumes: [
        { name: "d", persistentVolumeClaim: { claimName: "data" } },
        { name: "s", persistentVolumeClaim: { claimName: "shared" } },
      ],
    };
    const claim = (name: string, mode: string): KubeObject => ({
      ...{ apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name } },
      spec: { accessModes: [mode] },
    });
    const scaler: KubeObject = {
      ...{ apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", metadata: { name: "h" } },
      spec: { scaleTargetRef: { kind: "Deployment", name: "db" }, minReplicas: 3, maxReplicas: 9 },
    };
    const [facts] = workloadFacts({
      objects: [deployment("db", spec, { replicas: 7 }), claim("shared", "ReadWriteMany")],
      ...{
        beside: [scaler],
        claims: [claim("data", "ReadWriteOnce")],
        replaced: new Set(["Deployment/casa-runtime/db"]),
      },
      ...{ namespace: NAMESPACE, names: NAMES, redactor: new Redactor([]) },
    });
    expect(facts).to.deep.include({
      component: "postgres",
      replicas: 3,
      most: 9,
      // 25 % of three, rounded down.
      unavailable: 0,
      rolls: true,
      exclusiveClaims: ["data"],
      clustering: null,
    });
    expect(facts?.images[0]).to.include({ registry: "registry.example", digest: true, moving: false });
  });
});
