import { crdText } from "../../../fixtures/crd-text";
import { configMap, join, type Shape } from "./shape";

const hook = (events: string, policy?: string, name = "h", data = "a: b") =>
  configMap(
    name,
    data,
    `, annotations: {helm.sh/hook: "${events}"${policy ? `, helm.sh/hook-delete-policy: "${policy}"` : ""}}`,
  );

/** A hook that is a custom resource, and goes once it is there. */
const hookOf = (kind: string, group: string) => `apiVersion: "${group}/v1"
kind: ${kind}
metadata: {name: hook-of-${kind.toLowerCase()}, annotations: {helm.sh/hook: post-upgrade, helm.sh/hook-delete-policy: hook-succeeded}}
`;

/** Objects of hooks, and what becomes of them. */
export const hooks: Shape[] = [
  {
    name: "a hook that stays, replaced by the next one",
    before: hook("pre-install,pre-upgrade", undefined, "stays"),
    after: hook("pre-install,pre-upgrade", undefined, "stays", "a: c"),
  },
  { name: "a hook that goes once it is done", after: hook("pre-upgrade", "hook-succeeded", "hook-goes") },
  {
    name: "a hook that is replaced and goes",
    after: hook("post-upgrade", "before-hook-creation,hook-succeeded", "replaced-and-goes"),
  },
  {
    name: "a hook of an install only",
    before: hook("pre-install", undefined, "install-only"),
    after: hook("pre-install", undefined, "install-only", "a: c"),
  },
  {
    name: "a hook of a rollback, of a deletion, of a test",
    after: join(
      hook("pre-rollback", undefined, "on-rollback"),
      hook("pre-delete", undefined, "on-delete"),
      hook("test", undefined, "on-test"),
    ),
  },
  {
    name: "a template that becomes a hook",
    before: configMap("to-hook", "a: b"),
    after: hook("pre-upgrade", undefined, "to-hook", "a: c"),
  },
  { name: "a hook that is no longer in the chart", before: hook("pre-install", undefined, "forgotten") },
  {
    name: "a hook with the revision in its name",
    after: hook("pre-upgrade", undefined, "hook-{{ .Release.Revision }}"),
  },
  {
    name: "a List as a hook",
    after:
      "apiVersion: v1\nkind: List\nmetadata: {annotations: {helm.sh/hook: pre-upgrade}}\nitems:\n" +
      "  - {apiVersion: v1, kind: ConfigMap, metadata: {name: listed-in-hook}}\n",
  },
  {
    name: "a claim as a hook",
    before: `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: hooked, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
`,
    after: `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: hooked, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
`,
  },
  {
    name: "a hook of a kind that crds/ bring, and one of a kind that the templates bring",
    after: join(hookOf("Hooked", "shapes.example"), hookOf("Late", "{{ .Release.Namespace }}.example")),
    files: {
      "crds/hooked.yaml": crdText("Hooked", { group: "shapes.example" }),
      "templates/late-crd.yaml": crdText("Late", { group: "{{ .Release.Namespace }}.example" }),
    },
  },
  {
    name: "a template that becomes a hook that runs after",
    before: configMap("to-late-hook", "a: b"),
    after: hook("post-upgrade", undefined, "to-late-hook", "a: c"),
  },
];
