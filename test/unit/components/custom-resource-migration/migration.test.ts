import { expect } from "chai";
import { parseMigrations } from "../../../../components/custom-resource-migration/file";
import { migrate } from "../../../../components/custom-resource-migration/migrate";
import { parsePath, pathText } from "../../../../components/custom-resource-migration/paths";
import { type MigrationRule, rulesProblems, stepOf } from "../../../../components/custom-resource-migration/rules";

const meta = { apiVersion: "casa.io/v1alpha1", kind: "MultiAgentSystem", metadata: { name: "a" } };
const run = (object: Record<string, unknown>, ...rules: MigrationRule[]) =>
  migrate({ ...meta, ...object }, rules.map(stepOf));
const content = (object: Record<string, unknown>, ...rules: MigrationRule[]) => {
  const { apiVersion: _a, kind: _k, metadata: _m, ...rest } = run(object, ...rules).object;
  return rest;
};

describe("rules of a custom resource migration", () => {
  describe("paths", () => {
    for (const text of [
      "spec.apps[].model",
      "spec.limits.*.max",
      'metadata.annotations["casa.io/realm"]',
      'spec["a.b"].c',
      "spec.a[][].b",
    ]) {
      it(`${text} is read and written the same`, () => expect(pathText(parsePath(text))).to.equal(text));
    }
    for (const [text, why] of [
      ["", "does not begin"],
      ["[].a", "does not begin"],
      ["spec", "a whole part"],
      ["spec..a", "not a path at"],
      ["spec.a[0]", "not a path at"],
      [".spec.a", "not a path at"],
      ["spec.a.", "not a path at"],
      ["kind.a", "not data"],
      ["metadata.name", "only labels and annotations"],
    ] as const) {
      it(`refuses "${text}"`, () => expect(() => parsePath(text)).to.throw(why));
    }
  });

  describe("rename and move", () => {
    it("renames in place, in every element of a list", () => {
      const rule = { rename: { path: "spec.apps[].model", to: "llm" } };
      expect(content({ spec: { apps: [{ model: "a" }, { other: 1 }, { model: null }] } }, rule)).to.deep.equal({
        spec: { apps: [{ llm: "a" }, { other: 1 }, { llm: null }] },
      });
    });
    it("moves deeper and higher; maps on the way come and go, a part of the object stays", () => {
      expect(content({ spec: { a: 1 } }, { move: { from: "spec.a", to: "spec.b.c.d" } })).to.deep.equal({
        spec: { b: { c: { d: 1 } } },
      });
      expect(content({ spec: { b: { c: { d: 1 } } } }, { move: { from: "spec.b.c.d", to: "spec.a" } })).to.deep.equal({
        spec: { a: 1 },
      });
      expect(content({ spec: { a: 1 } }, { move: { from: "spec.a", to: "status.a" } })).to.deep.equal({
        spec: {},
        status: { a: 1 },
      });
    });
    it("moves to annotations, which other tools keep", () => {
      const rule = { move: { from: "spec.owner", to: 'metadata.annotations["casa.io/owner"]' } };
      expect(run({ spec: { owner: "me" } }, rule).object["metadata"]).to.deep.equal({
        name: "a",
        annotations: { "casa.io/owner": "me" },
      });
    });
    it("moves within each value of a map and each element of a nested list", () => {
      const rule = { move: { from: "spec.m.*.l[].a", to: "spec.m.*.l[].b.a" } };
      expect(content({ spec: { m: { x: { l: [{ a: 1 }, {}] }, y: {} } } }, rule)).to.deep.equal({
        spec: { m: { x: { l: [{ b: { a: 1 } }, {}] }, y: {} } },
      });
    });
    it("leaves an object without the field as it is", () => {
      const object = { ...meta, spec: { other: 1 } };
      const result = migrate(object, [stepOf({ rename: { path: "spec.realm", to: "keycloakRealm" } })]);
      expect(result.object).to.equal(object);
      expect(result.applied).to.deep.equal([]);
    });
    it("both places set: equal ones become one, different ones are refused unless the rule says which counts", () => {
      const rename = { path: "spec.a", to: "b" };
      expect(content({ spec: { a: 1, b: 1 } }, { rename })).to.deep.equal({ spec: { b: 1 } });
      const refused = run({ spec: { a: "secret", b: 2 } }, { rename });
      expect(refused.problems).to.have.length(1);
      expect(refused.problems[0]).to.contain("both spec.a and spec.b").and.not.contain("secret");
      expect(refused.object["spec"]).to.deep.equal({ a: "secret", b: 2 });
      expect(content({ spec: { a: 1, b: 2 } }, { rename: { ...rename, ifBoth: "overwrite" } })).to.deep.equal({
        spec: { b: 1 },
      });
      expect(content({ spec: { a: 1, b: 2 } }, { rename: { ...rename, ifBoth: "keepTarget" } })).to.deep.equal({
        spec: { b: 2 },
      });
    });
    it("nothing is overwritten on the way to the target", () => {
      const result = run({ spec: { a: 1, b: "text" } }, { move: { from: "spec.a", to: "spec.b.c" } });
      expect(result.problems[0]).to.contain("something on the way is not a map");
      expect(result.object["spec"]).to.deep.equal({ a: 1, b: "text" });
    });
    it("the object that was given is not changed", () => {
      const object = { ...meta, spec: { a: { deep: 1 } } };
      migrate(object, [stepOf({ rename: { path: "spec.a", to: "b" } })]);
      expect(object.spec).to.deep.equal({ a: { deep: 1 } });
    });
    it("__proto__ is a key like any other", () => {
      const spec = JSON.parse('{"__proto__": {"x": 1}}') as Record<string, unknown>;
      const result = run({ spec }, { rename: { path: "spec.__proto__", to: "y" } });
      expect(JSON.stringify(result.object["spec"])).to.equal('{"y":{"x":1}}');
    });
  });

  it("removes a field, a field of each element, all values of a map", () => {
    const remove = (path: string) => ({ remove: { path, reason: "unused" } });
    expect(content({ spec: { a: 1, b: 2 } }, remove("spec.a"))).to.deep.equal({ spec: { b: 2 } });
    expect(content({ spec: { l: [{ a: 1, b: 2 }] } }, remove("spec.l[].a"))).to.deep.equal({ spec: { l: [{ b: 2 }] } });
    expect(content({ spec: { m: { x: 1, y: 2 } } }, remove("spec.m.*"))).to.deep.equal({ spec: { m: {} } });
  });

  it("sets a default only where nothing is", () => {
    const rule = { default: { path: "spec.l[].mode", value: "A" } };
    expect(content({ spec: { l: [{}, { mode: "B" }, { mode: null }] } }, rule)).to.deep.equal({
      spec: { l: [{ mode: "A" }, { mode: "B" }, { mode: null }] },
    });
    expect(content({ spec: {} }, { default: { path: "spec.a.b", value: { c: [1] } } })).to.deep.equal({
      spec: { a: { b: { c: [1] } } },
    });
  });

  it("applied twice is the same as once, and says so", () => {
    const rules: MigrationRule[] = [
      { rename: { path: "spec.realm", to: "keycloakRealm" } },
      { move: { from: "spec.apps[].llmModel", to: "spec.apps[].model.name" } },
      { remove: { path: "spec.legacy", reason: "unused" } },
      { default: { path: "spec.contact", value: "unknown" } },
    ];
    const once = run({ spec: { realm: "r", legacy: 1, apps: [{ llmModel: "m" }] } }, ...rules);
    expect(once.applied).to.deep.equal([0, 1, 2, 3]);
    const twice = migrate(once.object, rules.map(stepOf));
    expect(twice.applied).to.deep.equal([]);
    expect(twice.object).to.equal(once.object);
  });

  describe("rules that do not go together", () => {
    const cases: [string, MigrationRule[], string][] = [
      [
        "a value moved into itself",
        [{ move: { from: "spec.model", to: "spec.model.name" } }],
        "takes from where it puts",
      ],
      [
        "two fields that change places",
        [{ rename: { path: "spec.a", to: "b" } }, { rename: { path: "spec.b", to: "a" } }],
        "takes from where",
      ],
      [
        "a chain",
        [{ rename: { path: "spec.a", to: "b" } }, { remove: { path: "spec.b", reason: "x" } }],
        "takes from where",
      ],
      [
        "a default for what is taken",
        [{ rename: { path: "spec.a", to: "b" } }, { default: { path: "spec.a.c", value: 1 } }],
        "takes from where",
      ],
      [
        "two into one",
        [{ rename: { path: "spec.a", to: "c" } }, { rename: { path: "spec.b", to: "c" } }],
        "into the same place",
      ],
      ["out of a list", [{ move: { from: "spec.l[].a", to: "spec.a" } }], "same lists and maps"],
      ["into a list", [{ move: { from: "spec.a", to: "spec.l[].a" } }], "same lists and maps"],
      ["a target without a field", [{ default: { path: "spec.l[]", value: 1 } }], "must end with a field"],
    ];
    for (const [what, rules, why] of cases) {
      it(what, () => expect(rulesProblems(rules).join()).to.contain(why));
    }
    it("a default for the target of a move goes", () => {
      expect(
        rulesProblems([{ rename: { path: "spec.a", to: "b" } }, { default: { path: "spec.b", value: 1 } }]),
      ).to.deep.equal([]);
    });
  });

  describe("the file", () => {
    const good = `migrations:
  - crd: multiagentsystems.casa.io
    from: v1alpha1
    to: v1
    rules:
      - rename: {path: spec.realm, to: keycloakRealm}
      - remove: {path: "spec.apps[].llmModel", reason: moved to the gateway}
`;
    it("is read", () => {
      expect(parseMigrations(good, "m.yaml")[0]).to.deep.include({ from: "v1alpha1", to: "v1" });
    });
    for (const [what, text, why] of [
      ["no YAML", "migrations: [", "not valid YAML"],
      ["a wrong key", good.replace("rename:", "renam:"), "migrations.0.rules.0: Unrecognized key"],
      ["two forms in one rule", good.replace("- remove", "  remove"), "exactly one of rename"],
      ["a wrong path", good.replace("spec.realm", "spec..realm"), "not a path at"],
      ["a removal without a reason", good.replace(", reason: moved to the gateway", ""), "reason"],
      ["a name that is no CRD", good.replace("multiagentsystems.casa.io", "MAS"), "name of a CRD"],
      ["the same migration twice", good + good.replace("migrations:\n", ""), "there is another migration"],
    ] as const) {
      it(`refuses ${what}, naming file and place`, () => {
        expect(() => parseMigrations(text, "m.yaml"))
          .to.throw(why)
          .with.property("message")
          .that.contains("m.yaml")
          .and.contains("Fix:");
      });
    }
    it("within a version the ways forward and back stand in one file", () => {
      const text = `migrations:
  - {crd: a.casa.io, from: v1, to: v1, rules: [{rename: {path: spec.a, to: b}}, {rename: {path: spec.b, to: a}}]}`;
      expect(parseMigrations(text, "m.yaml")).to.have.length(1);
    });
  });
});
