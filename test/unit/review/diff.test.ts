import { expect } from "chai";
import { differences, keyedPath, pathText, valueAt } from "../../../review/diff/fields";
import { mergePatch, mergeTyped, mergeUntyped } from "../../../review/diff/merge";
import { isNoise } from "../../../review/diff/noise";
import { fieldChanges, type ObjectVersions } from "../../../review/diff/object-change";
import { checkOfRefusal } from "../../../kubernetes/rejections";
import { HIDDEN, normalizeSecret, Redactor, secretTexts } from "../../../kubernetes/redact";
import { valueTexts } from "../../../review/diff/value-text";
import type { KubeObject } from "../../../kubernetes/objects";

const container = (name: string, more: object = {}) => ({ name, image: `${name}:1`, ...more });
const pod = (...containers: object[]) => ({ spec: { template: { spec: { containers } } } });

describe("what helm makes of a live object", () => {
  it("sets what the target has, removes what only the installed revision had, leaves what others added", () => {
    const installed = { data: { a: "1", b: "1" } };
    const live = { data: { a: "1", b: "1", mine: "x" }, extra: true };
    expect(mergeTyped(installed, { data: { a: "2" } }, live)).to.deep.equal({
      data: { a: "2", mine: "x" },
      extra: true,
    });
  });

  it("takes back a change made by hand to a field the chart sets", () => {
    const same = { spec: { replicas: 2 } };
    expect(mergeTyped(same, same, { spec: { replicas: 5, paused: true } })).to.deep.equal({
      spec: { replicas: 2, paused: true },
    });
  });

  it("matches containers by name and env by name, and keeps an injected container", () => {
    const live = pod(
      container("app", {
        env: [
          { name: "A", value: "1" },
          { name: "HAND", value: "x" },
        ],
      }),
      container("proxy"),
    );
    const installed = pod(container("app", { env: [{ name: "A", value: "1" }] }), container("old"));
    const target = pod({ name: "app", image: "app:2", env: [{ name: "A", value: "2" }] });
    expect(mergeTyped(installed, target, live)).to.deep.equal(
      pod(
        {
          name: "app",
          image: "app:2",
          env: [
            { name: "A", value: "2" },
            { name: "HAND", value: "x" },
          ],
        },
        container("proxy"),
      ),
    );
  });

  it("matches a container's ports by containerPort, a Service's by port", () => {
    const ports = (list: object[]) => pod(container("app", { ports: list }));
    const live = ports([{ containerPort: 80, protocol: "TCP" }]);
    expect(mergeTyped(ports([{ containerPort: 80 }]), ports([{ containerPort: 80, name: "web" }]), live)).to.deep.equal(
      ports([{ containerPort: 80, protocol: "TCP", name: "web" }]),
    );
    const service = (list: object[]) => ({ spec: { ports: list } });
    const node = { port: 80, nodePort: 30001 };
    expect(mergeTyped(service([{ port: 80 }]), service([{ port: 80, name: "web" }]), service([node]))).to.deep.equal(
      service([{ ...node, name: "web" }]),
    );
  });

  it("replaces lists without a merge key as a whole", () => {
    const args = (list: string[]) => pod(container("app", { args: list }));
    expect(mergeTyped(args(["a"]), args(["a", "b"]), args(["a", "hand"]))).to.deep.equal(args(["a", "b"]));
  });

  it("drops the other strategy's settings when the strategy changes, and nothing when it does not", () => {
    const live = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%" } } } };
    const recreate = { spec: { strategy: { type: "Recreate" } } };
    expect(mergeTyped({ spec: {} }, recreate, live)).to.deep.equal(recreate);
    const rolling = { spec: { strategy: { type: "RollingUpdate" } } };
    expect(mergeTyped(rolling, rolling, live)).to.deep.equal(live);
  });

  it("joins finalizers as a set", () => {
    const meta = (finalizers: string[]) => ({ metadata: { finalizers } });
    expect(mergeTyped(meta(["a", "b"]), meta(["b", "c"]), meta(["a", "x"]))).to.deep.equal(meta(["x", "b", "c"]));
  });

  it("reads a null in the chart as: not set", () => {
    expect(mergeTyped({}, { spec: { a: null, b: 1 } }, { spec: { a: 1 } })).to.deep.equal({ spec: { b: 1 } });
  });

  it("leaves a hand-made change to a custom resource alone unless the chart changes that field", () => {
    const installed = { spec: { a: 1, list: [1] } };
    const live = { spec: { a: 9, list: [1, 2], own: true } };
    expect(mergeUntyped(installed, { spec: { a: 1, list: [1, 3] } }, live)).to.deep.equal({
      spec: { a: 9, list: [1, 3], own: true },
    });
    expect(mergeUntyped(installed, { spec: { list: [1] } }, live)).to.deep.equal({ spec: { list: [1, 2], own: true } });
  });

  it("makes the smallest merge patch", () => {
    expect(mergePatch({ a: 1, b: { c: 1, d: 1 }, e: [1] }, { b: { c: 2, d: 1 }, e: [1], f: 1 })).to.deep.equal({
      a: null,
      b: { c: 2 },
      f: 1,
    });
    expect(mergePatch({ a: { b: 1 } }, { a: { b: 1 } })).to.deep.equal({});
  });
});

describe("fields that differ", () => {
  it("leaves out what the API server and controllers write", () => {
    const at = (resourceVersion: string, revision: string) => ({
      metadata: {
        name: "a",
        resourceVersion,
        generation: 2,
        annotations: { "deployment.kubernetes.io/revision": revision },
      },
      status: { replicas: Number(revision) },
    });
    expect(differences(at("1", "1"), at("2", "2"))).to.deep.equal([]);
  });

  it("names list items by key, and reads them back by the same path", () => {
    const before = pod(container("app", { env: [{ name: "A", value: "1" }] }), container("gone"));
    const after = pod(container("app", { env: [{ name: "A", value: "2" }] }));
    const found = differences(before, after);
    expect(found.map(({ path }) => pathText(path))).to.deep.equal([
      "spec.template.spec.containers[app].env[A].value",
      "spec.template.spec.containers[gone].name",
      "spec.template.spec.containers[gone].image",
    ]);
    expect(valueAt(before, found[0]?.path ?? [])).to.equal("1");
    expect(valueAt(after, found[0]?.path ?? [])).to.equal("2");
  });

  it("says when only the order changed, and tells a list of plain values as a whole", () => {
    expect(differences(pod(container("a"), container("b")), pod(container("b"), container("a")))).to.deep.equal([
      { path: ["spec", "template", "spec", "containers"], before: ["a", "b"], after: ["b", "a"] },
    ]);
    expect(differences({ list: [1, 2] }, { list: [1] })).to.deep.equal([
      { path: ["list"], before: [1, 2], after: [1] },
    ]);
  });

  it("gives a path of plain indices the same form", () => {
    const tree = pod(container("app", { args: ["a"] }));
    expect(keyedPath(tree, ["spec", "template", "spec", "containers", "0", "args", "0"]).join(" ")).to.equal(
      "spec template spec containers [app] args [0]",
    );
  });

  it("puts steps that are no plain names in brackets", () => {
    expect(pathText(["metadata", "annotations", "a.b/c"])).to.equal('metadata.annotations["a.b/c"]');
  });
});

describe("why a field changes", () => {
  const object = (spec: object): KubeObject => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "a" },
    spec,
  });
  const causes = (versions: Partial<ObjectVersions> & Pick<ObjectVersions, "live" | "after" | "target">) =>
    fieldChanges(versions, new Redactor([])).fields.map(({ path, cause }) => `${path} ${cause}`);

  it("tells a change of the chart from one of the values and from one made by hand", () => {
    const versions = {
      installed: object({ replicas: 1, a: 1, b: 1 }),
      live: object({ replicas: 7, a: 1, b: 1 }),
      target: object({ replicas: 1, a: 2, b: 2 }),
      targetWithOldValues: object({ replicas: 1, a: 2, b: 1 }),
      after: object({ replicas: 1, a: 2, b: 2, revisionHistoryLimit: 10 }),
    };
    expect(causes(versions)).to.deep.equal([
      "spec.a chart",
      "spec.b values",
      "spec.replicas drift",
      "spec.revisionHistoryLimit server",
    ]);
  });

  it("compares what the charts say, not how the server writes it", () => {
    const versions = {
      installed: object({ cpu: "0.5" }),
      live: object({ cpu: "500m" }),
      target: object({ cpu: "1000m" }),
      after: object({ cpu: "1" }),
    };
    expect(causes(versions)).to.deep.equal(["spec.cpu chart"]);
  });

  it("counts noise instead of listing it", () => {
    const labels = (chart: string, app: string): KubeObject => ({
      ...object({}),
      metadata: { name: "a", labels: { "helm.sh/chart": chart, "app.kubernetes.io/version": chart, app } },
    });
    const versions = { live: labels("c-1", "x"), after: labels("c-2", "y"), target: labels("c-2", "y") };
    const { fields, folded } = fieldChanges(versions, new Redactor([]));
    expect(fields.map(({ path }) => path)).to.deep.equal(["metadata.labels.app"]);
    expect(folded).to.equal(2);
    expect(isNoise(["spec", "template", "metadata", "annotations", "checksum/config"])).to.equal(true);
    expect(isNoise(["data", "checksum/config"])).to.equal(false);
  });

  it("says of a Secret only that a key changes", () => {
    const secret = (data: object, stringData?: object): KubeObject => ({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s" },
      data,
      ...(stringData ? { stringData } : {}),
    });
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    const versions = {
      installed: secret({}, { password: "old-password" }),
      live: secret({ password: base64("old-password") }),
      target: secret({}, { password: "new-password" }),
      after: secret({ password: base64("new-password") }),
    };
    const { fields } = fieldChanges(versions, new Redactor([]));
    expect(fields).to.deep.equal([{ path: "data.password", before: HIDDEN, after: HIDDEN, cause: "chart" }]);
  });
});

describe("secrets", () => {
  it("are taken out of texts, whole or as a part, encoded or not", () => {
    const redactor = new Redactor(["s3cr3t-value", "abc"]);
    expect(
      redactor.tree({ dsn: "postgres://u:s3cr3t-value@db", b64: Buffer.from("s3cr3t-value").toString("base64") }),
    ).to.deep.equal({
      dsn: `postgres://u:${HIDDEN}@db`,
      b64: HIDDEN,
    });
    // Too short to look for inside of words, hidden as a whole value all the same.
    expect(redactor.tree(["abc", "abcdef"])).to.deep.equal([HIDDEN, "abcdef"]);
  });

  it("that are the chart's public defaults stay readable", () => {
    expect(new Redactor(["postgres"], new Set(["postgres"])).text("casa-postgres-auth")).to.equal("casa-postgres-auth");
  });

  it("are found in data and stringData", () => {
    const object: KubeObject = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s" },
      data: { a: Buffer.from("one").toString("base64") },
      stringData: { b: "two" },
    };
    expect(secretTexts([object])).to.have.members(["one", "two"]);
    expect(normalizeSecret(object)).not.to.have.property("stringData");
  });
});

describe("values as a review shows them", () => {
  it("shows only the lines of a text that differ", () => {
    expect(valueTexts("a\nb\nc", "a\nB\nc")).to.deep.equal({ before: "…\nb\n…", after: "…\nB\n…" });
  });

  it("shortens what is long and says how long it was", () => {
    const { before = "", after } = valueTexts("x".repeat(5000), undefined);
    expect(after).to.equal(undefined);
    expect(before.length).to.be.lessThan(400);
    expect(before).to.contain("5002 characters");
  });
});

describe("a dry-run that is refused", () => {
  const deployment = { kind: "Deployment", namespace: "ns", name: "a" };
  const check = (code: number, reason: string, message: string, object = deployment) =>
    checkOfRefusal(object, { code, reason, message }, "prod");

  it("names the fix for an immutable field, by kind", () => {
    const immutable = 'Deployment.apps "a" is invalid: spec.selector: Invalid value: {}: field is immutable';
    expect(check(422, "Invalid", immutable)).to.deep.include({ result: "rejected" });
    expect(check(422, "Invalid", immutable).fix).to.contain(
      "kubectl --context prod --namespace ns delete deployment a --cascade=orphan",
    );
    expect(
      check(422, "Invalid", "spec is immutable after creation", { ...deployment, kind: "PersistentVolumeClaim" }).fix,
    ).to.contain("keep the old value");
  });

  it("names webhook, quota and permission", () => {
    expect(check(403, "Forbidden", 'admission webhook "v.example" denied the request: no').fix).to.contain("v.example");
    expect(check(403, "Forbidden", "exceeded quota: small, requested: pods=2").fix).to.contain(
      "describe resourcequota",
    );
    expect(check(403, "Forbidden", 'deployments.apps is forbidden: User "x" cannot patch').fix).to.contain(
      "auth can-i",
    );
    expect(check(500, "InternalError", 'failed calling webhook "w.example": no endpoints').fix).to.contain("w.example");
  });

  it("is no refusal when only the dry-run is the problem", () => {
    expect(check(400, "BadRequest", 'admission webhook "w" does not support dry run').result).to.equal("unchecked");
  });
});
