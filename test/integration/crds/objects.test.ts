import { expect } from "chai";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ApiError } from "../../../kubernetes/api";
import { reviewCustomResources } from "../../../review/custom-resources/live";
import { type Crd, parseCrds } from "../../../crds/crds";
import { type CheckResult, compileSchema } from "../../../crds/objects/checker";
import { UNREADABLE } from "../../../crds/objects/object-meta";
import { childPath, versionSchema } from "../../../crds/objects/structural";
import { isMap, kubeObject, type KubeObject, parseManifest } from "../../../kubernetes/objects";
import { FIELDS, SPEC_RULES, STATUS, WHOLE_SPECS } from "../../fixtures/custom-resource-cases";
import { masObjects } from "../../fixtures/mas";
import { ClusterFixture, refusal } from "../world/cluster-fixture";
import { chartPath } from "../world/world";

const CRD_KIND = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };
const GROUP = "review.example";
const TYPE = { apiVersion: `${GROUP}/v1`, kind: "Widget" };
const COLLECTION = `/apis/${GROUP}/v1/namespaces/default/widgets`;
const ANYTHING = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

describe("what a new CRD does to custom resources, predicted and done", function () {
  this.timeout(300_000);
  let cluster: ClusterFixture;
  before(async () => {
    cluster = await ClusterFixture.start();
  });
  after(async () => cluster?.stop());

  describe("each keyword, alone and together", () => {
    const next = parseCrd(widgets(newSchema()));
    let stored: KubeObject[];
    let predicted: CheckResult[];

    before(async () => {
      await cluster.apply(widgets({ ...ANYTHING, properties: { spec: ANYTHING, status: ANYTHING } }));
      await until(async () => (await cluster.client.api.resource(TYPE.apiVersion, TYPE.kind)) !== undefined);
      for (const object of widgetObjects()) await cluster.client.api.request("POST", COLLECTION, { body: object });
      const live = parseCrd(await cluster.client.api.get(CRD_KIND, "", `widgets.${GROUP}`));
      const checker = compileSchema(versionSchema(next, "v1"));
      stored = (await cluster.client.api.list(TYPE)).map((item) => kubeObject.parse(item));
      predicted = stored.map((object) => checker.check(object));
      const { findings: review } = await reviewCustomResources(cluster.client, next, live);
      expect(review.total).to.equal(widgetObjects().length);
      expect(review.rejected).to.equal(predicted.filter(({ rejected }) => rejected.length > 0).length);
      expect(review.pruned).to.equal(predicted.filter(({ pruned }) => pruned.length > 0).length);
      expect(review.examples).to.have.length(20);
      await cluster.apply(widgets(newSchema()));
      // The new schema is in force when an object that only it refuses is refused.
      await until(
        async () => (await create(cluster, COLLECTION, { ...TYPE, metadata: { name: "probe" } })) !== undefined,
      );
    });

    it("the cases are many, and of all kinds", () => {
      const having = (key: "rejected" | "pruned") => predicted.filter((found) => found[key].length > 0).length;
      expect(stored.length).to.be.greaterThan(300);
      expect(having("rejected")).to.be.greaterThan(100);
      expect(having("pruned")).to.be.greaterThan(30);
      expect(stored.length - having("rejected")).to.be.greaterThan(100);
    });

    it("nothing of them is left unchecked", () => {
      expect(predicted.flatMap(({ unchecked }) => unchecked)).to.deep.equal([]);
    });

    it("rejected: just what the API server refuses to create", async () => {
      const wrong: string[] = [];
      for (const [i, object] of stored.entries()) {
        const { rejected } = predicted[i] ?? nothing();
        const again = { ...withoutMeta(object), metadata: { name: `again-${object.metadata.name ?? ""}` } };
        const refused = await create(cluster, COLLECTION, again);
        if ((refused !== undefined) === rejected.length > 0) continue;
        wrong.push(`${JSON.stringify(again)}: said "${rejected.join()}", the server "${refused ?? ""}"`);
      }
      expect(wrong).to.deep.equal([]);
    });

    it("pruned: just what a GET no longer gives, and what is gone for good once the object is written", async () => {
      const wrong: string[] = [];
      let written = 0;
      const left = new Map<string, unknown>();
      for (const [i, old] of stored.entries()) {
        const { pruned, rejected } = predicted[i] ?? nothing();
        const path = `${COLLECTION}/${old.metadata.name ?? ""}`;
        const unreadable = rejected.some((reason) => reason.includes(UNREADABLE));
        const now = await cluster.client.api.request("GET", path).catch((error: unknown) => {
          if (unreadable && error instanceof ApiError && error.code === 500) return undefined;
          throw error;
        });
        if (unreadable !== (now === undefined)) wrong.push(`${JSON.stringify(withoutMeta(old))}: can be read`);
        if (now === undefined) continue;
        const lost = lostPaths(old, now, "").sort();
        if (lost.join() !== [...pruned].sort().join()) {
          wrong.push(`${JSON.stringify(withoutMeta(old))}: said ${pruned.join()}, lost ${lost.join()}`);
        }
        // An unchanged write passes, or is refused for what was told as rejected.
        const put = cluster.client.api.request("PUT", path, { body: now });
        const accepted = await put.then(
          () => true,
          () => false,
        );
        if (!accepted) continue;
        written++;
        left.set(path, now);
      }
      expect(wrong).to.deep.equal([]);
      expect(written).to.be.greaterThan(200);
      // Under the old schema, which keeps everything, one sees what is stored.
      await cluster.apply(widgets({ ...ANYTHING, properties: { spec: ANYTHING, status: ANYTHING } }));
      await until(
        async () => (await create(cluster, COLLECTION, { ...TYPE, metadata: { name: "probe" } })) === undefined,
      );
      const kept: string[] = [];
      for (const [path, now] of left) {
        kept.push(...lostPaths(await cluster.client.api.request("GET", path), now, ""));
      }
      expect(kept).to.deep.equal([]);
    });
  });

  describe("in the review", () => {
    it("the charts' own case: 0.2.1 to 0.3.0 renames spec.realm and drops spec.apps[].llmModel", async () => {
      const [before, next] = ["0.2.1", "0.3.0"].map(chartCrd);
      if (!before || !next) throw new Error("no such CRD");
      await cluster.apply(before);
      const at = { apiVersion: "casa.io/v1alpha1", kind: "MultiAgentSystem" };
      await until(async () => (await cluster.client.api.resource(at.apiVersion, at.kind)) !== undefined);
      const systems = masObjects({ workloads: 12, systems: 4 }).flatMap((object) =>
        object.kind === "MultiAgentSystem" && "spec" in object && object.spec && "apps" in object.spec ? [object] : [],
      );
      await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "mas-load" } });
      for (const [i, { spec }] of systems.entries()) {
        if (i % 2 === 0) spec.realm = "casa";
        for (const app of spec.apps.slice(0, i)) app.llmModel = "some-model";
      }
      await cluster.apply(...systems);

      const { findings: review } = await reviewCustomResources(cluster.client, next, before);
      expect(review).to.deep.include({ total: 4, rejected: 0, pruned: 4, unchecked: [] });
      expect(review.prunedFields).to.deep.equal([
        { path: "spec.apps[].llmModel", objects: 3 },
        { path: "spec.realm", objects: 2 },
      ]);
      expect(review.examples[2]).to.deep.equal({
        object: "mas-load/system-003",
        rejected: [],
        pruned: ["spec.apps[0].llmModel", "spec.apps[1].llmModel", "spec.realm"],
      });

      const old = await cluster.client.api.list(at);
      await cluster.apply(next);
      const path = "/apis/casa.io/v1alpha1/namespaces/mas-load/multiagentsystems/system-001";
      await until(async () => !JSON.stringify(await cluster.client.api.request("GET", path)).includes('"realm"'));
      const now = await cluster.client.api.list(at);
      const lost = old.flatMap((object, i) => lostPaths(object, now[i], `${i}`)).sort();
      const told = review.examples.flatMap(({ pruned }, i) => pruned.map((field) => `${i}.${field}`)).sort();
      expect(lost).to.deep.equal(told);
    });

    it("no CRD on the cluster: no objects", async () => {
      const { findings: review } = await reviewCustomResources(
        cluster.client,
        parseCrd(widgets(newSchema())),
        undefined,
      );
      expect(review).to.deep.include({ total: 0, rejected: 0, pruned: 0, unchecked: [] });
    });

    it("without the permission to list them: what is missing, and the fix", async () => {
      const nobody = await cluster.clientOf("nobody");
      const crd = parseCrd(widgets(newSchema()));
      await until(async () => (await nobody.api.resource(TYPE.apiVersion, TYPE.kind)) !== undefined);
      const message = await refusal(reviewCustomResources(nobody, crd, crd));
      expect(message).to.match(/^missing permission: widgets\.review\.example objects may not be listed/);
      expect(message).to.contain("Fix: let the user list widgets.review.example in all namespaces");
    });
  });
});

/** Field by field, one value each; several of them together; then whole specs and objects with a status. */
function widgetObjects(): object[] {
  const alone = Object.entries(FIELDS).flatMap(([field, { values }]) => values.map((value) => ({ [field]: value })));
  const objects = [...alone, ...mixed(60), ...WHOLE_SPECS].map((spec) => ({ spec: { size: 1, ...spec } }));
  const all: object[] = [...objects, { spec: {} }, { other: { lost: 1 }, spec: { size: 1 } }];
  for (const status of STATUS.values) all.push({ spec: { size: 1 }, status });
  return all.map((content, i) => ({
    ...TYPE,
    metadata: { name: `w-${String(i).padStart(4, "0")}`, namespace: "default", labels: { keep: "me" } },
    ...content,
  }));
}

/** Specs with a value each for six fields that lie far apart in the table; the same ones at every run. */
function mixed(count: number): object[] {
  const fields = Object.entries(FIELDS);
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(
      Array.from({ length: 6 }, (_, j) => {
        const [field, { values }] = fields[(i * 7 + j * 17) % fields.length] ?? ["", { values: [] }];
        return [field, values[(i + j) % values.length]];
      }),
    ),
  );
}

function newSchema(): object {
  const properties = Object.fromEntries(Object.entries(FIELDS).map(([field, { schema }]) => [field, schema]));
  const spec = { type: "object", required: ["size"], properties, "x-kubernetes-validations": SPEC_RULES };
  return { type: "object", required: ["spec"], properties: { spec, status: STATUS.schema } };
}

function widgets(openAPIV3Schema: object) {
  return {
    ...CRD_KIND,
    metadata: { name: `widgets.${GROUP}` },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: { kind: "Widget", plural: "widgets", singular: "widget", listKind: "WidgetList" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  };
}

function chartCrd(version: string): Crd {
  const folder = join(chartPath(`casa-runtime-${version}`), "crds");
  const files = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8"));
  const crds = parseCrds(files.flatMap((text) => parseManifest(text)));
  const found = crds.find(({ metadata }) => metadata.name === "multiagentsystems.casa.io");
  if (!found) throw new Error(`no MultiAgentSystem in ${folder}`);
  return found;
}

function parseCrd(value: unknown): Crd {
  const [parsed] = parseCrds([{ source: "test", object: kubeObject.parse(value) }]);
  if (!parsed) throw new Error("no CRD");
  return parsed;
}

/** Tries to create an object; the refusal, or undefined. */
async function create(cluster: ClusterFixture, collection: string, body: object): Promise<string | undefined> {
  try {
    await cluster.client.api.request("POST", collection, { body, query: { dryRun: "All", fieldValidation: "Ignore" } });
    return undefined;
  } catch (error) {
    // What cannot even be decoded is a bad request.
    if (error instanceof ApiError && (error.code === 422 || error.code === 400)) return error.message;
    throw error;
  }
}

function withoutMeta({ metadata: _metadata, ...rest }: KubeObject): object {
  return rest;
}

/**
 * Where `after` has nothing and `before` something; nulls are nothing, and the object's own metadata is the server's.
 */
function lostPaths(before: unknown, after: unknown, path: string): string[] {
  if (before === null || before === undefined) return [];
  if (after === undefined) return [path];
  if (Array.isArray(before)) {
    return before.flatMap((item, i) => lostPaths(item, (after as unknown[])[i], childPath(path, i)));
  }
  if (!isMap(before) || !isMap(after)) return [];
  return Object.entries(before)
    .filter(([key]) => path !== "" || key !== "metadata")
    .flatMap(([key, at]) => lostPaths(at, Object.hasOwn(after, key) ? after[key] : undefined, childPath(path, key)));
}

function nothing(): CheckResult {
  return { rejected: [], pruned: [], prunedFields: [], unchecked: [] };
}

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (await done()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error("it never happened");
}
