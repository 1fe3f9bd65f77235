import { crdText } from "../../../fixtures/crd-text";
import { again, configMap, deployment, join, type Shape } from "./shape";

const job = (name: string, image: string) => `apiVersion: batch/v1
kind: Job
metadata: {name: ${name}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: ${image}}]}}}
`;

/** What a chart renders depends on the release and the cluster. */
export const rendering: Shape[] = [
  again("a Job with the revision in its name", job("migrate-{{ .Release.Revision }}", "a:1")),
  again(
    "the revision in a label, in data and in a pod template",
    join(
      configMap("rev", 'n: "{{ .Release.Revision }}"', ', labels: {rev: "{{ .Release.Revision }}"}'),
      deployment("rev", { template: ', annotations: {rev: "{{ .Release.Revision }}"}' }),
    ),
  ),
  again(
    "a claim and a Secret only where they are not there yet",
    `{{ if not (lookup "v1" "Secret" .Release.Namespace "once") }}
apiVersion: v1
kind: Secret
metadata: {name: once}
stringData: {a: b}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: once}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
{{ end }}`,
  ),
  {
    name: "a password that is looked up and kept",
    before: 'apiVersion: v1\nkind: Secret\nmetadata: {name: kept}\nstringData: {password: "{{ randAlphaNum 12 }}"}\n',
    after: `{{ $old := lookup "v1" "Secret" .Release.Namespace "kept" }}
apiVersion: v1
kind: Secret
metadata: {name: kept}
data: {password: {{ if $old }}{{ $old.data.password }}{{ else }}{{ randAlphaNum 12 | b64enc }}{{ end }}}
`,
  },
  {
    name: "a value that comes from an object of somebody else",
    live: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: foreign, namespace: NS}\ndata: {region: eu}\n",
    before: configMap("looked-up", "region: none"),
    after: configMap("looked-up", 'region: {{ (lookup "v1" "ConfigMap" .Release.Namespace "foreign").data.region }}'),
  },
  {
    name: "an object of somebody else that the chart insists on",
    live: "apiVersion: v1\nkind: Secret\nmetadata: {name: insisted, namespace: NS}\nstringData: {a: b}\n",
    before: configMap("insists", "a: b"),
    after: `{{ if not (lookup "v1" "Secret" .Release.Namespace "insisted") }}{{ fail "create Secret insisted" }}{{ end }}
${configMap("insists", "a: c")}`,
  },
  {
    name: "a label of the namespace",
    before: configMap("ns-label", "a: b"),
    after: configMap("ns-label", 'a: {{ (lookup "v1" "Namespace" "" .Release.Namespace).metadata.name }}'),
  },
  {
    name: "how many objects of a kind there are",
    before: configMap("counted", "a: b"),
    after: configMap("counted", 'n: "{{ len (lookup "apps/v1" "DaemonSet" .Release.Namespace "").items }}"'),
  },
  {
    name: "only on an install, only on an upgrade",
    before: `{{ if .Release.IsInstall }}${configMap("installed-only", "a: b")}{{ end }}`,
    after: join(
      `{{ if .Release.IsInstall }}${configMap("installed-only", "a: b")}{{ end }}`,
      `{{ if .Release.IsUpgrade }}${configMap("upgraded-only", "a: b")}{{ end }}`,
    ),
  },
  {
    name: "a kind that the cluster serves, and one that it does not",
    before: configMap("serves", "a: b"),
    after: join(
      configMap("serves", 'pdb: "{{ .Capabilities.APIVersions.Has "policy/v1/PodDisruptionBudget" }}"'),
      configMap("serves-not", 'psp: "{{ .Capabilities.APIVersions.Has "policy/v1beta1/PodSecurityPolicy" }}"'),
    ),
  },
  {
    name: "a kind that this upgrade brings",
    before: configMap("brought", "a: b"),
    after: `{{ if .Capabilities.APIVersions.Has "shapes.example/v1/Gadget" }}
${configMap("only-with-gadgets", "a: b")}---
apiVersion: shapes.example/v1
kind: Gadget
metadata: {name: first-{{ .Release.Namespace }}}
spec: {size: 1}
{{ else }}${configMap("without-gadgets", "a: b")}{{ end }}`,
    files: {
      "crds/gadgets.yaml": crdText("Gadget", { group: "shapes.example" }),
    },
  },
  {
    name: "a file of the chart and a template of values",
    before: configMap("filed", "a: b"),
    after: configMap(
      "filed",
      'text: {{ .Files.Get "notes/text.txt" | quote }}, told: {{ tpl .Values.told . | quote }}',
    ),
    values: { told: "{{ .Release.Name }} as told" },
    files: { "notes/text.txt": "from a file\n" },
  },
];
