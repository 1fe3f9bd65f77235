import { expect } from "chai";
import { maskSecrets } from "../../cluster/diagnose";
import { conflictOf, ownershipProblem } from "../../cluster/ownership";
import { permissionProblem } from "../../cluster/permissions";
import { releaseProblem, type ReleaseState } from "../../cluster/release";
import { workloadFacts } from "../../cluster/workloads";

const release = (...statuses: string[]): ReleaseState => {
  const revisions = statuses.map((status, i) => ({
    revision: i + 1,
    status,
    chartName: "casa-runtime",
    chartVersion: "0.1.0",
  }));
  const latest = { ...revisions.at(-1)!, description: "", config: {}, manifest: "", crdFiles: [] };
  return { name: "casa", namespace: "casa-runtime", revisions, latest };
};

describe("releaseProblem", () => {
  for (const pending of ["pending-upgrade", "pending-rollback"]) {
    it(`${pending}: names the rollback to the newest good revision, with context and namespace`, () => {
      const problem = releaseProblem(release("superseded", "deployed", "failed", pending), "prod");
      expect(problem?.problem).to.contain(`stuck in ${pending} (revision 4)`);
      expect(problem?.fix).to.contain("helm rollback casa 2 --namespace casa-runtime --kube-context prod");
    });
  }

  it("pending-install: there is nothing to roll back to, so uninstall", () => {
    expect(releaseProblem(release("pending-install"), "prod")?.fix).to.contain("helm uninstall casa");
  });

  it("a failed upgrade can be upgraded again, a failed first install cannot", () => {
    expect(releaseProblem(release("deployed", "failed"), "prod")).to.equal(undefined);
    expect(releaseProblem(release("failed"), "prod")?.problem).to.contain("first install");
  });

  it("deployed is no problem; uninstalled with kept history is", () => {
    expect(releaseProblem(release("deployed"), "prod")).to.equal(undefined);
    expect(releaseProblem(release("deployed", "uninstalled"), "prod")?.problem).to.contain("was uninstalled");
  });
});

describe("conflictOf", () => {
  const own = { name: "casa", namespace: "casa-runtime" };
  const object = (labels: object, annotations: object) => ({
    metadata: { name: "x", namespace: "n", labels, annotations },
  });
  const marks = (name: string, namespace = "casa-runtime") => ({
    "meta.helm.sh/release-name": name,
    "meta.helm.sh/release-namespace": namespace,
  });
  const byHelm = { "app.kubernetes.io/managed-by": "Helm" };

  it("takes an object with this release's label and annotations as its own", () => {
    expect(conflictOf("Service", object(byHelm, marks("casa")), own)).to.deep.equal([]);
  });

  it("finds objects of another release, of the same name elsewhere, of nobody, and half marked ones", () => {
    expect(conflictOf("Service", object(byHelm, marks("old")), own)[0]?.owner).to.equal("casa-runtime/old");
    expect(conflictOf("Service", object(byHelm, marks("casa", "other")), own)).to.have.length(1);
    expect(conflictOf("Service", object({}, {}), own)).to.deep.equal([{ kind: "Service", name: "x", namespace: "n" }]);
    expect(conflictOf("Service", object({}, marks("casa")), own)).to.have.length(1);
  });

  it("says how to uninstall the other release and how to hand the object over", () => {
    const problem = ownershipProblem(conflictOf("Service", object(byHelm, marks("old")), own), own, "prod");
    expect(problem?.problem).to.contain("Service n/x belongs to another release, casa-runtime/old");
    expect(problem?.fix).to.contain("helm uninstall old --namespace casa-runtime --kube-context prod");
    expect(problem?.fix).to.contain("meta.helm.sh/release-name=casa");
  });
});

describe("permissionProblem", () => {
  it("groups what is missing and gives the rules of a role", () => {
    const at = { group: "apps", resource: "deployments", namespace: "mas" };
    const problem = permissionProblem(
      [
        { verb: "get", ...at },
        { verb: "patch", ...at },
      ],
      "prod",
    );
    expect(problem?.problem).to.contain("get, patch deployments.apps in namespace mas");
    expect(problem?.fix).to.contain('{apiGroups: ["apps"], resources: ["deployments"], verbs: [get, patch]}');
    expect(permissionProblem([], "prod")).to.equal(undefined);
  });
});

describe("workloadFacts", () => {
  const deployment = (status: object, spec: object = {}) => ({
    metadata: { namespace: "mas", name: "a", generation: 2 },
    spec: { replicas: 2, template: {}, ...spec },
    status: { observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2, ...status },
  });
  const rolledOut = (status: object) => workloadFacts("Deployment", deployment(status)).rolledOut;

  it("is rolled out only when the controller has seen it and every replica is new and available", () => {
    expect(rolledOut({})).to.equal(true);
    expect(rolledOut({ observedGeneration: 1 })).to.equal(false);
    expect(rolledOut({ updatedReplicas: 1 })).to.equal(false);
    expect(rolledOut({ availableReplicas: 1 })).to.equal(false);
    expect(rolledOut({ replicas: 3 })).to.equal(false);
  });

  it("judges a StatefulSet by its revisions too", () => {
    const revisions = { currentRevision: "a", updateRevision: "b" };
    expect(workloadFacts("StatefulSet", deployment(revisions)).rolledOut).to.equal(false);
    expect(workloadFacts("StatefulSet", deployment({ ...revisions, updateRevision: "a" })).rolledOut).to.equal(true);
  });

  it("reads stamp, pause and strategy", () => {
    const annotations = { "casa-upgrade.dev/config-stamp": "abc" };
    const facts = workloadFacts(
      "Deployment",
      deployment({}, { paused: true, strategy: { type: "Recreate" }, template: { metadata: { annotations } } }),
    );
    expect(facts).to.include({ stamp: "abc", paused: true, updateStrategy: "Recreate" });
  });
});

describe("maskSecrets", () => {
  it("hides values that look like secrets and leaves the rest of the line", () => {
    expect(maskSecrets('login password="hunter2" failed')).to.equal("login password=*** failed");
    expect(maskSecrets("postgres://casa:hunter2@db:5432/auth")).to.equal("postgres://casa:***@db:5432/auth");
    expect(maskSecrets("API_KEY: abc123")).not.to.contain("abc123");
    expect(maskSecrets("alembic upgrade failed")).to.equal("alembic upgrade failed");
  });
});
