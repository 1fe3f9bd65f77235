import { expect } from "chai";
import type { ResourceValidationPolicy } from "@pulumi/policy";
import { keycloakHighlyAvailable } from "../../../policies/keycloak";
import { sidecarHighlyAvailable } from "../../../policies/restarts";
import { REVIEW_TYPE } from "../../../policies/rule";
import { judge } from "../../../policies/testing";
import type { RuntimeFacts, RuntimeWorkload } from "../../../review/facts/schema";
import { reviewArgs } from "../../../upgrade/upgrade-review";
import { reviewOf, runtimeWorkload } from "../../fixtures/review";

/** What a policy says of a runtime with these facts. */
function check(policy: ResourceValidationPolicy, facts: Partial<RuntimeFacts>): string[] {
  const props: Record<string, unknown> = { ...reviewArgs(reviewOf({ runtime: { ...reviewOf().runtime, ...facts } })) };
  return judge(policy, { type: REVIEW_TYPE, name: "casa-review", props }).messages;
}

describe("the rules about what is replaced", () => {
  it("Keycloak: replicas that are all replaced at once are as one", () => {
    const keycloak = (over: Partial<RuntimeWorkload>) =>
      check(keycloakHighlyAvailable, { workloads: [runtimeWorkload({ component: "keycloak", replicas: 3, ...over })] });
    expect(keycloak({ strategy: "Recreate", unavailable: 3 })[0]).to.contain("all of its 3 replicas at once");
    expect(keycloak({ unavailable: 3 })[0]).to.contain("maxUnavailable allows 3");
    expect(keycloak({ unavailable: 1 })).to.deep.equal([]);
    expect(keycloak({ strategy: "OnDelete", unavailable: 3 })).to.deep.equal([]);
    expect(keycloak({ strategy: "Recreate", rolls: false })).to.deep.equal([]);
  });

  it("the sidecar matters where its silence lets pass, too; a review of before does not say so", () => {
    const one = [runtimeWorkload({ component: "sidecar" })];
    expect(check(sidecarHighlyAvailable, { workloads: one, failOpen: ["EnvoyFilter f"] })[0]).to.contain(
      "EnvoyFilter f lets pass, without anybody being told, what it does not answer",
    );
    expect(check(sidecarHighlyAvailable, { workloads: one })).to.deep.equal([]);
    const two = [runtimeWorkload({ component: "sidecar", replicas: 2, budget: "b" })];
    expect(check(sidecarHighlyAvailable, { workloads: two, failOpen: ["EnvoyFilter f"] })).to.deep.equal([]);
  });
});
