import { UserError } from "../../../shared/user-error";
import { expect } from "chai";
import { differentCrds, droppedCrds, keepForeign, parseCrds } from "../../../crds/crds";
import { ManifestError, parseManifest } from "../../../kubernetes/objects";

const crd = (name = "things.casa.io", extra = "") => `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: ${name}
  labels: {app: casa}
spec:
  group: casa.io
  scope: Namespaced
  names: {plural: things, kind: Thing}
  ${extra}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`;
const parsed = (text: string) => parseCrds(parseManifest(text));
const one = (text = crd()) => parsed(text)[0]!;

describe("parseManifest", () => {
  it("gives every document of a multi-document crds file the file's name", () => {
    const docs = parseManifest(`---\n# Source: c/crds/all.yaml\n${crd("a.casa.io")}\n---\n${crd("b.casa.io")}`);
    expect(docs.map(({ source, object }) => `${source} ${object.metadata.name}`)).to.deep.equal([
      "c/crds/all.yaml a.casa.io",
      "c/crds/all.yaml b.casa.io",
    ]);
  });

  it("flattens lists, drops empty documents and reads YAML 1.1 as the API server does", () => {
    const docs = parseManifest(
      "---\n# nothing\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, x: yes}",
    );
    expect(docs).to.have.length(1);
    expect(docs[0]?.object["x"]).to.equal(true);
  });

  it("names the chart file of invalid YAML and of what is no object", () => {
    expect(() => parseManifest("---\n# Source: c/crds/bad.yaml\na: [1")).to.throw(ManifestError, "c/crds/bad.yaml");
    expect(() => parseManifest("---\n# Source: c/templates/x.yaml\nfoo: 1")).to.throw(ManifestError, "apiVersion");
  });
});

describe("parseCrds", () => {
  it("takes a CRD that two files bring once: the first, or the one that is chosen", () => {
    expect(parsed(`${crd()}---${crd()}`)).to.have.length(1);
    const [a, b] = [crd(), crd(undefined, "preserveUnknownFields: false")].map(
      (text) => parseManifest(text)[0]?.object,
    );
    if (!a || !b) throw new Error("no CRD");
    const both = [
      { source: "c/crds/a.yaml", object: a },
      { source: "c/charts/d/crds/a.yaml", object: b },
    ];
    const { name = "" } = a.metadata;
    expect(parseCrds(both)[0]?.spec).to.deep.equal(a["spec"]);
    expect(parseCrds(both, { [name]: "c/charts/d/crds/a.yaml" })[0]?.spec).to.deep.equal(b["spec"]);
    expect(differentCrds(both)).to.deep.equal([{ name, first: "c/crds/a.yaml", other: "c/charts/d/crds/a.yaml" }]);
    expect(differentCrds([...both].slice(0, 1))).to.deep.equal([]);
  });

  it("names CRD and field of a malformed one, and refuses v1beta1", () => {
    expect(() => parsed(crd().replace("scope: Namespaced", "scope: Everywhere"))).to.throw(UserError, "spec.scope");
    expect(() => parsed(crd().replace("k8s.io/v1", "k8s.io/v1beta1"))).to.throw(UserError, "v1beta1");
  });
});

describe("keepForeign", () => {
  const live = { name: "things.casa.io", labels: { app: "old", team: "a", gone: "x" }, annotations: { note: "keep" } };

  it("keeps what others put on the live CRD, lets the chart's own win, and drops what the chart itself dropped", () => {
    const installed = one(crd().replace("labels: {app: casa}", "labels: {app: casa, gone: x}"));
    const merged = keepForeign(one(), live, installed);
    expect(merged.metadata.labels).to.deep.equal({ app: "casa", team: "a" });
    expect(merged.metadata.annotations).to.deep.equal({ note: "keep" });
  });

  it("keeps an injected CA bundle of a conversion webhook, unless the chart brings its own", () => {
    const conversion = (bundle: string) =>
      `conversion: {strategy: Webhook, webhook: {conversionReviewVersions: [v1], clientConfig: {${bundle}url: "https://x"}}}`;
    const ofCluster = { ...live, caBundle: "TElWRQ==" };
    const text = (bundle: string) =>
      JSON.stringify(keepForeign(one(crd(undefined, conversion(bundle))), ofCluster, undefined));
    expect(text("")).to.contain("TElWRQ==");
    expect(text("caBundle: Q0hBUlQ=, ")).to.contain("Q0hBUlQ=").and.not.to.contain("TElWRQ==");
  });

  it("is the chart's CRD as it is when there is none on the cluster", () => {
    expect(keepForeign(one(), undefined, undefined)).to.deep.equal(one());
  });
});

describe("droppedCrds", () => {
  it("names CRDs that the installed chart ships and the configured one does not", () => {
    const installed = parseManifest(`${crd("old.casa.io")}---${crd()}`).map(({ object }) => object);
    expect(droppedCrds(installed, [one()])).to.deep.equal(["old.casa.io"]);
  });
});
