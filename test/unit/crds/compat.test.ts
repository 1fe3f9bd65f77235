import { expect } from "chai";
import { compareCrds } from "../../../crds/compat/compare";
import { applySeverities, crdRuleOverride, type CrdRuleOverride } from "../../../crds/compat/overrides";
import { EXTRA_RULES, SHARED_RULES } from "../../../crds/compat/rules";
import { compareVersions } from "../../../crds/compat/served-versions";
import type { Crd } from "../../../crds/crds";
import type { CrdFinding } from "../../../crds/compat/finding";
import { crd, object, rooted, type Schema, simple, text, two, version } from "../../fixtures/crd-pairs/make";

/** The rules that some case of this file made a finding of. */
const found = new Set<string>();

/** Findings of our own rules, one line each: severity, rule without prefix, version, path, text. */
function extras(before: Crd, after: Crd): string[] {
  const ours = compareCrds(before, after).filter(({ rule }) => rule.startsWith("casa/"));
  for (const { rule } of ours) found.add(rule);
  return ours
    .map((one) => [one.severity, one.rule.slice("casa/".length), one.version, one.path, `(${one.text})`])
    .map((parts) => parts.filter((part) => part !== undefined).join(" "));
}

const fields = (before: Schema, after: Schema) => extras(simple(before), simple(after));
const texts = (before: Crd, after: Crd) => compareCrds(before, after).map((one) => one.text);

describe("CRD comparison: our own rules", () => {
  it("CEL rules that are new or have another expression", () => {
    const cel = (...rules: object[]) => text({ "x-kubernetes-validations": rules });
    const [a, b, c] = [{ rule: "self != 'a'" }, { rule: "self != 'b'" }, { rule: "self != 'c'" }];
    const at = "v1 ^.spec.field";
    expect(fields(text(), cel(a))).to.deep.equal([`error celRuleAdded ${at} (CEL rule: "self != 'a'" is new)`]);
    expect(fields(cel(a), cel(a, b))).to.deep.equal([`error celRuleAdded ${at} (CEL rule: "self != 'b'" is new)`]);
    const changed = `error celRuleChanged ${at} (CEL rule: "self != 'a'" becomes "self != 'b'")`;
    expect(fields(cel(a), cel(b))).to.deep.equal([changed]);
    expect(fields(cel(a, c), cel(b, c))).to.deep.equal([changed]);
    // Moved and changed: known by its message.
    expect(fields(cel({ ...a, message: "m" }, c), cel(c, { ...b, message: "m" }))).to.deep.equal([changed]);
    expect(fields(cel(a), cel({ ...a, optionalOldSelf: true }))[0]).to.contain("celRuleChanged");
  });

  it("CEL rules that cannot reject what is there: removed, moved, other words, on a new field", () => {
    const rules = [{ rule: "self != 'a'", message: "m" }, { rule: "self != 'b'" }];
    const cel = text({ "x-kubernetes-validations": rules });
    expect(fields(cel, text())).to.deep.equal([]);
    expect(fields(cel, text({ "x-kubernetes-validations": [...rules].reverse() }))).to.deep.equal([]);
    expect(fields(cel, text({ "x-kubernetes-validations": [{ ...rules[0], message: "n" }, rules[1]] }))).to.deep.equal(
      [],
    );
    expect(extras(simple(), simple(cel))).to.deep.equal([]);
  });

  it("CEL rules in a map's values and at the root", () => {
    const rules = { "x-kubernetes-validations": [{ rule: "true" }] };
    const map = (values: Schema) => ({ type: "object", additionalProperties: values });
    expect(fields(map(text()), map(text(rules)))[0]).to.contain("^.spec.field.additionalProperties");
    const after = crd([version("v1", { ...rooted(), ...rules })]);
    expect(extras(simple(), after)[0]).to.match(/^error celRuleAdded v1 \^ /);
  });

  it("a served version that is gone or no longer served", () => {
    const gone = "error servedVersionRemoval v1 (the version, which is served now, is gone)";
    expect(extras(two("v1", "v2"), crd([version("v2", rooted(text()))]))).to.deep.equal([gone]);
    const off = crd([version("v1", rooted(text()), { served: false }), version("v2", rooted(text()))]);
    expect(extras(two("v1", "v2"), off)).to.deep.equal([
      "error servedVersionRemoval v1 (the version is no longer served)",
    ]);
    expect(extras(off, crd([version("v2", rooted(text()))]))).to.deep.equal([]);
    expect(extras(off, two("v1", "v2"))).to.deep.equal([]);
  });

  it("another storage version", () => {
    const stored = (name: string) =>
      crd(["v1", "v2"].map((each) => version(each, rooted(text()), { storage: each === name })));
    expect(extras(stored("v1"), stored("v2"))).to.deep.equal([
      'warning storageVersionChange (storage version: "v1" becomes "v2")',
    ]);
    expect(extras(stored("v1"), stored("v1"))).to.deep.equal([]);
  });

  it("what makes list elements the same one, and who owns a map", () => {
    const list = (type?: string, ...keys: string[]) => ({
      type: "array",
      items: object("a", "b"),
      ...(type ? { "x-kubernetes-list-type": type } : {}),
      ...(keys.length > 0 ? { "x-kubernetes-list-map-keys": keys } : {}),
    });
    expect(fields(list(), list("map", "a"))).to.deep.equal([
      'error listTypeChange v1 ^.spec.field (x-kubernetes-list-type: "atomic" becomes "map")',
    ]);
    expect(fields(list("set"), list("atomic"))[0]).to.contain("listTypeChange");
    expect(fields(list("map", "a"), list("map", "a", "b"))).to.deep.equal([
      'error listMapKeysChange v1 ^.spec.field (x-kubernetes-list-map-keys: ["a"] becomes ["a","b"])',
    ]);
    expect(fields(list(), list("atomic"))).to.deep.equal([]);
    expect(fields(list("map", "a", "b"), list("map", "b", "a"))).to.deep.equal([]);
    const map = (type?: string) => ({ ...object("a"), ...(type ? { "x-kubernetes-map-type": type } : {}) });
    expect(fields(map(), map("atomic"))[0]).to.match(/^warning mapTypeChange v1 \^\.spec\.field /);
    expect(fields(map("granular"), map())).to.deep.equal([]);
  });

  it("pruning that is switched on, for a field or everywhere", () => {
    const kept = { ...object("a"), "x-kubernetes-preserve-unknown-fields": true };
    const expected = "error pruningEnabled v1 ^.spec.field (x-kubernetes-preserve-unknown-fields is removed)";
    expect(fields(kept, object("a"))).to.deep.equal([expected]);
    expect(fields(kept, { ...kept, "x-kubernetes-preserve-unknown-fields": false })).to.deep.equal([expected]);
    expect(fields(object("a"), kept)).to.deep.equal([]);
    expect(extras(simple(kept), simple())).to.deep.equal([]);
    const everywhere = crd([version("v1", rooted())], { preserveUnknownFields: true });
    expect(extras(everywhere, simple())).to.deep.equal([
      "error pruningEnabled (spec.preserveUnknownFields is switched off)",
    ]);
    expect(extras(simple(), crd([version("v1", rooted())], { preserveUnknownFields: false }))).to.deep.equal([]);
  });

  it("a map that loses its free keys", () => {
    const free = (values: unknown) => ({ type: "object", additionalProperties: values });
    const expected = "error additionalPropertiesRemoval v1 ^.spec.field (additionalProperties is removed)";
    expect(fields(free(text()), object("a"))).to.deep.equal([expected]);
    expect(fields(free(true), free(false))).to.deep.equal([expected]);
    expect(fields(free(text()), free(true))).to.deep.equal([]);
    const unknown = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    expect(fields(free(text()), unknown)).to.deep.equal([]);
  });

  it("int-or-string that is no longer one", () => {
    const both = { "x-kubernetes-int-or-string": true };
    expect(fields(both, text())).to.deep.equal([
      "error intOrStringRemoval v1 ^.spec.field (x-kubernetes-int-or-string is removed)",
    ]);
    expect(fields(text(), both)).to.deep.equal([]);
  });

  it("conversion without a webhook", () => {
    const webhook = { strategy: "Webhook", webhook: { clientConfig: { url: "https://casa.io" } } };
    const converted = (conversion?: Schema) => crd(two("v1", "v2").spec.versions, conversion ? { conversion } : {});
    const relabelled =
      'error conversionWithoutWebhook (objects are no longer converted, only relabelled, as the strategy changes: "Webhook" becomes "None")';
    expect(extras(converted(webhook), converted({ strategy: "None" }))).to.deep.equal([relabelled]);
    expect(extras(converted(webhook), converted())).to.deep.equal([relabelled]);
    expect(extras(converted(), converted({ strategy: "Webhook" }))).to.deep.equal([
      "error conversionWithoutWebhook (conversion by webhook is wanted, and no webhook named)",
    ]);
    expect(extras(converted(), converted(webhook))).to.deep.equal([]);
    expect(extras(converted(), converted({ strategy: "None" }))).to.deep.equal([]);
    // With one version left and nothing stored in another one there is nothing to convert.
    const single = (status?: Schema) => crd([version("v1", rooted())], { conversion: webhook }, status);
    expect(extras(single(), simple())).to.deep.equal([]);
    expect(extras(single({ storedVersions: ["v1alpha1", "v1"] }), simple())[0]).to.contain("conversionWithoutWebhook");
  });

  it("group, kind and plural name", () => {
    const named = (group: string, plural: string, kind: string) =>
      crd([version("v1", rooted())], { group, names: { plural, kind } });
    expect(extras(named("casa.io", "realms", "Realm"), named("casa.dev", "domains", "Domain"))).to.deep.equal([
      'error namesChange (group: "casa.io" becomes "casa.dev")',
      'error namesChange (kind: "Realm" becomes "Domain")',
      'error namesChange (plural name: "realms" becomes "domains")',
    ]);
    expect(extras(simple(), named("casa.io", "realms", "Realm"))).to.deep.equal([]);
  });

  it("subresources that go", () => {
    const both = { status: {}, scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" } };
    const withSubresources = (subresources?: Schema) => crd([version("v1", rooted(), { subresources })]);
    expect(extras(withSubresources(both), withSubresources())).to.deep.equal([
      "error scaleSubresourceRemoval v1 (subresource scale is removed)",
      "error statusSubresourceRemoval v1 (subresource status is removed)",
    ]);
    expect(extras(withSubresources(), withSubresources(both))).to.deep.equal([]);
    expect(extras(withSubresources(both), withSubresources(both))).to.deep.equal([]);
  });

  it("a new field that is required", () => {
    const wanted = (more: Schema = {}) => simple({ type: "object", properties: { a: text(more) }, required: ["a"] });
    expect(extras(simple(object()), wanted())).to.deep.equal([
      "error requiredPropertyAdded v1 ^.spec.field.a (a new field is required and has no default)",
    ]);
    expect(extras(simple(object()), wanted({ default: "x" }))).to.deep.equal([]);
    // Known and required only now: that is crdify's rule; new together with the field above it: no object has that one.
    expect(extras(simple(object("a")), wanted())).to.deep.equal([]);
    expect(extras(simple(), wanted())).to.deep.equal([]);
  });

  it("have ids that are told apart from crdify's, and one sentence each", () => {
    const ids = EXTRA_RULES.map(({ id }) => id);
    expect(new Set(ids).size).to.equal(ids.length);
    expect(ids.every((id) => id.startsWith("casa/"))).to.equal(true);
    expect(SHARED_RULES.some(({ id }) => id.includes("/"))).to.equal(false);
    for (const { description } of [...SHARED_RULES, ...EXTRA_RULES]) expect(description).to.match(/^\S.{10,110}\.$/);
  });
});

describe("CRD comparison: findings", () => {
  it("come the worst first, then by version and path, and say what was and what is", () => {
    const before = crd([
      version("v1", rooted(text({ maxLength: 9 })), { storage: true }),
      version("v2", rooted(text())),
    ]);
    const after = crd([version("v1", rooted(text({ maxLength: 5 }))), version("v2", rooted())]);
    expect(compareCrds(before, after).map(({ rule, severity, version: name }) => [severity, name, rule])).to.deep.equal(
      [
        ["error", "v1", "maxLength"],
        ["error", "v1 -> v2", "type"],
        ["error", "v2", "existingFieldRemoval"],
        ["error", "v2", "type"],
        ["warning", undefined, "casa/storageVersionChange"],
      ],
    );
  });

  it("show of a long text the part that changes, and never more than a little of it", () => {
    const long = "word ".repeat(200);
    const [found = ""] = texts(
      simple(text({ description: `${long}one` })),
      simple(text({ description: `${long}two` })),
    );
    expect(found).to.match(/^description: ….*word one" becomes ….*word two"$/);
    expect(found.length).to.be.below(300);
    const [cut = ""] = texts(simple(text({ description: long })), simple(text()));
    expect(cut).to.match(/^description: "word .*… is removed$/);
    expect(cut.length).to.be.below(160);
  });

  it("do not change the CRDs they compare, and are none for equal ones", () => {
    const before = two("v1", "v2", text({ enum: ["b", "a"], required: [] }));
    const copy = structuredClone(before);
    expect(compareCrds(before, copy)).to.deep.equal([]);
    compareCrds(before, simple());
    expect(before).to.deep.equal(copy);
  });

  it("take the API server's order of versions", () => {
    const names = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"];
    expect([...names].sort().sort(compareVersions)).to.deep.equal([...names].reverse());
  });
});

describe("CRD comparison: configured severities", () => {
  const base: CrdFinding = { rule: "type", severity: "error", version: "v1", path: "^.spec.realm", text: "type" };
  const override = (more: Partial<CrdRuleOverride>): CrdRuleOverride => ({
    rule: "type",
    severity: "none",
    reason: "because",
    ...more,
  });
  const result = (overrides: CrdRuleOverride[], found = base) =>
    applySeverities("realms.casa.io", [found], overrides)[0] ?? expect.fail("a finding is lost");

  it("lowers with the reason, raises without one, leaves the rest alone", () => {
    expect(result([override({})])).to.deep.equal({ ...base, severity: "none", accepted: "because" });
    expect(result([override({ severity: "warning" })])).to.include({ severity: "warning", accepted: "because" });
    const warning: CrdFinding = { ...base, severity: "warning" };
    expect(result([override({ severity: "error" })], warning)).to.deep.equal({ ...warning, severity: "error" });
    expect(result([override({ severity: "error" })])).to.deep.equal(base);
    expect(result([override({ rule: "enum" })])).to.deep.equal(base);
  });

  it("fits CRDs and paths by name or with *", () => {
    const fits = (more: Partial<CrdRuleOverride>, found = base) => result([override(more)], found).severity === "none";
    expect(["realms.casa.io", "*.casa.io", "*", "realms.*"].map((crd) => fits({ crd }))).to.not.include(false);
    expect(["realms", "*.casa", "realmsxcasa.io", "xrealms.casa.io"].map((crd) => fits({ crd }))).to.not.include(true);
    expect(["^.spec.realm", "^.spec.*", "*"].map((path) => fits({ path }))).to.not.include(false);
    expect(["^.spec", "^.spec.real", "^.status.*"].map((path) => fits({ path }))).to.not.include(true);
    const bracket: CrdFinding = { ...base, path: "^.spec.anyOf[0].a" };
    expect(fits({ path: "^.spec.anyOf[0].a" }, bracket)).to.equal(true);
    expect(fits({ path: "^.spec.anyOf[1].*" }, bracket)).to.equal(false);
    const { path: _, ...whole } = base;
    expect(fits({ path: "^.*" }, whole)).to.equal(false);
    expect(fits({}, whole)).to.equal(true);
  });

  it("the most specific wins wherever it stands, of equal ones the last", () => {
    const ranked = [
      override({ reason: "any" }),
      override({ crd: "*.io", reason: "short crd glob" }),
      override({ crd: "*.casa.io", reason: "crd glob" }),
      override({ crd: "realms.casa.io", reason: "crd" }),
      override({ path: "^.*", reason: "short path glob" }),
      override({ path: "^.spec.*", reason: "path glob" }),
      override({ path: "^.spec.realm", reason: "path" }),
      override({ path: "^.spec.realm", crd: "*.casa.io", reason: "path and crd glob" }),
      override({ path: "^.spec.realm", crd: "realms.casa.io", reason: "both" }),
    ];
    ranked.forEach(({ reason }, index) => {
      const known = ranked.slice(0, index + 1);
      expect(result(known).accepted).to.equal(reason);
      expect(result([...known].reverse()).accepted).to.equal(reason);
    });
    expect(result([override({ reason: "one" }), override({ reason: "two" })]).accepted).to.equal("two");
  });

  it("accepts what is well-formed and says what is wrong with the rest", () => {
    const messages = (raw: unknown) => crdRuleOverride.safeParse(raw).error?.issues.map(({ message }) => message) ?? [];
    const good = {
      crd: "*.casa.io",
      rule: "casa/celRuleAdded",
      path: "^.spec.*",
      severity: "warning",
      reason: "tested",
    };
    expect(messages(good)).to.deep.equal([]);
    expect(messages({ rule: "type", severity: "none", reason: "tested" })).to.deep.equal([]);
    expect(messages({ ...good, rule: "existingFieldRemovall" })).to.deep.equal([
      'is not a rule: "existingFieldRemovall"; the nearest one is "existingFieldRemoval"',
    ]);
    expect(messages({ ...good, rule: "celruleadded" })[0]).to.contain('the nearest one is "casa/celRuleAdded"');
    expect(messages({ ...good, rule: undefined })).to.deep.equal(["must name a rule"]);
    expect(messages({ ...good, severity: "info" })).to.deep.equal(["must be error, warning or none"]);
    expect(messages({ ...good, reason: " " })).to.deep.equal(["must say why"]);
    expect(messages({ rule: "type", severity: "none" })).to.deep.equal(["must say why"]);
    expect(messages({ ...good, path: "spec.realm" })[0]).to.contain("must be a schema path");
    expect(messages({ ...good, crd: "Realm!" })[0]).to.contain("must be the name of a CRD");
    expect(messages({ ...good, version: "v1" })[0]).to.contain("version");
  });
});

describe("CRD comparison: every rule of ours", () => {
  it("is found by a case above (of the whole file)", () =>
    expect([...found]).to.have.members(EXTRA_RULES.map(({ id }) => id)));
});
