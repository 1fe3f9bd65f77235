import { expect } from "chai";
import { ApiError } from "../../cluster/api";
import { reviewCustomResources } from "../../cluster/custom-resources";
import { parseCrds, type Crd } from "../../plan/crds";
import { compileSchema } from "../../plan/custom-resources/checker";
import { versionSchema } from "../../plan/custom-resources/structural";
import { contentOf, differences, pathText } from "../../plan/diff/fields";
import { kubeObject, type KubeObject } from "../../plan/objects";
import { ClusterFixture } from "./cluster-fixture";

const GROUP = "review.example";
const TYPE = { apiVersion: `${GROUP}/v1`, kind: "Widget" };
const COLLECTION = `/apis/${GROUP}/v1/namespaces/default/widgets`;

/** What the new schema says about `spec`; the old one keeps everything. */
const SPEC = {
  type: "object",
  required: ["size"],
  properties: {
    size: { type: "integer", minimum: 1, maximum: 10, exclusiveMaximum: true },
    ratio: { type: "number", multipleOf: 0.5 },
    name: { type: "string", pattern: "^[a-z]+$", maxLength: 5 },
    color: { type: "string", enum: ["red", "green"], default: "red" },
    note: { type: "string", nullable: true },
    filled: { type: "string", default: "x" },
    port: { "x-kubernetes-int-or-string": true },
    when: { type: "string", format: "date-time" },
    address: { type: "string", format: "ipv4" },
    wait: { type: "string", format: "duration" },
    free: {
      type: "object",
      "x-kubernetes-preserve-unknown-fields": true,
      properties: { strict: { type: "object", properties: { a: { type: "string" } } } },
    },
    labels: { type: "object", additionalProperties: { type: "string" }, maxProperties: 2 },
    template: {
      type: "object",
      "x-kubernetes-embedded-resource": true,
      properties: { spec: { type: "object", properties: { a: { type: "string" } } } },
    },
    tags: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
    parts: {
      type: "array",
      maxItems: 3,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["id"],
      items: {
        type: "object",
        required: ["id"],
        properties: { id: { type: "string" }, weight: { type: "integer" }, kind: { type: "string", default: "plain" } },
        "x-kubernetes-validations": [{ rule: "!has(self.weight) || self.weight < 100", message: "weighs too much" }],
      },
    },
    one: {
      type: "object",
      properties: { a: { type: "string" }, b: { type: "string" } },
      oneOf: [{ required: ["a"] }, { required: ["b"] }],
    },
  },
  "x-kubernetes-validations": [
    { rule: "self.size < 8 || has(self.name)", message: "big ones need a name" },
    { rule: "!has(self.tags) || self.tags.all(t, t.size() < 4)" },
  ],
};

const ISLANDS = { free: { any: { thing: 1 }, strict: { a: "x", b: "lost" } } };
const EMBEDDED = {
  template: {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "a" },
    spec: { a: "x", b: "lost" },
    data: { lost: "1" },
  },
};

/** Values of `spec`, right and wrong in every way the schema knows. */
const SPECS: object[] = [
  { size: 1 },
  {},
  { size: 0 },
  { size: 9 },
  { size: 9, name: "abc" },
  { size: 10 },
  { size: "1" },
  { size: 1.5 },
  { size: null },
  { size: 1, ratio: 1.5 },
  { size: 1, ratio: 0.3 },
  { size: 1, name: "ABC" },
  { size: 1, name: "abcdef" },
  { size: 1, name: "äöü" },
  { size: 1, color: "blue" },
  { size: 1, color: null },
  { size: 1, note: null },
  { size: 1, filled: null },
  { size: 1, port: 80 },
  { size: 1, port: "http" },
  { size: 1, port: 1.5 },
  { size: 1, port: true },
  { size: 1, when: "2026-11-23T10:00:00Z" },
  { size: 1, when: "2026-11-23" },
  { size: 1, when: "2026-02-30T10:00:00Z" },
  { size: 1, address: "10.0.0.1" },
  { size: 1, address: "10.0.0.256" },
  { size: 1, wait: "1m30s" },
  { size: 1, wait: "soon" },
  { size: 1, ...ISLANDS },
  { size: 1, ...EMBEDDED },
  { size: 1, template: { spec: { a: "x" } } },
  { size: 1, labels: { a: "1", b: "2" } },
  { size: 1, labels: { a: "1", b: "2", c: "3" } },
  { size: 1, labels: { a: 1 } },
  { size: 1, tags: ["a", "b"] },
  { size: 1, tags: ["a", "a"] },
  { size: 1, tags: ["long-one"] },
  {
    size: 1,
    parts: [
      { id: "a", weight: 1 },
      { id: "b", extra: "lost" },
    ],
  },
  { size: 1, parts: [{ id: "a" }, { id: "a" }] },
  { size: 1, parts: [{ weight: 1 }] },
  { size: 1, parts: [{ id: "a", weight: 100 }] },
  { size: 1, parts: [{ id: "a" }, { id: "b" }, { id: "c" }, { id: "d" }] },
  { size: 1, parts: "none" },
  { size: 1, one: { a: "x" } },
  { size: 1, one: { a: "x", b: "y" } },
  { size: 1, one: {} },
  { size: 1, unknown: { deep: { tree: [1, 2] } }, also: "lost" },
  { size: 1, unknown: "lost", parts: [{ id: "a", lost: [{ x: 1 }] }] },
];

describe("what a new CRD does to custom resources, predicted and done", function () {
  this.timeout(180_000);
  let cluster: ClusterFixture;
  let live: Crd;
  const objects: KubeObject[] = SPECS.map((spec, i) => ({
    ...TYPE,
    metadata: { name: `w-${i}`, namespace: "default" },
    spec,
  }));

  before(async () => {
    cluster = await ClusterFixture.start();
    await cluster.apply(crd({ type: "object", "x-kubernetes-preserve-unknown-fields": true }));
    await cluster.kubectl("wait", "--for=condition=Established", `crd/widgets.${GROUP}`);
    live = parseCrd(
      await cluster.client.api.get(
        { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" },
        "",
        `widgets.${GROUP}`,
      ),
    );
    await until(async () => (await cluster.client.api.resource(TYPE.apiVersion, TYPE.kind)) !== undefined);
    for (const object of objects) await cluster.client.api.request("POST", COLLECTION, { body: object });
  });
  after(async () => cluster?.stop());

  it("for each of them: the fields that are lost, and whether it could be created so", async () => {
    const next = parseCrd(crd(SPEC));
    const checker = compileSchema(versionSchema(next, "v1") ?? {});
    const review = await reviewCustomResources(cluster.client, next, live);
    const stored = await Promise.all(objects.map(({ metadata }) => read(metadata.name ?? "")));
    const predicted = stored.map((object) => checker.check(object));

    await cluster.apply(crd(SPEC));
    // The new schema is in force when an object that only it refuses is refused.
    await until(async () => (await create({ ...objects[1], metadata: { name: "probe" } } as KubeObject)) !== undefined);

    const wrong: string[] = [];
    for (const [i, old] of stored.entries()) {
      const told = predicted[i] ?? { rejected: [], pruned: [], unchecked: [] };
      const now = await read(old.metadata.name ?? "");
      const lost = differences(contentOf(old), contentOf(now)).filter(({ after }) => after === undefined);
      const really = lost.map(({ path }) => pathText(path)).filter((path) => !isNull(old, path));
      if (!covers(told.pruned, really))
        wrong.push(`${JSON.stringify(SPECS[i])}: said lost ${told.pruned.join()}, lost ${really.join()}`);
      const refusal = await create({ ...TYPE, metadata: { name: `again-${i}` }, spec: SPECS[i] });
      if ((refusal !== undefined) !== told.rejected.length > 0) {
        wrong.push(
          `${JSON.stringify(SPECS[i])}: said ${told.rejected.join() || "fits"}, the server ${refusal ?? "takes it"}`,
        );
      }
    }
    expect(wrong).to.deep.equal([]);
    expect(predicted.flatMap(({ unchecked }) => unchecked)).to.deep.equal([]);
    expect(review.total).to.equal(SPECS.length);
    expect(review.rejected).to.equal(predicted.filter(({ rejected }) => rejected.length > 0).length);
    expect(review.pruned).to.equal(predicted.filter(({ pruned }) => pruned.length > 0).length);
    expect(review.prunedFields.map(({ path }) => path)).to.include.members([
      "spec.unknown",
      "spec.parts[].extra",
      "spec.free.strict.b",
    ]);
    expect(review.rejected).to.be.greaterThan(20);
    expect(review.pruned).to.be.greaterThan(4);
  });

  it("says no value of an object, and names what it cannot judge", () => {
    const schema = {
      type: "object",
      properties: {
        secret: { type: "string", pattern: "^x$" },
        link: { type: "string", format: "uri" },
        odd: { type: "string", pattern: "(?i)abc" },
        amount: {
          type: "string",
          "x-kubernetes-validations": [{ rule: "quantity(self).isGreaterThan(quantity('1'))" }],
        },
      },
    };
    const { rejected, unchecked } = compileSchema(schema).check({
      secret: "hidden-value",
      link: "a",
      odd: "b",
      amount: "2",
    });
    expect(rejected).to.deep.equal(["secret: must match ^x$"]);
    expect(unchecked.join("\n")).to.contain("format uri").and.to.contain("(?i)abc");
    expect(JSON.stringify({ rejected, unchecked })).not.to.contain("hidden-value");
    expect(compileSchema(schema).check({ secret: "x", amount: "2" }).unchecked.join("\n")).to.contain("quantity");
  });

  async function read(name: string): Promise<KubeObject> {
    return kubeObject.parse(await cluster.client.api.request("GET", `${COLLECTION}/${name}`));
  }

  /** Tries to create an object; the refusal, or undefined. */
  async function create(object: KubeObject): Promise<string | undefined> {
    try {
      await cluster.client.api.request("POST", COLLECTION, {
        body: object,
        query: { dryRun: "All", fieldValidation: "Ignore" },
      });
      return undefined;
    } catch (error) {
      if (error instanceof ApiError && error.code === 422) return error.message;
      throw error;
    }
  }
});

function crd(spec: object) {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `widgets.${GROUP}` },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: { kind: "Widget", plural: "widgets", singular: "widget", listKind: "WidgetList" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", properties: { spec } } },
        },
      ],
    },
  };
}

function parseCrd(value: unknown): Crd {
  const [parsed] = parseCrds([{ source: "test", object: kubeObject.parse(value) }]);
  if (!parsed) throw new Error("no CRD");
  return parsed;
}

/** The same paths; of a map or list that is lost as a whole the difference names what was in it. */
function covers(predicted: string[], lost: string[]): boolean {
  const under = (path: string) =>
    predicted.some((top) => path === top || path.startsWith(`${top}.`) || path.startsWith(`${top}[`));
  const listForm = (path: string) => path.replace(/\[\w+\]/g, "[]");
  const heads = predicted.map(listForm);
  return (
    lost.every((path) => under(path) || heads.some((top) => listForm(path).startsWith(top))) &&
    predicted.every((top) => lost.some((path) => listForm(path).startsWith(listForm(top))))
  );
}

/** Nulls that are not allowed vanish without a loss. */
function isNull(object: KubeObject, path: string): boolean {
  return (
    path.split(".").reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], object) === null
  );
}

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (await done()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error("it never happened");
}
