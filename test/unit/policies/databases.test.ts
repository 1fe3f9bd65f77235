import { expect } from "chai";
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { databaseDataKept, databaseMajorKept, dataKept } from "../../../policies/data";
import { keycloakVersion } from "../../../policies/keycloak";
import { postgresBackup } from "../../../policies/postgres";
import { REVIEW_TYPE } from "../../../policies/rule";
import { judge } from "../../../policies/testing";
import type { Review } from "../../../review/report/schema";
import { reviewArgs } from "../../../upgrade/upgrade-review";
import { reviewOf } from "../../fixtures/review";

const POLICIES: Record<string, ResourceValidationPolicy> = {
  "postgres-backup": postgresBackup,
  "data-kept": dataKept,
  "database-data-kept": databaseDataKept,
  "database-major-kept": databaseMajorKept,
  "keycloak-version-step": keycloakVersion,
};

function check(name: string, sections: Parameters<typeof reviewOf>[0]): string[] {
  const policy = POLICIES[name];
  if (!policy) throw new Error(`no such policy: ${name}`);
  const props: Record<string, unknown> = { ...reviewArgs(reviewOf(sections)) };
  return judge(policy, { type: REVIEW_TYPE, name: "casa-review", props }).messages;
}

describe("the rules about data and versions", () => {
  it("what goes with all that is in it: Namespaces and CRDs, each with its own fix", () => {
    const contents = [
      { kind: "Namespace", name: "extra", why: "helm deletes it", fix: "have it kept" },
      {
        kind: "CustomResourceDefinition",
        name: "gadgets.a.b",
        why: "a hook makes it anew",
        fix: "switch the hook off",
      },
    ];
    const found = check("data-kept", { contents });
    expect(found).to.have.length(2);
    expect(found[0]).to.contain("Namespace extra is deleted with all that is in it").and.to.contain("have it kept");
    expect(found[1]).to.contain("CustomResourceDefinition gadgets.a.b").and.to.contain("switch the hook off");
    expect(check("data-kept", {})).to.deep.equal([]);
  });

  it("claims: each with what keeps it, but for those that never got a volume", () => {
    const claim = { namespace: "casa", name: "data", why: "helm deletes it" };
    expect(check("data-kept", { claims: [claim] }).join()).to.contain("annotate pvc data helm.sh/resource-policy=keep");
    expect(check("data-kept", { claims: [{ ...claim, fix: "keep its owner" }] }).join())
      .to.contain("Fix: keep its owner")
      .and.not.to.contain("annotate pvc");
    expect(check("data-kept", { claims: [{ ...claim, empty: true }] })).to.deep.equal([]);
  });

  it("databases: data that is lost, moved or left behind, and another major, are each refused by their own policy", () => {
    const of = (problem: Review["databases"][number]["problem"]) => ({
      databases: [
        { workload: "Deployment/casa/pg", problem, text: `Deployment/casa/pg: ${problem}`, fix: "see to it" },
      ],
    });
    for (const problem of ["lost", "moved", "gone"] as const) {
      expect(check("database-data-kept", of(problem)).join()).to.contain(`Deployment/casa/pg: ${problem}`);
      expect(check("database-major-kept", of(problem))).to.deep.equal([]);
    }
    for (const problem of ["major", "major-unknown"] as const) {
      expect(check("database-major-kept", of(problem)).join()).to.contain(`Deployment/casa/pg: ${problem}`);
      expect(check("database-data-kept", of(problem))).to.deep.equal([]);
    }
  });

  it("Keycloak: another minor version pod by pod", () => {
    const keycloak = [
      { workload: "Deployment/casa/kc", text: "Deployment/casa/kc goes from 25.0 to 26.0", fix: "Recreate" },
    ];
    expect(check("keycloak-version-step", { keycloak }).join()).to.contain("25.0 to 26.0");
    expect(check("keycloak-version-step", {})).to.deep.equal([]);
  });

  it("databases that are not backed up are refused, though others are", () => {
    const missing = [{ what: "Cluster casa/db (postgresql.cnpg.io/v1), made by an operator", fix: "name it" }];
    const { runtime } = reviewOf();
    const backup = { planned: true, needed: true, why: "auth", missing };
    const messages = check("postgres-backup", { runtime: { ...runtime, backup } });
    expect(messages.join()).to.contain("Not backed up: Cluster casa/db").and.to.contain("Fix: name it");
  });
});
