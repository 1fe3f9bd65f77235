import { expect } from "chai";
import { type KubeObject, parseManifest } from "../../../../kubernetes/objects";
import { configStamp, stampObjects } from "../../../../components/workload-restarts/stamp";
import { findUnstable } from "../../../../helm/unstable";

const rules = { namespace: "casa-runtime", sidecarDeployment: "casa-sidecar", inputs: [] };
const stable = { paths: new Map(), keys: new Map(), names: new Map() };

const MANIFEST = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: filter, labels: {helm.sh/chart: casa-0.1.0}}
spec: {timeout: 1s}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: casa-sidecar}
spec:
  replicas: 1
  template:
    metadata: {labels: {app: sidecar}, annotations: {checksum/config: abc}}
    spec:
      containers: [{name: sidecar, image: "sidecar:1", envFrom: [{configMapRef: {name: sidecar-config}}]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: sidecar-config}
data: {level: info}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ui-config}
data: {theme: dark}
---
apiVersion: v1
kind: Secret
metadata: {name: sidecar-secret}
stringData: {password: hunter2}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: injector}
webhooks: [{name: a, clientConfig: {caBundle: QUJD, service: {name: injector, namespace: casa-runtime}}}]
---
apiVersion: v1
kind: Service
metadata: {name: injector}
spec: {selector: {app: injector}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: anything}
spec: {template: {metadata: {labels: {app: injector}}, spec: {containers: [{name: i, image: "injector:1"}]}}}
`;

const objects = (text = MANIFEST): KubeObject[] => parseManifest(text).map(({ object }) => object);
const stamp = (text = MANIFEST) => configStamp(objects(text), stable, rules);

describe("configStamp", () => {
  const changes: [string, string, string][] = [
    ["an EnvoyFilter", "timeout: 1s", "timeout: 2s"],
    ["the sidecar image", "sidecar:1", "sidecar:2"],
    ["a ConfigMap that the sidecar reads", "level: info", "level: debug"],
    ["the Deployment behind the webhook", "injector:1", "injector:2"],
    ["a webhook", "name: a,", "name: b,"],
  ];
  for (const [what, from, to] of changes) {
    it(`changes with ${what}`, () => expect(stamp(MANIFEST.replace(from, to))).not.to.equal(stamp()));
  }

  const irrelevant: [string, string, string][] = [
    ["chart labels", "casa-0.1.0", "casa-0.2.0"],
    ["checksum annotations", "checksum/config: abc", "checksum/config: def"],
    ["replica counts", "replicas: 1", "replicas: 3"],
    ["an injected CA bundle", "caBundle: QUJD", "caBundle: REVG"],
    ["a ConfigMap that only the UI reads", "theme: dark", "theme: light"],
    ["a Secret", "hunter2", "hunter3"],
  ];
  for (const [what, from, to] of irrelevant) {
    it(`stays the same with ${what}`, () => {
      expect(MANIFEST).to.contain(from);
      expect(stamp(MANIFEST.replace(from, to))).to.equal(stamp());
    });
  }

  it("does not depend on the order in which the chart renders its objects", () => {
    expect(configStamp(objects().reverse(), stable, rules)).to.equal(stamp());
  });

  it("ignores fields that differ from one rendering to the next, in the installed manifest too", () => {
    const again = MANIFEST.replace("timeout: 1s", "timeout: 7s");
    const unstable = findUnstable(objects(), objects(again), rules.namespace);
    expect(configStamp(objects(), unstable, rules)).to.equal(configStamp(objects(again), unstable, rules));
  });

  it("takes in what restarts.inputs names", () => {
    const named = stampObjects(objects(), { ...rules, inputs: ["ConfigMap/ui-config"] });
    expect(named.map((object) => object.metadata.name)).to.include("ui-config");
    expect(stampObjects(objects(), rules).map((object) => object.metadata.name)).not.to.include("ui-config");
  });
});
