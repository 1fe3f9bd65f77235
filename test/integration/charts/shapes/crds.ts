import { crdText } from "../../../fixtures/crd-text";
import { configMap, type Shape } from "./shape";

/** Of a group of its own in each namespace where helm makes it, because two releases cannot share one. */
const templated = (kind: string, field?: string) => crd(kind, field, "{{ .Release.Namespace }}.example");

const crd = (kind: string, field?: string, group = "shapes.example") => crdText(kind, { group, field });

const sub = (name: string, files: Record<string, string>) =>
  Object.fromEntries(
    Object.entries({ "Chart.yaml": `apiVersion: v2\nname: ${name}\nversion: 1.0.0\n`, ...files }).map(
      ([path, text]) => [`charts/${name}/${path}`, text],
    ),
  );

/** Where charts keep their CRDs. Only the release that casa-upgrade upgrades has these. */
export const crds: Shape[] = [
  {
    name: "a CRD in a subchart",
    before: configMap("crd-sub", "a: b"),
    after: configMap("crd-sub", "a: c"),
    files: sub("inner", { "crds/inner.yaml": crd("Inner"), "templates/cm.yaml": configMap("inner", "a: b") }),
  },
  {
    name: "a CRD among the templates, in a folder named crds",
    files: { "templates/crds/templated.yaml": templated("Templated") },
  },
  {
    name: "a CRD among the templates that changes",
    filesBefore: { "templates/crds/changing.yaml": templated("Changing") },
    files: { "templates/crds/changing.yaml": templated("Changing", "length") },
  },
  {
    name: "a subchart named crds",
    filesBefore: sub("crds", { "templates/cm.yaml": configMap("of-crds", "a: b") }),
    files: sub("crds", { "templates/cm.yaml": configMap("of-crds", "a: c"), "crds/own.yaml": crd("Own") }),
  },
  {
    name: "comments that look like helm's, in a file of CRDs",
    before: configMap("crd-comments", "a: b"),
    after: configMap("crd-comments", "a: c"),
    files: {
      "crds/commented.yaml": `---\n# Source: https://example.com/a.yaml\n${crd("Commented")}---\n# Source: bundle/templates/b.yaml\n${crd("Commented2")}`,
    },
  },
  {
    name: "a CRD without a conversion",
    before: configMap("crd-null", "a: b"),
    after: configMap("crd-null", "a: c"),
    files: { "crds/null.yaml": crd("Nulled").replace("spec:\n", "spec:\n  conversion:\n") },
  },
  {
    name: "the same CRD in two charts of the package",
    files: { "crds/both.yaml": crd("Both"), ...sub("twin", { "crds/both.yaml": crd("Both") }) },
  },
  {
    name: "a subchart that is switched off",
    files: {
      ...sub("spare", { "crds/spare.yaml": crd("Spare"), "templates/cm.yaml": configMap("spare", "a: b") }),
    },
    values: { spare: { enabled: false } },
  },
];
