import { again, configMap, deployment, join, type Shape } from "./shape";

const inNamespace = (name: string, namespace: string, data: string) =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n  namespace: ${namespace}\ndata: {${data}}\n`;

const clusterRole = (name: string, resource: string, metadata = "") => `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "${name}-{{ .Release.Namespace }}"${metadata}}
rules: [{apiGroups: [""], resources: [${resource}], verbs: [get]}]
`;

/** Objects of other kinds with nothing where something may be. */
const others = (value: string) =>
  join(
    `apiVersion: v1\nkind: Secret\nmetadata: {name: null-secret}\ntype: \ndata: \nstringData: {a: ${value}}\n`,
    `apiVersion: v1\nkind: Secret\nmetadata: {name: null-key}\ndata: {none: }\nstringData: {a: ${value}}\n`,
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: null-key}\ndata: {none: , a: ${value}}\nbinaryData: \n`,
    `apiVersion: v1\nkind: Service\nmetadata: {name: null-service}\nspec: {type: , clusterIP: , selector: {a: ${value}}, ports: [{port: 80, targetPort: , nodePort: }], externalIPs: }\n`,
    `apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: null-account, labels: {a: ${value}}}\nimagePullSecrets: \nsecrets: \n`,
    `apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: null-role, labels: {a: ${value}}}\nrules: \n`,
    `apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: null-budget}\nspec: {minAvailable: , maxUnavailable: 1, selector: {matchLabels: {a: ${value}}, matchExpressions: }}\n`,
    `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: null-policy}\nspec: {podSelector: {matchLabels: {a: ${value}}}, ingress: [{from: , ports: }], egress: }\n`,
  );

const MONITORING = "{containerPort: 7472, name: m}";
const MORE = "{containerPort: 1, name: more}";
const BOTH = "{containerPort: 7946, name: tcp, protocol: TCP}, {containerPort: 7946, name: udp, protocol: UDP}";
const LISTED = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "listed-once" } };
const twoTimes = (event: string, data: string) =>
  configMap("two-times", `a: ${data}`, `, annotations: {helm.sh/hook: ${event}}`);

/** What charts render where a value is not set, and what the API machinery takes all the same. */
export const loose: Shape[] = [
  {
    name: "annotations and labels without a value, in a new object",
    after: join(
      configMap("null-new", "a: b", ", annotations: {none: , one: '1'}, labels: {none: }"),
      deployment("null-new", { template: ", annotations: {none: }" }),
    ),
  },
  {
    name: "an annotation that loses its value",
    before: configMap("null-after", "a: b", ", annotations: {gone: text, stays: text}"),
    after: configMap("null-after", "a: c", ", annotations: {gone: , stays: text}"),
  },
  {
    name: "an annotation that gets a value",
    before: configMap("null-before", "a: b", ", annotations: {comes: }"),
    after: configMap("null-before", "a: c", ", annotations: {comes: text}"),
  },
  again(
    "a label and an annotation that never had a value",
    configMap("null-ever", "a: b", ", annotations: {none: }"),
    {},
  ),
  {
    name: "a pod template whose annotation loses its value",
    before: deployment("null-template", { template: ", annotations: {gone: text}" }),
    after: deployment("null-template", { template: ", annotations: {gone: }" }),
  },
  {
    name: "null wherever a Deployment may have it",
    before: deployment("null-fields"),
    after: deployment("null-fields", {
      spec: "replicas: \n  strategy: \n  minReadySeconds: ",
      template: ", annotations: ",
      container:
        "image: registry.example/main:2, command: , args: , env: , envFrom: , ports: , resources: , volumeMounts: , " +
        "livenessProbe: , securityContext: }], initContainers: , volumes: , imagePullSecrets: , nodeSelector: , " +
        "affinity: , tolerations: , securityContext: , serviceAccountName: , x: [{",
    }).replace(", x: [{}]}", "}"),
  },
  {
    name: "null wherever other kinds may have it",
    before: others("a"),
    after: others("b"),
  },
  {
    name: "fields that become null",
    before: deployment("to-null", {
      spec: "replicas: 1\n  minReadySeconds: 1\n  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}",
      container: "image: registry.example/main:1, env: [{name: a, value: b}], command: [run]",
    }),
    after: deployment("to-null", {
      spec: "replicas: 1\n  minReadySeconds: \n  strategy: ",
      container: "image: registry.example/main:1, env: , command: ",
    }),
  },
  {
    name: "an empty namespace, and none",
    before: join(inNamespace("ns-empty", '"{{ .Values.nowhere }}"', "a: b"), inNamespace("ns-none", "", "a: b")),
    after: join(inNamespace("ns-empty", "", "a: c"), inNamespace("ns-none", '"{{ .Values.nowhere }}"', "a: c")),
  },
  { name: "an empty namespace of a new object", after: inNamespace("ns-new", '""', "a: b") },
  {
    name: "a namespace that ends, of an object that has none",
    before: clusterRole("ns-ends", "pods", ", namespace: other"),
    after: clusterRole("ns-ends", "services"),
  },
  {
    name: "another namespace, of an object that has none",
    before: clusterRole("ns-changes", "pods", ", namespace: other"),
    after: clusterRole("ns-changes", "pods", ", namespace: another"),
  },
  {
    name: "a list whose items do not say their kind",
    before: "apiVersion: v1\nkind: ConfigMapList\nitems:\n- {metadata: {name: listed}, data: {a: b}}\n",
    after:
      "apiVersion: v1\nkind: ConfigMapList\nitems:\n- {metadata: {name: listed}, data: {a: c}}\n- {metadata: {name: listed-too}, data: {a: b}}\n",
  },
  {
    name: "a port that changes, and others that come and go, beside two of one number",
    before: deployment("same-number", { container: `image: a:1, ports: [${MONITORING}, ${BOTH}]` }),
    after: deployment("same-number", {
      container: `image: a:1, ports: [{containerPort: 9120, name: m}, ${BOTH}, ${MORE}]`,
    }),
  },
  {
    name: "a list that becomes empty",
    before: `apiVersion: v1\nkind: List\nitems:\n- ${JSON.stringify(LISTED)}\n`,
    after: "apiVersion: v1\nkind: List\nitems: []\n",
  },
  {
    name: "an object that is rendered twice: each is merged into what the one before made",
    before: configMap("two-forms", "a: b, gone: b, kept: b"),
    after: join(configMap("two-forms", "a: c, first: b, kept: b"), configMap("two-forms", "a: d, second: b")),
  },
  {
    name: "a new object that is rendered twice",
    after: join(configMap("new-forms", "a: b, first: b"), configMap("new-forms", "a: c, second: b")),
  },
  {
    name: "two hooks of one name, one before and one after",
    after: join(twoTimes("pre-upgrade", "before"), twoTimes("post-upgrade", "after")),
  },
  {
    name: "a file that is too large for helm, and that .helmignore names",
    before: configMap("ignored", "a: b"),
    after: configMap("ignored", "a: c"),
    files: { ".helmignore": "large/\n", "large/file.bin": "large".repeat(1_100_000) },
  },
];
