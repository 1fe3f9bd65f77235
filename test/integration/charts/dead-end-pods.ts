import { expect } from "chai";
import { type Case, hook, template } from "./dead-end-cases";
import { configMap, deployment, join } from "./shapes/shape";

const WAITED = /timed out|deadline exceeded|not ready/;
const withMemory = (size: string) =>
  `image: registry.example/main:1, resources: {limits: {memory: ${size}}, requests: {memory: ${size}}}`;
const RESTRICTED =
  "image: registry.example/main:1, securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, " +
  "capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}";
const statefulSet = (name: string, image: string, annotation: string) => `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ${name}}
spec:
  serviceName: ${name}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}, annotations: {${annotation}}}
    spec: {containers: [{name: main, image: "${image}"}]}
`;
/** Policy engines ask for an owner, so that nobody runs pods by hand. */
const OWNED_PODS = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: owned-pods}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  validations: [{expression: "has(object.metadata.ownerReferences)", message: bare pods are not allowed}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: owned-pods}
spec:
  policyName: owned-pods
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}}
`;

const SLOW =
  "replicas: 2\n  minReadySeconds: 30\n  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}";
const service = (name: string, selector: string) =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {selector: {${selector}}, ports: [{port: 80}]}\n`;
const labelled = (labels: string, annotations: string) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web${labels}}, annotations: {${annotations}}}
    spec: {containers: [{name: main, image: registry.example/main:1}]}
`;

/** Pods that do not come, or do not go, although the API server takes their workloads. */
export const POD_CASES: readonly Case[] = [
  {
    name: "a quota that the new pod of a roll exceeds",
    live: "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: tight, namespace: NS}\nspec: {hard: {pods: '1'}}\n",
    before: template(deployment("rolls")),
    byHand: [
      ["wait", "--for=condition=Available", "deployment/rolls", "--timeout=30s"],
      ["wait", "--for=jsonpath={.status.used.pods}=1", "resourcequota/tight", "--timeout=60s"],
    ],
    after: template(deployment("rolls", { container: "image: registry.example/main:2" })),
    review: ({ warnings }) =>
      expect(warnings.join()).to.match(/refuses new pods of Deployment\/[^,]*rolls.*exceeded quota: tight/),
    helm: WAITED,
    helmWaits: true,
  },
  {
    name: "a new pod that is larger than a limit range allows, of a Deployment that the API server takes",
    live: "apiVersion: v1\nkind: LimitRange\nmetadata: {name: small, namespace: NS}\nspec: {limits: [{type: Container, max: {memory: 1Gi}}]}\n",
    before: template(deployment("grows", { container: withMemory("1Gi") })),
    after: template(deployment("grows", { container: withMemory("2Gi") })),
    review: ({ warnings }) =>
      expect(warnings.join()).to.match(/refuses new pods of Deployment\/[^,]*grows.*maximum memory usage/),
    helm: WAITED,
    helmWaits: true,
  },
  {
    name: "pods that Pod Security refuses, of a new Deployment; those that a policy wants to have an owner come",
    live: join(
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS, labels: {pod-security.kubernetes.io/enforce: restricted}}\n",
      OWNED_PODS,
    ),
    before: template(configMap("a", "a: b")),
    after: {
      "templates/a.yaml": deployment("free"),
      "templates/b.yaml": deployment("obeys", { container: RESTRICTED }),
    },
    review: ({ warnings }) => {
      expect(warnings.join()).to.match(/refuses new pods of Deployment\/[^,]*free.*violates PodSecurity "restricted/);
      expect(warnings.join()).not.to.contain("obeys");
    },
    helm: WAITED,
    helmWaits: true,
  },
  {
    name: "a hook whose pod Pod Security refuses, although it takes its Job",
    live: "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS, labels: {pod-security.kubernetes.io/enforce: restricted}}\n",
    before: template(configMap("a", "a: b")),
    after: { "templates/h.yaml": hook("Job", "before-hook-creation") },
    review: ({ warnings }) =>
      expect(warnings.join()).to.match(/refuses new pods of hook Job h, .*violates PodSecurity "restricted/),
    helm: WAITED,
    helmWaits: true,
  },
  {
    name: "a hook that needs an account which comes after it",
    before: template(configMap("a", "a: b")),
    after: {
      "templates/a.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: early}\n",
      "templates/h.yaml": hook("Job", "before-hook-creation").replace(
        "spec: {restart",
        "spec: {serviceAccountName: early, restart",
      ),
    },
    review: ({ warnings }) =>
      expect(warnings.join()).to.match(
        /hook Job h runs before .* needs ServiceAccount [^ ]*early, which comes with them/,
      ),
    helm: /timed out|BackoffLimitExceeded|deadline/,
    helmWaits: true,
  },
  {
    name: "a StatefulSet with a pod that is not ready, which its controller does not replace",
    before: template(
      statefulSet("broken", "registry.example/main:1", "sandbox.casa-upgrade.dev/behavior: never-ready"),
    ),
    byHand: [["wait", "--for=jsonpath={.status.replicas}=1", "statefulset/broken", "--timeout=30s"]],
    after: template(statefulSet("broken", "registry.example/main:2", "mended: yes-it-is")),
    review: ({ warnings }) => expect(warnings.join()).to.match(/1 of 1 pods of StatefulSet\/[^ ]*broken not ready/),
    helm: WAITED,
    helmWaits: true,
  },
  {
    name: "pods that need a claim, a Secret and a key that are not there; what hooks and others make is no matter",
    live: "apiVersion: v1\nkind: Secret\nmetadata: {name: there, namespace: NS}\nstringData: {a: b}\n",
    before: template(join(configMap("cm", "a: b"), deployment("needs"))),
    after: {
      "templates/a.yaml": join(
        configMap("cm", "a: b"),
        deployment("needs", {
          container:
            "image: registry.example/main:1, envFrom: [{secretRef: {name: nowhere}}, {secretRef: {name: there}}, " +
            "{secretRef: {name: by-hook}}, {secretRef: {name: maybe, optional: true}}], env: [" +
            "{name: A, valueFrom: {configMapKeyRef: {name: cm, key: b}}}, {name: B, valueFrom: {secretKeyRef: {name: there, key: c}}}]",
          pod: "volumes: [{name: v, persistentVolumeClaim: {claimName: none}}], ",
        }),
      ),
      "templates/h.yaml": hook("Job", "before-hook-creation").replace(
        "image: a}",
        "image: a, args: [--secret=by-hook]}",
      ),
    },
    review: ({ warnings }) => {
      const told = warnings.filter((one) => one.startsWith("new pods of Deployment")).sort();
      expect(told.map((one) => /need (.*): they would/.exec(one)?.[1]?.replace(/ends-\d+/, "NS"))).to.deep.equal([
        "ConfigMap NS/cm, which has no key b",
        "PersistentVolumeClaim NS/none, which does not exist",
        "Secret NS/nowhere, which does not exist",
        "Secret NS/there, which has no key c",
      ]);
    },
    helm: WAITED,
    helmWaits: true,
  },
  {
    name: "pods with an account that neither the chart nor anybody else makes",
    before: template(deployment("owned")),
    after: template(deployment("owned", { pod: "serviceAccountName: nobody, " })),
    review: ({ warnings }) =>
      expect(warnings.join()).to.match(/refuses new pods of Deployment\/[^,]*owned.*serviceaccount "nobody" not found/),
    helm: WAITED,
    helmWaits: true,
  },
  {
    name: "an account and a ConfigMap that go although pods need them: helm is content, and the next pod does not come",
    before: template(
      join(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: leaves}\n",
        configMap("leaves", "a: b"),
        deployment("stays", {
          container: "image: registry.example/main:1, envFrom: [{configMapRef: {name: leaves}}]",
          pod: "serviceAccountName: leaves, ",
        }),
      ),
    ),
    after: template(
      deployment("stays", {
        container: "image: registry.example/main:1, envFrom: [{configMapRef: {name: leaves}}]",
        pod: "serviceAccountName: leaves, ",
      }),
    ),
    review: ({ warnings }) => {
      const told = warnings.filter((one) => one.includes("which this upgrade deletes"));
      expect(told.map((one) => /need (\w+)/.exec(one)?.[1]).sort()).to.deep.equal(["ConfigMap", "ServiceAccount"]);
    },
    helm: "succeeds",
  },
  {
    name: "Services that take another selector at once, while the pods that it finds are not ready; the strategy keeps old ones",
    before: template(join(service("moves", "app: web"), service("stays", "app: web"), labelled("", "a: b"))),
    byHand: [["wait", "--for=condition=Available", "deployment/web", "--timeout=30s"]],
    after: template(
      join(
        service("moves", "app: web, tier: new"),
        service("stays", "app: web"),
        labelled(", tier: new", "sandbox.casa-upgrade.dev/behavior: never-ready"),
      ),
    ),
    review: ({ rolls }) => {
      expect(rolls.map(({ downtime }) => downtime.expected)).to.deep.equal(["until-ready"]);
      expect(rolls[0]?.downtime.why).to.match(/^Service \S+moves selects none of the pods that run/);
    },
    helm: "succeeds",
    seen: {
      args: [
        ...["get", "endpointslices", "--sort-by={.metadata.name}", "--output"],
        'jsonpath={range .items[*]}{.metadata.labels.kubernetes\\.io/service-name}{":"}{.endpoints[*].conditions.ready}{" "}{end}',
      ],
      text: /^moves:false stays:(?:true false|false true) $/,
    },
  },
  {
    name: "Jobs in a namespace with an injector, whose container does not end with theirs",
    live: "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS, labels: {casa.io/injection: enabled}}\n",
    before: template(configMap("a", "a: b")),
    after: template(
      join(
        hook("Job", "before-hook-creation"),
        hook("Job", "before-hook-creation", "name: ends").replace("image: a}", "image: a, args: [scuttle, run]}"),
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}\n",
      ),
    ),
    review: ({ warnings }) => {
      const told = warnings.filter((one) => one.includes("get container casa-proxy from an injector"));
      expect(told.map((one) => /^pods of (.*?) get/.exec(one)?.[1]).sort()).to.deep.equal(["Job once", "hook Job h"]);
    },
  },
  {
    name: "pods that must be ready for longer than helm waits for all of them",
    before: template(deployment("slow", { spec: SLOW })),
    after: template(deployment("slow", { spec: SLOW, container: "image: registry.example/main:2" })),
    config: { timeouts: { release: 20 } },
    review: ({ warnings }) =>
      expect(warnings.join()).to.match(
        /helm would give up on Deployment\/\S*slow \(about 6\d s\).*timeouts.release \(20 s\)/,
      ),
    helm: WAITED,
    helmWaits: true,
  },
  {
    name: "a Deployment that is not available, and that the upgrade does not mend",
    before: template(
      join(
        configMap("a", "a: b"),
        deployment("ill", { template: ", annotations: {sandbox.casa-upgrade.dev/behavior: never-ready}" }),
      ),
    ),
    byHand: [["wait", "--for=jsonpath={.status.unavailableReplicas}=1", "deployment/ill", "--timeout=30s"]],
    after: template(
      join(
        configMap("a", "a: c"),
        deployment("ill", { template: ", annotations: {sandbox.casa-upgrade.dev/behavior: never-ready}" }),
      ),
    ),
    review: ({ warnings }) =>
      expect(warnings.join()).to.match(
        /Deployment\/\S*ill is not available now .*this upgrade does not replace its pods/,
      ),
    helm: WAITED,
    helmWaits: true,
  },
  {
    name: "pods that ask for a node which is not there, beside others that find one",
    before: template(deployment("asks")),
    after: template(
      join(
        deployment("asks", { pod: "nodeSelector: {disk: fast}, " }),
        deployment("finds", { pod: "nodeSelector: {kubernetes.io/os: linux}, " }),
      ),
    ),
    review: ({ warnings }) => {
      const told = warnings.filter((one) => one.includes("ask for a node"));
      expect(told).to.have.length(1);
      expect(told[0]).to.match(
        /Deployment\/\S*asks ask for a node with disk=fast, .*kubectl label node <node> disk=fast/,
      );
    },
    helm: WAITED,
    helmWaits: true,
  },
];
