import { expect } from "chai";
import {
  injectedInto,
  injectedIntoAnswer,
  type InjectorAnswer,
  lacks,
  loses,
  podLacks,
} from "../../../../components/workload-restarts/injected";
import {
  injectionWarnings,
  NO_INJECTION_FACTS,
  representatives,
} from "../../../../components/workload-restarts/injection-facts";
import { whyNotInjected } from "../../../../components/workload-restarts/why-not-injected";
import type { PodWebhook } from "../../../../kubernetes/webhooks";
import { workload } from "../../upgrade/situation";

const container = (name: string, image = `${name}:1`) => ({ name, image, init: false });
const status = (...containers: string[]) => ({
  "sidecar.istio.io/status": JSON.stringify({ initContainers: null, containers, revision: "r1" }),
});
const TEMPLATE = { containers: [{ name: "agent", image: "agent:1" }] };

describe("what was injected into a pod", () => {
  const containers = [container("agent"), container("istio-proxy"), container("vault-agent")];

  it("istio: what its injector says, and nothing of other webhooks; cilium: all that the template does not have", () => {
    const pod = { annotations: status("istio-proxy"), containers };
    expect(injectedInto("istio", pod, TEMPLATE)).to.deep.equal({
      containers: [container("istio-proxy")],
      revision: "r1",
    });
    expect(injectedInto("istio", { annotations: {}, containers }, TEMPLATE)).to.deep.equal({ containers: [] });
    expect(
      injectedInto("istio", { annotations: { "sidecar.istio.io/status": "{" }, containers }, TEMPLATE),
    ).to.deep.equal({ containers: [] });
    expect(injectedInto("cilium", pod, TEMPLATE).containers.map(({ name }) => name)).to.deep.equal([
      "istio-proxy",
      "vault-agent",
    ]);
  });

  it("istio: containers of the template that its injector only changes are the agent's, unless it fills them in", () => {
    const pod = { annotations: status("istio-proxy", "agent"), containers };
    expect(injectedInto("istio", pod, TEMPLATE).containers).to.deep.equal([container("istio-proxy")]);
    const gateway = { containers: [...TEMPLATE.containers, { name: "istio-proxy", image: "auto" }] };
    expect(injectedInto("istio", pod, gateway).containers).to.deep.equal([container("istio-proxy")]);
  });

  it("reads the API server's answer; the revision is the annotation's", () => {
    const answer = {
      metadata: { annotations: { ...status("istio-proxy"), "istio.io/rev": "canary" } },
      spec: { containers: [{ name: "istio-proxy", image: "p:2" }], initContainers: [{ name: "x", image: "y" }] },
    };
    expect(injectedIntoAnswer("istio", answer, TEMPLATE)).to.deep.equal({
      containers: [container("istio-proxy", "p:2")],
      revision: "canary",
    });
    expect(injectedIntoAnswer("cilium", {}, TEMPLATE)).to.deep.equal({ containers: [] });
  });

  it("a native sidecar is another than a container, and what new pods would not get is known", () => {
    const [now, next] = [container("istio-proxy"), { ...container("istio-proxy"), init: true }];
    expect(lacks({ containers: [now] }, { containers: [next] })).to.equal(
      "has istio-proxy as a container, the injector's is an init container",
    );
    expect(loses({ containers: [now, container("a")] }, { containers: [next] })).to.deep.equal(["a"]);
  });

  it("an image from a mirror is the same image, where the agent's own image shows that there is one", () => {
    const running = (agent: string, proxy: string) => ({
      annotations: status("istio-proxy"),
      containers: [container("agent", agent), container("istio-proxy", proxy)],
    });
    const wanted = { containers: [container("istio-proxy", "docker.io/istio/proxyv2:1.27")], revision: "r1" };
    const answer = { injected: wanted, containers: running("docker.io/team/agent:1", "x").containers };
    const told = (agent: string, proxy: string) => podLacks("istio", running(agent, proxy), TEMPLATE, answer);
    const proxy = "mirror.local/hub/istio/proxyv2:1.27";
    expect(told("mirror.local/hub/team/agent:1", proxy)).to.equal(undefined);
    expect(told("docker.io/team/agent:1", proxy), "another build of the proxy").to.contain("the injector's is");
    expect(told("mirror.local/hub/team/agent:1", "mirror.local/hub/istio/proxyv2:1.26")).to.contain(
      "the injector's is",
    );
  });

  it("a pod with more than the injector adds lacks nothing", () => {
    expect(lacks({ containers: [container("a")], revision: "r" }, { containers: [] })).to.equal(undefined);
    expect(lacks({ containers: [] }, { containers: [container("a"), container("b")] })).to.equal(
      "has no container a, has no container b",
    );
  });
});

describe("what is asked and told of the injection", () => {
  const injected = (...names: string[]) => ({ injected: { containers: names.map((name) => container(name)) } });
  const at = (namespace: string, name: string) => ({ kind: "Deployment" as const, namespace, name });

  it("one workload for each namespace and answer; none where the injector cannot be asked", () => {
    const answers = new Map<string, InjectorAnswer>([
      ["Deployment/a/one", injected("p")],
      ["Deployment/a/two", injected("p")],
      ["Deployment/a/bare", injected()],
      ["Deployment/b/one", { problem: "not-asked", message: "no" }],
      ["Deployment/c/one", { problem: "down", message: "no" }],
    ]);
    const targets = [at("a", "one"), at("a", "two"), at("a", "bare"), at("b", "one"), at("c", "one"), at("d", "x")];
    const asked = representatives(targets, { ...NO_INJECTION_FACTS, answers });
    expect(asked.map(({ namespace, name, injects }) => [namespace, name, ...injects])).to.deep.equal([
      ["a", "one", "p"],
      ["a", "bare"],
      ["c", "one"],
    ]);
  });

  it("one warning for each reason", () => {
    const refused = { problem: "refused" as const, message: "exceeded quota: q" };
    const answers = new Map([
      ["Deployment/a/one", refused],
      ["Deployment/b/two", refused],
    ]);
    const warnings = injectionWarnings("istio", { ...NO_INJECTION_FACTS, answers, unlisted: ["a"] });
    expect(warnings).to.have.length(2);
    expect(warnings[0])
      .to.contain("MAS pods of Deployment/a/one, Deployment/b/two could")
      .and.contain("exceeded quota: q");
    expect(warnings[1]).to.contain("pods of namespace a may not be listed");
    expect(injectionWarnings("istio", { ...NO_INJECTION_FACTS, webhooks: [] })[0]).to.contain(
      "no webhook that injects",
    );
    expect(injectionWarnings("cilium", { ...NO_INJECTION_FACTS, webhooks: [] })).to.deep.equal([]);
  });

  it("why nothing is injected, where the webhook is not Istio's, or answers nothing", () => {
    const hook: PodWebhook = {
      ...{ configuration: "casa-sidecar-injector", name: "inject.casa.io", objectSelector: {} },
      namespaceSelector: { matchLabels: { "casa.io/injection": "enabled" } },
    };
    const labels = { "casa.io/injection": "enabled" };
    expect(whyNotInjected("cilium", { webhooks: [hook] }, workload("a"), labels).why).to.match(
      /^casa-sidecar-injector is asked/,
    );
    expect(whyNotInjected("cilium", { webhooks: [hook] }, workload("a"), {})).to.deep.equal({
      why: "no webhook is asked about its pods: its namespace has no injection label",
      fix: "kubectl label namespace mas casa.io/injection=enabled --overwrite",
    });
    const revision: PodWebhook = {
      ...{ configuration: "istio", name: "rev", objectSelector: {} },
      namespaceSelector: { matchExpressions: [{ key: "istio.io/rev", operator: "In", values: ["1-22"] }] },
    };
    // Only a revision is served: the usual label would inject nothing.
    expect(whyNotInjected("istio", { webhooks: [revision] }, workload("a"), {}).fix).to.equal(
      "kubectl label namespace mas istio.io/rev=1-22 --overwrite",
    );
    // What the fix says makes the webhook select the namespace, whatever it has now.
    const exclusive: PodWebhook = {
      ...revision,
      namespaceSelector: {
        matchExpressions: [
          { key: "istio.io/rev", operator: "In", values: ["1-19-6"] },
          { key: "istio-injection", operator: "DoesNotExist" },
        ],
      },
    };
    const newer: PodWebhook = {
      ...exclusive,
      namespaceSelector: { matchExpressions: [{ key: "istio.io/rev", operator: "In", values: ["1-20-1"] }] },
    };
    const fixOf = (webhooks: PodWebhook[], namespaceLabels: Record<string, string>, revisions: string[] = []) =>
      whyNotInjected("istio", { webhooks, revisions }, workload("a"), namespaceLabels).fix;
    expect(fixOf([exclusive], { "istio-injection": "disabled" })).to.equal(
      "kubectl label namespace mas istio.io/rev=1-19-6 istio-injection- --overwrite",
    );
    expect(fixOf([exclusive, newer], {}, ["1-20-1"])).to.contain("istio.io/rev=1-20-1");
    const maistra = { ...revision, namespaceSelector: { matchLabels: { "maistra.io/member-of": "mesh" } } };
    expect(fixOf([maistra], {})).to.contain("maistra.io/member-of=mesh");
    expect(whyNotInjected("istio", { webhooks: undefined }, workload("a"), {}).why).to.contain("may not be listed");
    const host = workload("a", { template: { spec: { hostNetwork: true } } });
    expect(whyNotInjected("istio", { webhooks: [revision] }, host, {}).why).to.contain("host's network");
    const both = workload("a", {
      podLabels: { "sidecar.istio.io/inject": "true" },
      podAnnotations: { "sidecar.istio.io/inject": "false" },
    });
    expect(whyNotInjected("istio", { webhooks: [revision] }, both, {}).why).to.contain("no webhook is asked");
    const pinned = workload("a", { podLabels: { "istio.io/rev": "old" } });
    expect(whyNotInjected("istio", { webhooks: [revision] }, pinned, {}).fix).to.equal(
      "set istio.io/rev in the pod template of Deployment mas/a to 1-22",
    );
  });
});
