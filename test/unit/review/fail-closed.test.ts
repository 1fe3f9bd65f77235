import { expect } from "chai";
import type { KubeObject } from "../../../kubernetes/objects";
import { failClosed, failOpen } from "../../../review/facts/fail-closed";

describe("the sidecar's silence", () => {
  it("what denies traffic when nobody answers", () => {
    const filter = (config: object): KubeObject => ({
      apiVersion: "networking.istio.io/v1alpha3",
      kind: "EnvoyFilter",
      metadata: { name: "f" },
      spec: { configPatches: [{ patch: { value: { typed_config: config } } }] },
    });
    const type = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";
    expect(failClosed([filter({ "@type": type, failure_mode_allow: false })])).to.deep.equal(["EnvoyFilter f"]);
    expect(failClosed([filter({ "@type": type })])).to.deep.equal(["EnvoyFilter f"]);
    expect(failClosed([filter({ "@type": type, failure_mode_allow: true })])).to.deep.equal([]);
    expect(failClosed([filter({ "@type": "other" })])).to.deep.equal([]);
    const plugin = (spec: object): KubeObject => ({
      apiVersion: "x/v1",
      kind: "WasmPlugin",
      metadata: { name: "p" },
      spec,
    });
    expect(failClosed([plugin({}), plugin({ failStrategy: "FAIL_OPEN" })])).to.deep.equal(["WasmPlugin p"]);
    const webhook = (failurePolicy?: string): KubeObject => ({
      ...{ apiVersion: "x/v1", kind: "MutatingWebhookConfiguration", metadata: { name: "w" } },
      webhooks: [{ failurePolicy }],
    });
    expect(failClosed([webhook(), webhook("Ignore")])).to.deep.equal(["MutatingWebhookConfiguration w"]);

    const ofPods = { rules: [{ resources: ["pods"] }] };
    const ofOthers = { rules: [{ resources: ["casapolicies"] }], failurePolicy: "Fail" };
    const hooks = (kind: string, ...webhooks: object[]): KubeObject => ({ ...webhook(), kind, webhooks });
    // Webhooks for other kinds stop no pod.
    expect(failClosed([hooks("MutatingWebhookConfiguration", ofOthers)])).to.deep.equal([]);
    expect(failClosed([hooks("ValidatingWebhookConfiguration", ofPods)])).to.have.length(1);
    expect(
      failOpen([hooks("MutatingWebhookConfiguration", ofOthers, { ...ofPods, failurePolicy: "Ignore" })]),
    ).to.deep.equal(["MutatingWebhookConfiguration w"]);
    // Both spellings of Envoy, a type one level below, and its other way to ask somebody.
    expect(failOpen([filter({ "@type": type, failureModeAllow: true })])).to.deep.equal(["EnvoyFilter f"]);
    const struct = { "@type": "type.googleapis.com/udpa.type.v1.TypedStruct", type_url: type };
    expect(failClosed([filter({ ...struct, value: {} })])).to.deep.equal(["EnvoyFilter f"]);
    expect(failOpen([filter({ ...struct, value: { failure_mode_allow: true } })])).to.deep.equal(["EnvoyFilter f"]);
    const processor = "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor";
    expect(failClosed([{ ...filter({ "@type": processor }), kind: "CiliumEnvoyConfig" }])).to.have.length(1);
    expect(failOpen([plugin({ failStrategy: "FAIL_OPEN" })])).to.deep.equal(["WasmPlugin p"]);
    const rule = (kind: string, spec: object): KubeObject => ({ ...plugin(spec), kind });
    expect(failClosed([rule("AuthorizationPolicy", { action: "CUSTOM", provider: { name: "casa" } })])).to.have.length(
      1,
    );
    expect(
      failClosed([rule("AuthorizationPolicy", { action: "ALLOW" }), rule("SecurityPolicy", { cors: {} })]),
    ).to.deep.equal([]);
    expect(failClosed([rule("SecurityPolicy", { extAuth: { http: {} } })])).to.have.length(1);
    expect(failOpen([rule("SecurityPolicy", { extAuth: { failOpen: true } })])).to.have.length(1);
  });
});
