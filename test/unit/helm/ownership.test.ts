import { expect } from "chai";
import { conflictOf, ownershipProblem } from "../../../helm/ownership";

const release = { name: "casa", namespace: "rt" };
const type = { apiVersion: "apps/v1", kind: "Deployment" };
const live = (name: string | undefined, namespace: string | undefined, managedBy: string | undefined) => ({
  ...type,
  metadata: {
    name: "sidecar",
    namespace: "rt",
    labels: managedBy ? { "app.kubernetes.io/managed-by": managedBy } : {},
    annotations: {
      ...(name ? { "meta.helm.sh/release-name": name } : {}),
      ...(namespace ? { "meta.helm.sh/release-namespace": namespace } : {}),
    },
  },
});

describe("ownership", () => {
  it("follows helm's rule: both annotations and the label, or it is not ours", () => {
    expect(conflictOf(type, live("casa", "rt", "Helm"), release)).to.deep.equal([]);
    for (const other of [
      live("casa", "rt", undefined),
      live("casa", "rt", "kustomize"),
      live("casa", undefined, "Helm"),
      live(undefined, undefined, undefined),
      { ...type, metadata: { name: "sidecar", namespace: "rt" } },
    ]) {
      const [conflict] = conflictOf(type, other, release);
      expect(conflict).to.include({ group: "apps", kind: "Deployment", name: "sidecar", namespace: "rt" });
    }
  });

  it("names the other release", () => {
    expect(conflictOf(type, live("side", "old", "Helm"), release)[0]?.owner).to.deep.equal({
      name: "side",
      namespace: "old",
    });
    expect(conflictOf(type, live("casa", "old", "Helm"), release)[0]?.owner).to.deep.equal({
      name: "casa",
      namespace: "old",
    });
    expect(conflictOf(type, live(undefined, undefined, undefined), release)[0]?.owner).to.equal(undefined);
    expect(conflictOf(type, live("casa", "rt", undefined), release)[0]?.owner).to.equal(undefined);
  });

  it("the error has a line for every way out, once", () => {
    const owner = { name: "side", namespace: "old" };
    const problem = ownershipProblem(
      [
        { group: "apps", kind: "Deployment", name: "a", namespace: "rt", owner },
        { group: "", kind: "Service", name: "a", namespace: "rt", owner },
        { group: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "b" },
      ],
      release,
      "ctx",
    );
    expect(problem?.problem).to.contain("Deployment rt/a belongs to release old/side");
    expect(problem?.problem).to.contain("ClusterRole b belongs to no helm release");
    const lines = (problem?.fix ?? "").split("\n").map((line) => line.trim());
    expect(lines.filter((line) => line.startsWith("helm "))).to.deep.equal([
      "helm uninstall side --namespace old --kube-context ctx",
    ]);
    expect(lines).to.include.members([
      "kubectl label --overwrite --context ctx --namespace rt deployment.apps/a service/a app.kubernetes.io/managed-by=Helm",
      "kubectl annotate --overwrite --context ctx clusterrole.rbac.authorization.k8s.io/b " +
        "meta.helm.sh/release-name=casa meta.helm.sh/release-namespace=rt",
    ]);
    expect(ownershipProblem([], release, "ctx")).to.equal(undefined);
  });
});
