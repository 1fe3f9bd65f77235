import { expect } from "chai";
import {
  chartOf,
  crd,
  crdFile,
  live,
  objectsOf,
  type Outcome,
  ours,
  outcomeOf,
  refusalOf,
  revision,
  type Situation,
  stampOf,
  system,
  workload,
} from "./situation";

const [OLD, NEW] = [stampOf("0.1.0"), stampOf("0.2.0")];
/** The release after a complete upgrade by this program. */
const UPGRADED = [revision(1, "0.1.0", { status: "superseded" }), revision(2, "0.2.0", { description: ours("0.2.0") })];
const DONE = { records: { before: { stamp: OLD, stale: [] }, after: { stamp: NEW, stale: [] } } };
/** The chart with other templates and nothing else that is injected. */
const SAME_FILTER = objectsOf("0.2.0", "0.1.0");
const withCrds = (...crds: ReturnType<typeof crd>[]) => ({
  chart: { crds: crds.map((object) => ({ source: "crds/crds.yaml", object })) },
});
const mas = (...names: string[]) => ({ systems: [system(...names)] });
const stamped = (name: string, more: object = {}) => workload(name, { stamp: NEW, ...more });
const setReplicas = (replicas: number) => ({ values: { sidecar: { replicaCount: replicas } } });

/** One row for each situation of an upgrade: what is there, and what is decided of it. */
const SITUATIONS: [name: string, situation: Situation, outcome: Partial<Outcome>][] = [
  // The release
  [
    "installed by hand, adopted by an upgrade",
    {},
    { versions: "0.1.0 -> 0.2.0", revision: "new", record: "0.1.0", gate: "casa-auth-service", warnings: [] },
  ],
  [
    "installed by hand in the configured version: adopted, and described as ours",
    { revisions: [revision(1, "0.2.0")] },
    { versions: "0.2.0 -> 0.2.0", revision: "new", record: "0.2.0" },
  ],
  [
    "first install, allowed",
    { revisions: [], config: { allowInstall: true } },
    { versions: "- -> 0.2.0", revision: "new", record: "none" },
  ],
  ["not installed, and installing is not allowed", { revisions: [] }, { refused: "not-installed" }],
  [
    "nothing to do",
    { revisions: UPGRADED, ...DONE },
    { versions: "0.1.0 -> 0.2.0", revision: "kept", onlyRestarts: false, warnings: [], restart: "" },
  ],
  [
    "nothing to do after a first install of ours",
    { revisions: [revision(1, "0.2.0", { description: ours("0.2.0") })], ...DONE },
    { versions: "- -> 0.2.0", revision: "kept" },
  ],
  [
    "only the values change",
    { revisions: UPGRADED, config: setReplicas(2), ...DONE },
    { versions: "0.1.0 -> 0.2.0", revision: "new" },
  ],
  [
    "the same values as the release has",
    {
      revisions: [revision(1, "0.2.0", { config: setReplicas(2).values, description: ours("0.2.0") })],
      config: setReplicas(2),
    },
    { revision: "kept", warnings: [] },
  ],
  [
    "another chart of the same version number",
    { revisions: UPGRADED, chart: chartOf("0.2.0", objectsOf("0.2.0", "0.2.0b")), ...DONE },
    { versions: "0.1.0 -> 0.2.0", revision: "new" },
  ],
  [
    "a downgrade",
    { revisions: [revision(1, "0.3.0")] },
    { versions: "0.3.0 -> 0.2.0", revision: "new", record: "0.3.0" },
  ],
  [
    "the revision before failed: upgraded as it stands, and said",
    { revisions: [revision(1, "0.1.0"), revision(2, "0.2.0", { status: "failed", description: "timed out" })] },
    { revision: "new", warnings: ["revision 2 of release casa-runtime/casa failed (timed out); "] },
  ],
  [
    "a failed revision is nothing that pods were started under: workloads are restarted rather than left old",
    {
      revisions: [revision(1, "0.1.0", { status: "superseded" }), revision(2, "0.2.0", { status: "failed" })],
      ...mas("a"),
      workloads: [workload("a")],
    },
    { restart: "a", record: "0.1.0" },
  ],
  [
    "the first install failed",
    { revisions: [revision(1, "0.2.0", { status: "failed", description: "timed out" })] },
    {
      versions: "0.2.0 -> 0.2.0",
      revision: "new",
      warnings: ["revision 1 of release casa-runtime/casa failed (timed out); "],
    },
  ],
  [
    "stuck in pending-upgrade",
    { revisions: [revision(1, "0.1.0", { status: "pending-upgrade" })] },
    { refused: "release" },
  ],
  [
    "stuck in pending-install",
    { revisions: [revision(1, "0.1.0", { status: "pending-install" })] },
    { refused: "release" },
  ],
  [
    "stuck in pending-rollback",
    { revisions: [revision(1, "0.1.0", { status: "pending-rollback" })] },
    { refused: "release" },
  ],
  ["being uninstalled", { revisions: [revision(1, "0.1.0", { status: "uninstalling" })] }, { refused: "release" }],
  [
    "uninstalled, history kept",
    { revisions: [revision(1, "0.1.0", { status: "uninstalled" })] },
    { refused: "release" },
  ],
  [
    "in a state that nobody knows",
    { revisions: [revision(1, "0.1.0", { status: "unknown" })] },
    { refused: "release" },
  ],
  [
    "rolled back by hand after our upgrade: made right again",
    { revisions: [...UPGRADED, revision(3, "0.1.0", { description: "Rollback to 1" })], ...DONE },
    {
      versions: "0.1.0 -> 0.2.0",
      revision: "new, after revision 3",
      warnings: ["release casa was changed by hand after the last update of this stack: revision 3"],
    },
  ],
  [
    "the same version by hand after our upgrade",
    { revisions: [...UPGRADED, revision(3, "0.2.0", { description: "Upgrade complete" })], ...DONE },
    { revision: "new, after revision 3" },
  ],
  [
    "made right again after a change by hand: what that run said stays",
    {
      revisions: [
        ...UPGRADED,
        revision(3, "0.1.0"),
        revision(4, "0.2.0", { description: `${ours("0.2.0")}, after revision 3` }),
      ],
      ...DONE,
    },
    { revision: "kept", warnings: [] },
  ],
  [
    "values of the release that the config does not have",
    {
      revisions: [revision(1, "0.1.0", { config: setReplicas(3).values })],
      chart: { contents: { ...chartOf("0.2.0").contents, ...setReplicas(1), defaults: setReplicas(1).values } },
    },
    {
      revision: "new",
      warnings: ["release casa was installed with values that the config does not have"],
    },
  ],
  [
    "values of the release that the new chart does not read: nothing to keep",
    { revisions: [revision(1, "0.1.0", { config: setReplicas(3).values })] },
    { revision: "new", warnings: [] },
  ],
  [
    "a chart that is marked deprecated",
    { chart: { deprecated: true } },
    { warnings: ["chart casa-runtime 0.2.0 is marked deprecated"] },
  ],
  // CRDs
  ["a CRD that the new version adds", withCrds(crd("systems")), { crds: "create systems.casa.io" }],
  [
    "a CRD that exists is adopted",
    { ...withCrds(crd("systems")), liveCrds: [live(crd("systems"))] },
    { crds: "adopt systems.casa.io", warnings: [] },
  ],
  [
    "a CRD that the new version no longer ships stays, and is said",
    { revisions: [revision(1, "0.1.0", { crdFiles: [crdFile(crd("traces"))] })], liveCrds: [live(crd("traces"))] },
    {
      crds: "keep traces.casa.io",
      warnings: ["CRD traces.casa.io is no longer shipped by casa-runtime 0.2.0. It"],
    },
  ],
  [
    "a CRD that only an old revision shipped",
    {
      revisions: [
        revision(1, "0.1.0", { status: "superseded", crdFiles: [crdFile(crd("traces"))] }),
        ...UPGRADED.slice(1),
      ],
      liveCrds: [live(crd("traces"))],
      ...DONE,
    },
    { crds: "keep traces.casa.io", revision: "kept" },
  ],
  [
    "a CRD that is shipped no longer and was deleted by hand",
    { revisions: [revision(1, "0.1.0", { crdFiles: [crdFile(crd("traces"))] })] },
    { crds: "", warnings: [] },
  ],
  [
    "a CRD file of the installed chart that cannot be parsed is passed over",
    {
      revisions: [
        revision(1, "0.1.0", { crdFiles: [{ name: "crds/x.yaml", data: "kind: CustomResourceDefinition" }] }),
      ],
    },
    { crds: "", warnings: [] },
  ],
  [
    "two different CRDs under one name: the first counts, as with helm, and both are told",
    withCrds(crd("systems"), crd("systems", ["v1", "v2"])),
    { crds: "create systems.casa.io", warnings: ["CRD systems.casa.io is in"] },
  ],
  [
    "a version that objects are stored in is dropped without rules: left to the API server, whose dry-run refuses it",
    { ...withCrds(crd("systems", ["v2"])), liveCrds: [live(crd("systems", ["v1"]))] },
    { crds: "adopt systems.casa.io" },
  ],
  [
    "the same with a declared migration",
    {
      ...withCrds(crd("systems", ["v2"])),
      liveCrds: [live(crd("systems", ["v1"]))],
      migrationEntries: [{ crd: "systems.casa.io", from: "v1", to: "v2", rules: [] }],
    },
    { crds: "adopt systems.casa.io, migrate systems.casa.io v1 v2" },
  ],
  [
    "something in crds/ that is no CRD",
    {
      chart: {
        strayCrdFiles: [
          { source: "crds/x.yaml", object: { apiVersion: "v1", kind: "Secret", metadata: { name: "x" } } },
        ],
      },
    },
    { warnings: ["crds/x.yaml holds Secret x, no CRD; an upgrade does not apply it"] },
  ],
  // Restarts
  [
    "workloads whose injected configuration changes",
    { ...mas("a", "b"), workloads: [workload("a"), workload("b")] },
    { restart: "a b", done: "", skipped: "", stale: "" },
  ],
  [
    "an upgrade that changes nothing of what is injected",
    { chart: chartOf("0.2.0", SAME_FILTER), ...mas("a"), workloads: [workload("a")] },
    { restart: "", skipped: "unchanged a", revision: "new" },
  ],
  [
    "one system after the other",
    {
      systems: [
        { namespace: "mas", name: "two", workloads: ["b"] },
        { namespace: "mas", name: "one", workloads: ["a"] },
      ],
      workloads: [workload("a"), workload("b")],
    },
    { restart: "a | b" },
  ],
  [
    "canaries first",
    { ...mas("a", "b"), workloads: [workload("a"), workload("b")], config: { restarts: { canaries: ["mas/b"] } } },
    { restart: "b | a" },
  ],
  [
    "killed between the restarts: it goes on with the rest, and looks at the injection first",
    {
      revisions: UPGRADED,
      records: { before: { stamp: OLD, stale: [] } },
      ...mas("a", "b"),
      workloads: [stamped("a"), workload("b")],
    },
    { revision: "kept", done: "a", restart: "b", onlyRestarts: true },
  ],
  [
    "killed while a workload was rolling",
    {
      revisions: UPGRADED,
      records: { before: { stamp: OLD, stale: [] } },
      ...mas("a"),
      workloads: [stamped("a", { rolledOut: false, old: 1 })],
    },
    { restart: "a", done: "", onlyRestarts: true },
  ],
  [
    "killed before any record was written, after helm was done: every workload is behind",
    { revisions: [revision(1, "0.2.0", { description: ours("0.2.0") })], ...mas("a"), workloads: [workload("a")] },
    { revision: "kept", restart: "a", record: "none", onlyRestarts: true },
  ],
  [
    "all restarted",
    { revisions: UPGRADED, ...DONE, ...mas("a"), workloads: [stamped("a")] },
    { restart: "", done: "a", onlyRestarts: false },
  ],
  [
    "a workload that came after the upgrade runs under it",
    { revisions: UPGRADED, ...DONE, ...mas("new-one"), workloads: [workload("new-one")] },
    { restart: "", skipped: "unchanged new-one" },
  ],
  [
    "paused, without replicas, OnDelete and excluded ones are left alone; those with old pods are remembered",
    {
      ...mas("paused", "zero", "by-hand", "left"),
      workloads: [
        workload("paused", { paused: true }),
        workload("zero", { replicas: 0 }),
        workload("by-hand", { kind: "StatefulSet", updateStrategy: "OnDelete" }),
        workload("left"),
      ],
      config: { restarts: { exclude: ["mas/left"] } },
    },
    {
      restart: "",
      skipped: "paused paused, no-replicas zero, on-delete by-hand, excluded left",
      stale: "left paused zero by-hand",
    },
  ],
  [
    "one that stayed behind is restarted once it can be, although nothing else changes",
    {
      revisions: UPGRADED,
      records: { before: { stamp: OLD, stale: [] }, after: { stamp: NEW, stale: ["Deployment/mas/a"] } },
      ...mas("a"),
      workloads: [workload("a")],
    },
    { revision: "kept", restart: "a", onlyRestarts: true },
  ],
  [
    "a workload that does not exist, and a bare Pod of a policy",
    { ...mas("gone"), policies: [{ namespace: "mas", name: "p", targetRef: { kind: "Pod", name: "pod" } }] },
    { restart: "", skipped: "not-found gone, not-restartable pod" },
  ],
  [
    "restarts switched off",
    { ...mas("a"), workloads: [workload("a")], config: { restarts: { enabled: false } } },
    { restart: "", skipped: "", record: "0.1.0" },
  ],
  [
    "a way back changes what is injected, too",
    {
      revisions: [...UPGRADED, revision(3, "0.3.0", { description: ours("0.3.0") })],
      records: { before: { stamp: OLD, stale: [] }, after: { stamp: stampOf("0.3.0"), stale: [] } },
      ...mas("a"),
      workloads: [workload("a", { stamp: stampOf("0.3.0") })],
    },
    { versions: "0.3.0 -> 0.2.0", restart: "a", record: "0.1.0" },
  ],
  // The gate
  ["the gate switched off", { config: { migrationGate: { enabled: false } } }, { gate: "off", warnings: [] }],
  [
    "a chart without an auth service",
    { chart: chartOf("0.2.0", objectsOf("0.2.0").slice(0, 2)) },
    { gate: "none", warnings: ["no auth service to wait for before MAS workloads are restarte"] },
  ],
  [
    "the gate's Deployment by name",
    { config: { migrationGate: { deployment: "casa-sidecar" } } },
    { gate: "casa-sidecar" },
  ],
];

describe("what is decided, situation by situation", () => {
  for (const [name, situation, outcome] of SITUATIONS) {
    it(name, () => {
      const found = outcomeOf(situation);
      const keys = Object.keys(outcome) as (keyof Outcome)[];
      const { warnings, ...rest } = Object.fromEntries(keys.map((key) => [key, found[key]]));
      const { warnings: expected, ...others } = outcome;
      expect(rest, JSON.stringify(found)).to.deep.equal(others);
      if (!expected) return;
      expect(warnings).to.have.lengthOf(expected.length);
      expected.forEach((text, i) => expect((warnings as string[])[i]).to.contain(text));
    });
  }

  it("has a row for each of at least 40 situations, no two the same", () => {
    const names = SITUATIONS.map(([name]) => name);
    expect(new Set(names).size).to.equal(names.length).and.to.be.at.least(40);
  });

  it("a refusal names the fix", () => {
    expect(refusalOf({ revisions: [] }).fix).to.contain("pulumi config set allowInstall true");
    const stuck = refusalOf({
      revisions: [revision(1, "0.1.0", { status: "superseded" }), revision(2, "0.2.0", { status: "pending-upgrade" })],
    });
    expect(stuck.fix).to.contain("helm rollback casa 1 --namespace casa-runtime --kube-context prod");
  });

  it("changes nothing that it is given", () => {
    const situation: Situation = {
      ...withCrds(crd("systems")),
      liveCrds: [live(crd("systems"))],
      ...mas("a"),
      workloads: [workload("a")],
    };
    const before = JSON.stringify(situation);
    outcomeOf(situation);
    expect(JSON.stringify(situation)).to.equal(before);
  });
});
