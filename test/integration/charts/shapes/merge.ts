import { configMap, deployment, join, type Shape } from "./shape";

const service = (ports: string) => `apiVersion: v1
kind: Service
metadata: {name: svc}
spec: {selector: {app: svc}, ports: [${ports}]}
`;
const autoscaled = (min: number) => `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: scaled}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: scaled}, minReplicas: ${min}, maxReplicas: 5, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]}
`;

const statefulSet = (name: string, replicas: number) => `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ${name}}
spec:
  serviceName: none
  replicas: ${replicas}
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: main, image: registry.example/main:1, volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
`;

const aggregated = (metadata: string) => `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "{{ .Release.Namespace }}-aggregated"${metadata}}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}]}
rules: []
`;

/** What helm makes of the live object. */
export const merge: Shape[] = [
  { name: "a field that changes", before: configMap("field", "a: b"), after: configMap("field", "a: c") },
  { name: "a field that goes", before: configMap("field-goes", "a: b, c: d"), after: configMap("field-goes", "a: b") },
  { name: "an object that comes", after: configMap("comes", "a: b") },
  { name: "an object that goes", before: configMap("goes", "a: b") },
  {
    name: "an object that goes and is to be kept",
    before: configMap("to-keep", "a: b", ", annotations: {helm.sh/resource-policy: keep}"),
  },
  {
    name: "an object that was deleted by hand",
    before: configMap("deleted", "a: b"),
    after: configMap("deleted", "a: b"),
    byHand: ["delete", "configmap", "deleted"],
  },
  {
    name: "a field that was set by hand",
    before: configMap("by-hand", "a: b"),
    after: configMap("by-hand", "a: b, n: m"),
    byHand: ["patch", "configmap", "by-hand", "-p", '{"data":{"a":"x","extra":"y"}}'],
  },
  {
    name: "replicas that leave the chart",
    before: deployment("leaves", { spec: "replicas: 3" }),
    after: deployment("leaves", { spec: "revisionHistoryLimit: 5" }),
  },
  {
    name: "replicas that an autoscaler holds",
    before: join(deployment("scaled", { spec: "replicas: 1" }), autoscaled(1)),
    after: join(
      deployment("scaled", { spec: "replicas: 1, revisionHistoryLimit: 4".replace(", ", "\n  ") }),
      autoscaled(1),
    ),
    byHand: ["scale", "deployment", "scaled", "--replicas=3"],
  },
  {
    name: "an environment variable that goes, one by hand",
    before: deployment("envs", { container: "image: a:1, env: [{name: A, value: b}, {name: C, value: d}]" }),
    after: deployment("envs", { container: "image: a:1, env: [{name: A, value: b}]" }),
    byHand: ["set", "env", "deployment/envs", "HAND=1"],
  },
  {
    name: "empty maps and lists where nothing was",
    before: deployment("empty"),
    after: deployment("empty", {
      container: "image: registry.example/main:1, env: [], resources: {}, securityContext: {}, volumeMounts: []",
      template: ", annotations: {}",
    }),
  },
  {
    name: "empty maps that go",
    before: deployment("empty-goes", {
      container: "image: registry.example/main:1, resources: {}, securityContext: {}",
      spec: "replicas: 1\n  strategy: {}",
    }),
    after: deployment("empty-goes"),
  },
  {
    name: "null values",
    before: deployment("nulls"),
    after: deployment("nulls", {
      spec: "replicas: 1\n  minReadySeconds: null",
      container: "image: registry.example/main:1, env: null",
    }),
  },
  {
    name: "quantities written otherwise",
    before: deployment("quantities", { container: 'image: a:1, resources: {limits: {cpu: "1", memory: 1Gi}}' }),
    after: deployment("quantities", { container: "image: a:1, resources: {limits: {cpu: 1000m, memory: 1024Mi}}" }),
  },
  {
    name: "a service with another port",
    before: service("{name: a, port: 80}"),
    after: service("{name: a, port: 80}, {name: b, port: 81}"),
  },
  {
    name: "a Secret in clear and encoded",
    before: "apiVersion: v1\nkind: Secret\nmetadata: {name: enc}\nstringData: {a: b}\n",
    after: "apiVersion: v1\nkind: Secret\nmetadata: {name: enc}\ndata: {a: Yg==, c: ZA==}\n",
  },
  {
    name: "a Secret in clear that loses a key: the API server keeps it",
    before: "apiVersion: v1\nkind: Secret\nmetadata: {name: clear}\nstringData: {a: b, c: d}\n",
    after: "apiVersion: v1\nkind: Secret\nmetadata: {name: clear}\nstringData: {a: b}\n",
  },
  {
    name: "a Secret that says a key twice, in clear and encoded",
    before: "apiVersion: v1\nkind: Secret\nmetadata: {name: twice}\nstringData: {a: b}\n",
    after: "apiVersion: v1\nkind: Secret\nmetadata: {name: twice}\nstringData: {a: new}\ndata: {a: b2xk}\n",
  },
  {
    name: "a volume, a probe, a variable and a strategy of another kind",
    before: deployment("kinds", {
      spec: "strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}",
      container: "image: a:1, env: [{name: A, value: b}], livenessProbe: {httpGet: {port: 80}}",
      pod: "volumes: [{name: v, emptyDir: {}}], ",
    }),
    after: deployment("kinds", {
      spec: "strategy: {type: Recreate}",
      container:
        "image: a:1, env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}], livenessProbe: {tcpSocket: {port: 80}}",
      pod: "volumes: [{name: v, configMap: {name: x}}], ",
    }),
  },
  {
    name: "directives of a strategic patch in a template",
    before: deployment("directives", { container: "image: a:1, env: [{name: A, value: b}]" }),
    after: deployment("directives", {
      container: "image: a:1, env: [{name: A, value: b}, {$patch: delete, name: Z}]",
    }),
  },
  {
    name: "a ClusterRole whose rules the control plane fills",
    before: aggregated(""),
    after: aggregated(", labels: {a: b}"),
  },
  {
    name: "another API version of the same kind",
    before:
      "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: api}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}, maxReplicas: 2}\n",
    after:
      "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: api}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}, maxReplicas: 3}\n",
  },
  {
    name: "a List",
    before: `apiVersion: v1\nkind: List\nitems:\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: in-list}, data: {a: b}}\n`,
    after: `apiVersion: v1\nkind: List\nitems:\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: in-list}, data: {a: c}}\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: in-list-too}}\n`,
  },
  {
    name: "an object that moves to another namespace",
    before: configMap("moves", "a: b"),
    after: configMap("moves", "a: b", ", namespace: '{{ .Release.Namespace }}-other'"),
    live: "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS-other}\n",
  },
  {
    name: "cluster-wide objects",
    before:
      'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: "{{ .Release.Namespace }}-role"}\nrules: [{apiGroups: [""], resources: [pods], verbs: [get]}]\n',
    after:
      'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: "{{ .Release.Namespace }}-role"}\nrules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]\n',
  },
  {
    name: "a role binding, a policy, a CronJob, a ServiceAccount",
    before: join(
      "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: sa}\nimagePullSecrets: [{name: a}]\n",
      "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: pdb}\nspec: {minAvailable: 1, selector: {matchLabels: {a: b}}}\n",
      "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: cron}\nspec: {schedule: '0 1 * * *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}\n",
    ),
    after: join(
      "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: sa}\nimagePullSecrets: [{name: b}]\n",
      "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: pdb}\nspec: {maxUnavailable: 1, selector: {matchLabels: {a: b}}}\n",
      "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: cron}\nspec: {schedule: '0 2 * * *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}\n",
    ),
  },
  {
    name: "a custom resource with a list",
    before:
      "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: ef}\nspec: {configPatches: [{a: 1}, {b: 2}], priority: 1}\n",
    after:
      "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: ef}\nspec: {configPatches: [{a: 1}, {b: 3}]}\n",
  },
  {
    name: "a StatefulSet that grows, and one that comes: the claims that they make",
    before: statefulSet("grows", 1),
    after: join(statefulSet("grows", 3), statefulSet("new-set", 2)),
  },
];
