import { expect } from "chai";
import { z } from "zod";
import { isTyped, mergeKey, retainsKeys } from "../../review/diff/merge-keys";
import { isMap } from "../../kubernetes/objects";
import { ClusterFixture } from "../integration/world/cluster-fixture";

const index = z.looseObject({ paths: z.record(z.string(), z.looseObject({ serverRelativeURL: z.string() })) });
const documentSchema = z.looseObject({
  components: z.looseObject({ schemas: z.record(z.string(), z.looseObject({})) }),
});
const kinds = z.array(z.looseObject({ group: z.string(), version: z.string(), kind: z.string() }));
const REFERENCE = "#/components/schemas/";

interface MergedList {
  where: string;
  path: string[];
  key: string | undefined;
  retain: boolean;
}

describe("how lists of built-in kinds are merged", function () {
  this.timeout(120_000);
  let cluster: ClusterFixture;
  const lists: MergedList[] = [];

  before(async () => {
    cluster = await ClusterFixture.start();
    const { paths } = index.parse(await cluster.client.api.request("GET", "/openapi/v3"));
    const versions = Object.entries(paths).filter(
      ([path]) => /^apis?\/.*v\d/.test(path) && isTyped(groupVersion(path)),
    );
    for (const [, { serverRelativeURL }] of versions) {
      const [path = "", query = ""] = serverRelativeURL.split("?");
      const hash = new URLSearchParams(query).get("hash") ?? undefined;
      const answer = await cluster.client.api.request("GET", path, { query: { hash } });
      collect(documentSchema.parse(answer).components.schemas, lists);
    }
  });
  after(async () => cluster?.stop());

  it("is read from the API server's own description", () => {
    expect(lists.length).to.be.greaterThan(100);
    expect(lists.map(({ key }) => key)).to.include.members(["name", "containerPort", "port", "mountPath", "ip"]);
  });

  it("is what our table says, for every field of every kind", () => {
    const wrong = lists.filter(({ path, key }) => (path.at(-1) === "finalizers" ? undefined : key) !== mergeKey(path));
    expect(wrong.map(({ where, path, key }) => `${where} ${path.join(".")}: ${key ?? "atomic"}`)).to.deep.equal([]);
  });

  it("drops other keys of a map only where the API says so", () => {
    const item = (path: string[], isList: boolean) => (isList ? [...path, "[x]"] : path);
    const wrong = lists.filter(({ path, key, retain }) => retain !== retainsKeys(item(path, key !== undefined)));
    expect(wrong.map(({ where, path }) => `${where} ${path.join(".")}`)).to.deep.equal([]);
  });
});

function groupVersion(path: string): string {
  return path.replace(/^apis?\//, "");
}

/**
 * Walks the schemas of all kinds, and notes each list with (and without) a merge key, and each map that retains keys.
 */
function collect(schemas: Record<string, Record<string, unknown>>, into: MergedList[]): void {
  for (const schema of Object.values(schemas)) {
    const of = kinds.safeParse(schema["x-kubernetes-group-version-kind"]).data;
    const kind = of?.length === 1 ? of[0]?.kind : undefined;
    if (kind === undefined || kind.endsWith("List")) continue;
    walk(schema, [], [], kind, schemas, into);
  }
}

function walk(
  schema: unknown,
  path: string[],
  above: string[],
  where: string,
  schemas: Record<string, unknown>,
  into: MergedList[],
): void {
  const { name, target } = resolve(schema, schemas);
  if (!isMap(target) || (name !== undefined && above.includes(name))) return;
  const inside = name === undefined ? above : [...above, name];
  for (const [field, property] of Object.entries(isMap(target["properties"]) ? target["properties"] : {})) {
    if (!isMap(property)) continue;
    const at = [...path, field];
    // What the API server writes is never in a chart.
    if (["status", "managedFields"].includes(field)) continue;
    const given: unknown = property["x-kubernetes-patch-strategy"];
    const strategy = typeof given === "string" ? given : "";
    const isList = property["type"] === "array";
    const retain = strategy.includes("retainKeys");
    if (isList) {
      const merged = strategy.includes("merge") ? property["x-kubernetes-patch-merge-key"] : undefined;
      into.push({ where, path: at, key: typeof merged === "string" ? merged : undefined, retain });
      walk(property["items"], [...at, "[x]"], inside, where, schemas, into);
    } else {
      if (retain) into.push({ where, path: at, key: undefined, retain });
      walk(property, at, inside, where, schemas, into);
    }
  }
}

/** Follows a reference, which stands alone or in an `allOf` of one. */
function resolve(schema: unknown, schemas: Record<string, unknown>): { name?: string; target: unknown } {
  if (!isMap(schema)) return { target: undefined };
  const all: unknown = schema["allOf"];
  const only: unknown = Array.isArray(all) ? all[0] : schema;
  const reference: unknown = isMap(only) ? only["$ref"] : undefined;
  if (typeof reference !== "string") return { target: schema };
  const name = reference.slice(REFERENCE.length);
  return { name, target: schemas[name] };
}
