import { expect } from "chai";
import { crd, outcomeOf, system, workload } from "./situation";

describe("names in the config that nothing has", () => {
  const situation = {
    chart: { crds: [{ source: "crds/crds.yaml", object: crd("systems") }] },
    systems: [system("a")],
    workloads: [workload("a")],
  };

  it("are told, not passed over", () => {
    const { skipped, warnings } = outcomeOf({
      ...situation,
      config: {
        restarts: { exclude: ["mas/a", "mas/typo"], inputs: ["ConfigMap/typo"], sidecarDeployment: "typo" },
        crdSources: { "systems.casa.io": "crds/typo.yaml" },
      },
      migrationEntries: [{ crd: "typos.casa.io", from: "v1", to: "v2", rules: [] }],
    });
    expect(skipped).to.equal("excluded a");
    const expected = [
      "restarts.exclude names mas/typo, which is no workload",
      "restarts.inputs names ConfigMap/typo, which casa-runtime 0.2.0 does not have",
      "restarts.sidecarDeployment names typo, which casa-runtime 0.2.0 does not have",
      "crdSources takes CRD systems.casa.io from crds/typo.yaml, where casa-runtime 0.2.0 does not have it",
      "the file of customResourceMigrations names CRD typos.casa.io, which casa-runtime 0.2.0 has neither",
    ];
    expect(warnings).to.have.length(expected.length);
    expected.forEach((text, i) => expect(warnings?.[i]).to.contain(text));
  });

  it("that are there say nothing", () => {
    const { warnings } = outcomeOf({
      ...situation,
      config: {
        restarts: { exclude: ["mas/a"], inputs: ["EnvoyFilter/ext"], sidecarDeployment: "casa-sidecar" },
        crdSources: { "systems.casa.io": "crds/crds.yaml" },
      },
      migrationEntries: [{ crd: "systems.casa.io", from: "v1", to: "v2", rules: [] }],
    });
    expect(warnings).to.deep.equal([]);
  });
});
