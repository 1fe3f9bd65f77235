import { expect } from "chai";
import { parseAllDocuments } from "yaml";
import {
  BEHAVIOR,
  type CasaPolicy,
  demoObjects,
  isWorkload,
  masObjects,
  type MasObject,
  type MultiAgentSystem,
  READY_AFTER,
  toYaml,
} from "../fixtures/mas";

describe("fixture MAS workloads", () => {
  const id = (object: MasObject) => `${object.kind}/${object.metadata.namespace ?? ""}/${object.metadata.name}`;
  const systemsOf = (set: MasObject[]) => set.filter((o): o is MultiAgentSystem => o.kind === "MultiAgentSystem");
  const policiesOf = (set: MasObject[]) => set.filter((o): o is CasaPolicy => o.kind === "CASAPolicy");
  const workloadIds = (set: MasObject[]) => set.filter(isWorkload).map(id);
  const annotation = (set: MasObject[], key: string) =>
    Object.fromEntries(
      set.filter(isWorkload).map((w) => [w.metadata.name, w.spec?.template.metadata?.annotations?.[key]]),
    );

  it("demo: every named application exists; policies also name a Pod, a missing workload and one no system has", () => {
    const set = demoObjects();
    const ids = set.map(id);
    const covered = systemsOf(set).flatMap(({ metadata, spec }) =>
      spec.apps.map((app) => `${metadata.namespace}/${app.kubernetesWorkloadName}`),
    );
    const existing = new Set(workloadIds(set).map((name) => name.replace(/^\w+\//, "")));
    expect(covered).to.have.length(5);
    for (const name of covered) expect(existing).to.include(name);
    const targets = policiesOf(set).map(
      ({ metadata, spec }) => `${spec.targetRef.kind}/${metadata.namespace}/${spec.targetRef.name}`,
    );
    expect(targets.filter((target) => !ids.includes(target))).to.deep.equal(["Deployment/mas-travel/retired-agent"]);
    expect(targets).to.include.members(["Pod/mas-travel/debug-shell", "StatefulSet/mas-finance/ledger"]);
    expect(targets.filter((target) => !covered.includes(target.replace(/^\w+\//, "")))).to.include(
      "Deployment/mas-finance/report-writer",
    );
  });

  it("demo: two namespaces that both modes inject into, two replicas each, ready after 3 s", () => {
    const set = demoObjects();
    const namespaces = set.filter(({ kind }) => kind === "Namespace");
    expect(namespaces.map(({ metadata }) => metadata.name)).to.deep.equal(["mas-travel", "mas-finance"]);
    for (const { metadata } of namespaces) {
      expect(metadata)
        .to.have.property("labels")
        .that.deep.equals({ "istio-injection": "enabled", "casa.io/injection": "enabled" });
    }
    expect(
      set
        .filter(isWorkload)
        .map(({ kind }) => kind)
        .sort(),
    ).to.deep.equal([...Array<string>(5).fill("Deployment"), "StatefulSet"]);
    expect(set.filter(isWorkload).every(({ spec }) => spec?.replicas === 2)).to.equal(true);
    expect(new Set(Object.values(annotation(set, READY_AFTER)))).to.deep.equal(new Set(["3s"]));
  });

  it("demo: options change the workloads, and policies can be left out for chart 0.1.0", () => {
    const set = demoObjects({ replicas: 3, readyAfter: "0s", crashLoop: "ledger", policies: false });
    expect(set.filter(isWorkload).every(({ spec }) => spec?.replicas === 3)).to.equal(true);
    expect(new Set(Object.values(annotation(set, READY_AFTER)))).to.deep.equal(new Set(["0s"]));
    expect(annotation(set, BEHAVIOR)).to.include({ ledger: "crash-loop", planner: undefined });
    expect(policiesOf(set)).to.be.empty;
    expect(policiesOf(demoObjects())).to.have.length(5);
  });

  it("generated: each workload in exactly one system of its own namespace", () => {
    for (const [workloads, systems] of [
      [12, 4],
      [10, 3],
      [1000, 70],
    ] as const) {
      const set = masObjects({ workloads, systems, namespaces: ["a", "b"], statefulSets: 2 });
      const named = systemsOf(set).flatMap(({ metadata, spec }) =>
        spec.apps.map((app) => `${metadata.namespace}/${app.kubernetesWorkloadName}`),
      );
      expect(systemsOf(set)).to.have.length(systems);
      expect(new Set(named).size).to.equal(workloads);
      expect([...named].sort()).to.deep.equal(
        workloadIds(set)
          .map((name) => name.replace(/^\w+\//, ""))
          .sort(),
      );
      expect(set.filter(({ kind }) => kind === "StatefulSet")).to.have.length(2);
      expect(set.slice(0, 2).map(({ kind }) => kind)).to.deep.equal(["Namespace", "Namespace"]);
    }
  });

  it("generated: only the workload named is never ready", () => {
    const set = masObjects({ workloads: 3, systems: 1, neverReady: "agent-0002", readyAfter: "1s" });
    expect(annotation(set, BEHAVIOR)).to.deep.equal({
      "agent-0001": undefined,
      "agent-0002": "never-ready",
      "agent-0003": undefined,
    });
  });

  it("refuses sizes and names that make no sense", () => {
    expect(() => masObjects({ workloads: 2, systems: 3 })).to.throw(
      RangeError,
      "3 systems need at least one workload each",
    );
    expect(() => masObjects({ workloads: 2, systems: 0 })).to.throw(RangeError);
    expect(() => masObjects({ workloads: 2, systems: 1, neverReady: "agent-2" })).to.throw('no workload "agent-2"');
    expect(() => demoObjects({ crashLoop: "nobody" })).to.throw('no workload "nobody"');
  });

  it("reads back from YAML as it was written, as YAML 1.1 too", () => {
    const set = [...demoObjects(), { kind: "Odd", data: { answer: "yes", mode: "0755", time: "12:30:00" } }];
    const read = parseAllDocuments(toYaml(set), { version: "1.1" }).map(
      (document): unknown => document.toJS() as unknown,
    );
    expect(read).to.deep.equal(JSON.parse(JSON.stringify(set)));
  });
});
