import { expect } from "chai";
import type { FindResource } from "../../../kubernetes/find-resources";
import { type Permission, permissionProblem, permissionsFor } from "../../../kubernetes/permissions";

const find: FindResource = (_apiVersion, kind) =>
  ({
    Deployment: { plural: "deployments", namespaced: true, patchable: true },
    ClusterRole: { plural: "clusterroles", namespaced: false, patchable: true },
    EnvoyFilter: { plural: "envoyfilters", namespaced: true, patchable: true },
  })[kind];
const text = ({ verb, resource, group, namespace }: Permission) =>
  `${verb} ${resource}${group ? `.${group}` : ""} ${namespace ?? "*"}`;

describe("permissions", () => {
  const options = { namespace: "casa", hasCrds: false, workloadNamespaces: [] };

  it("every rendered object can be written, in its namespace or the release's", () => {
    const needed = permissionsFor(
      [
        { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "a" } },
        { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name: "b" } },
        { apiVersion: "networking.istio.io/v1alpha3", kind: "EnvoyFilter", metadata: { name: "c", namespace: "mas" } },
        { apiVersion: "casa.io/v1", kind: "Brought", metadata: { name: "by a CRD of the same upgrade" } },
      ],
      find,
      options,
    ).map(text);
    expect(needed).to.include.members([
      "patch deployments.apps casa",
      "create clusterroles.rbac.authorization.k8s.io *",
      "patch envoyfilters.networking.istio.io mas",
      "update secrets casa",
    ]);
    expect(needed.join()).not.to.match(/brought|customresourcedefinitions/i);
  });

  it("each is named once", () => {
    const object = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "a" } };
    const needed = permissionsFor([object, object], find, options).map(text);
    expect(new Set(needed).size).to.equal(needed.length);
  });

  it("CRDs, restarts and removed objects need more", () => {
    const removed = [{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "old" } }];
    const needed = permissionsFor([], find, { namespace: "casa", hasCrds: true, workloadNamespaces: ["mas"], removed });
    expect(needed.map(text)).to.include.members([
      "update customresourcedefinitions.apiextensions.k8s.io *",
      "patch statefulsets.apps mas",
      "delete deployments.apps casa",
    ]);
  });

  it("the error groups what is missing and gives a role for it", () => {
    const problem = permissionProblem(
      [
        { verb: "get", group: "apps", resource: "deployments", namespace: "mas" },
        { verb: "patch", group: "apps", resource: "deployments", namespace: "mas" },
        { verb: "get", group: "apps", resource: "statefulsets", namespace: "mas" },
        { verb: "patch", group: "apps", resource: "statefulsets", namespace: "mas" },
        { verb: "create", group: "", resource: "secrets" },
      ],
      "ctx",
    );
    expect(problem?.problem.split("\n").slice(1)).to.deep.equal([
      "    get, patch deployments.apps in namespace mas",
      "    get, patch statefulsets.apps in namespace mas",
      "    create secrets in the cluster",
    ]);
    expect(problem?.fix)
      .to.contain('{apiGroups: ["apps"], resources: [deployments, statefulsets], verbs: [get, patch]}')
      .and.contain('{apiGroups: [""], resources: [secrets], verbs: [create]}')
      .and.contain("kubectl --context ctx auth can-i get deployments.apps --namespace mas");
    expect(permissionProblem([], "ctx")).to.equal(undefined);
  });
});
