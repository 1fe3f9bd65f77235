import { expect } from "chai";
import { apiVersionsWith, plannedVersion, withPlannedApis } from "../../../helm/planned-apis";
import type { KubeObject } from "../../../kubernetes/objects";

const crd = (plural: string, kind: string, served: Record<string, boolean>, group = "casa.io"): KubeObject => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: "Namespaced",
    names: { plural, kind, shortNames: ["w"] },
    versions: Object.entries(served).map(([name, is]) => ({ name, served: is, storage: true })),
  },
});
const WIDGETS = crd("widgets", "Widget", { v1: true, v1alpha1: false });

describe("what the API server will serve once the CRDs are applied", () => {
  it("aggregated discovery: a new group, a version that comes, one that goes, other kinds stay", () => {
    const group = (name: string, versions: Record<string, string[]>) => ({
      metadata: { name },
      versions: Object.entries(versions).map(([version, kinds]) => ({
        version,
        resources: kinds.map((resource) => ({ resource, responseKind: { kind: resource }, scope: "Namespaced" })),
      })),
    });
    const answer = {
      kind: "APIGroupDiscoveryList",
      items: [group("apps", { v1: ["deployments"] }), group("casa.io", { v1alpha1: ["widgets", "others"] })],
    };
    const planned = withPlannedApis(answer, [WIDGETS, crd("news", "New", { v1: true }, "new.io")]) as typeof answer;
    const served = planned.items.flatMap(({ metadata, versions }) =>
      versions.flatMap(({ version, resources }) =>
        resources.map(({ resource }) => `${metadata.name}/${version} ${resource}`),
      ),
    );
    expect(served).to.have.members([
      "apps/v1 deployments",
      "casa.io/v1alpha1 others",
      "casa.io/v1 widgets",
      "new.io/v1 news",
    ]);
  });

  it("a version whose last kind goes is not served any more", () => {
    const answer = {
      kind: "APIGroupDiscoveryList",
      items: [
        { metadata: { name: "casa.io" }, versions: [{ version: "v1alpha1", resources: [{ resource: "widgets" }] }] },
      ],
    };
    const { items } = withPlannedApis(answer, [WIDGETS]) as typeof answer;
    expect(items.map(({ versions }) => versions.map(({ version }) => version))).to.deep.equal([["v1"]]);
  });

  it("servers that list versions only: the lists of groups and of kinds", () => {
    const groups = {
      kind: "APIGroupList",
      groups: [{ name: "apps", versions: [{ groupVersion: "apps/v1", version: "v1" }] }],
    };
    expect(JSON.stringify(withPlannedApis(groups, [WIDGETS]))).to.contain('"groupVersion":"casa.io/v1"');
    const list = {
      kind: "APIResourceList",
      groupVersion: "casa.io/v1alpha1",
      resources: [{ name: "widgets" }, { name: "others" }],
    };
    expect((withPlannedApis(list, [WIDGETS]) as typeof list).resources.map(({ name }) => name)).to.deep.equal([
      "others",
    ]);
    expect(JSON.stringify(plannedVersion("casa.io/v1", [WIDGETS]))).to.contain('"kind":"Widget"');
    expect(plannedVersion("casa.io/v2", [WIDGETS])).to.equal(undefined);
  });

  it("gives any other answer back as it is", () => {
    for (const answer of [{ kind: "Status" }, "text", { kind: "APIGroupDiscoveryList" }]) {
      expect(withPlannedApis(answer, [WIDGETS])).to.equal(answer);
    }
  });

  it("API versions for helm template", () => {
    const present = ["v1", "v1/Secret", "apps/v1", "apps/v1/Deployment", "casa.io/v1alpha1", "casa.io/v1alpha1/Widget"];
    expect(apiVersionsWith([WIDGETS], present)).to.have.members([
      ...["v1", "v1/Secret", "apps/v1", "apps/v1/Deployment", "casa.io/v1", "casa.io/v1/Widget"],
    ]);
    expect(apiVersionsWith([], present)).to.have.members(present);
  });
});
