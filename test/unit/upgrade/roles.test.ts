import { expect } from "chai";
import type { KubeObject } from "../../../kubernetes/objects";
import { isRead } from "../../../kubernetes/permissions";
import { ruleList } from "../../../kubernetes/rules";
import { type RoleInput, roleManifests, rolePermissions } from "../../../upgrade/roles";

const object = (apiVersion: string, kind: string, name: string, namespace?: string): KubeObject => ({
  ...{ apiVersion, kind },
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
});
const input: RoleInput = {
  ...{ release: "casa", namespace: "casa-runtime", masNamespaces: ["mas-1", "mas-2"], migrates: false },
  objects: [
    object("extensions.istio.io/v1alpha1", "WasmPlugin", "parser"),
    object("rbac.authorization.k8s.io/v1", "ClusterRole", "operator"),
    object("v1", "Service", "elsewhere", "other"),
    object("casa.io/v9", "NotServed", "x"),
  ],
  customResources: [{ group: "casa.io", plural: "multiagentsystems" }],
};
const find = (_apiVersion: string, kind: string) =>
  kind === "NotServed"
    ? undefined
    : { plural: `${kind.toLowerCase()}s`, namespaced: kind !== "ClusterRole", patchable: true };
const texts = (role: "review" | "upgrade", more: Partial<RoleInput> = {}) =>
  rolePermissions(role, { ...input, ...more }, find).map(
    ({ verb, resource, subresource, namespace = "*", name = "" }) =>
      `${verb} ${resource}${subresource === undefined ? "" : `/${subresource}`} ${namespace}${name && ` ${name}`}`,
  );

describe("accounts of a stack", () => {
  it("the one that reviews reads what it is made of, and nothing else", () => {
    const all = rolePermissions("review", input, find);
    expect(all.filter((one) => !isRead(one))).to.deep.equal([]);
    expect(texts("review")).to.include.members([
      "list secrets casa-runtime",
      "get wasmplugins casa-runtime",
      "get services other",
      "list deployments mas-2",
    ]);
  });

  it("no Secret is read outside of the release's namespace", () => {
    for (const role of ["review", "upgrade"] as const) {
      const secrets = rolePermissions(role, input, find).filter(({ resource }) => resource === "secrets");
      expect(secrets.map(({ namespace }) => namespace)).to.satisfy((all: string[]) =>
        all.every((at) => at === "casa-runtime"),
      );
    }
  });

  it("the one that upgrades may do all that the other may, and give away the roles of the chart only", () => {
    expect(texts("upgrade")).to.include.members(texts("review"));
    expect(texts("upgrade")).to.include.members([
      "patch wasmplugins casa-runtime",
      "patch statefulsets mas-1",
      "create pods/exec casa-runtime",
      "escalate clusterroles * operator",
      "bind clusterroles * operator",
    ]);
    expect(texts("upgrade").filter((text) => text.startsWith("escalate"))).to.have.length(1);
  });

  it("custom resources are written only where rules for them are declared", () => {
    const written = "update multiagentsystems *";
    expect(texts("upgrade")).not.to.include(written);
    expect(texts("upgrade", { migrates: true })).to.include.members([
      written,
      "update multiagentsystems/status *",
      "update customresourcedefinitions/status *",
    ]);
  });

  it("has an account, and a role bound to it in each place", () => {
    const manifests = roleManifests("review", input, find) as KubeObject[];
    expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? "-"}`)).to.deep.equal([
      "ServiceAccount casa-runtime",
      "ClusterRole -",
      "ClusterRoleBinding -",
      ...["casa-runtime", "mas-1", "mas-2", "other"].flatMap((at) => [`Role ${at}`, `RoleBinding ${at}`]),
    ]);
  });
});

describe("permissions as RBAC rules", () => {
  it("puts resources with the same verbs into one rule, and names apart", () =>
    expect(
      ruleList([
        { verb: "get", group: "", resource: "pods" },
        { verb: "list", group: "", resource: "pods" },
        { verb: "get", group: "", resource: "pods", subresource: "log" },
        { verb: "get", group: "", resource: "secrets" },
        { verb: "list", group: "", resource: "secrets" },
        { verb: "bind", group: "r", resource: "roles", name: "a" },
        { verb: "bind", group: "r", resource: "roles", name: "b" },
      ]),
    ).to.deep.equal([
      { apiGroups: [""], resources: ["pods", "secrets"], verbs: ["get", "list"] },
      { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
      { apiGroups: ["r"], resources: ["roles"], verbs: ["bind"], resourceNames: ["a", "b"] },
    ]));

  it("a stream into a pod is no reading, though its verb is get", () => {
    const stream = { verb: "get", group: "", resource: "pods", subresource: "exec" };
    expect([isRead(stream), isRead({ ...stream, subresource: "log" })]).to.deep.equal([false, true]);
  });
});
