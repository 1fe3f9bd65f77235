import { configMap, deployment, join, type Shape } from "./shape";

/** Texts that YAML readers disagree about. */
export const yaml: Shape[] = [
  {
    name: "a key twice in a map",
    before: configMap("twice", "a: b"),
    after: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\ndata:\n  a: first\n  a: last\n",
  },
  {
    name: "a key twice in the installed revision",
    before: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: was-twice}\ndata:\n  a: first\n  a: last\n",
    after: configMap("was-twice", "a: once"),
  },
  {
    name: "yes, octal numbers and dates as text",
    before: configMap("words", "a: 'b'"),
    after: configMap("words", "a: 'yes', mode: '0755', on: '2024-01-01', tag: '12e4567', sixty: '1:30'"),
  },
  {
    name: "a mode in octal",
    before: deployment("mode"),
    after: deployment("mode", {
      container:
        "image: registry.example/main:1, volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, configMap: {name: twice, defaultMode: 0440}",
    }),
  },
  {
    name: "three dashes inside a text",
    before: configMap("dashes", "a: b"),
    after: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: dashes}\ndata:\n  text: |\n    one\n    ---\n    two\n",
  },
  {
    name: "empty documents and comments",
    before: configMap("commented", "a: b"),
    after: join("# nothing here\n", configMap("commented", "a: c"), "\n", "# nor here\n"),
  },
  {
    name: "anchors and merge keys",
    before: configMap("anchors", "a: b"),
    after:
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: anchors, labels: &l {a: b}, annotations: *l}\ndata: {a: b}\n",
  },
  {
    name: "a long text, folded",
    before: configMap("folded", "a: b"),
    after:
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: folded}\ndata:\n  a: >-\n    one\n    two\n  b: |+\n    kept\n\n",
  },
  {
    name: "large numbers",
    before: deployment("numbers"),
    after: deployment("numbers", {
      container: "image: registry.example/main:1, securityContext: {runAsUser: 1000650000}",
    }),
  },
];
