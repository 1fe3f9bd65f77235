import { expect } from "chai";
import type { Review } from "../../../review/report/schema";
import { crdText } from "../../fixtures/crd-text";
import { configMap, deployment, join } from "./shapes/shape";

/** Files of a chart by path. */
export type Files = Readonly<Record<string, string>>;

/** One upgrade that cannot work, or loses data, or nearly. */
export interface Case {
  readonly name: string;
  /** Files of the installed chart; undefined: it is not installed. */
  readonly before?: Files;
  readonly after: Files;
  /** Objects of others, made before; `NS` is the namespace. */
  readonly live?: string;
  /** Arguments of kubectl, carried out after the install; `NS` alone is the namespace. */
  readonly byHand?: readonly (readonly string[])[];
  readonly values?: Record<string, unknown>;
  readonly config?: Record<string, unknown>;
  /** What the plan says; it is refused unless `review` looks at what it says. */
  readonly says?: readonly (string | RegExp)[];
  readonly review?: (review: Review) => void;
  /** What plain helm says when it is let; undefined: it is not asked. */
  readonly helm?: RegExp | "succeeds";
  /** What kubectl prints once plain helm is done. */
  readonly seen?: { readonly args: readonly string[]; readonly text: RegExp };
  /** Plain helm waits for the pods, for some seconds. */
  readonly helmWaits?: true;
}

const crd = (
  name: string,
  { names = "", versions = "v1", field = "size", more = "", meta = "", group = "ends.example" } = {},
) => crdText(name, { group, field, versions: versions.split(","), names, spec: more, metadata: meta });
export const template = (text: string): Files => ({ "templates/a.yaml": text });
export const hook = (kind: string, policy: string, metadata = "name: h") => `apiVersion: batch/v1
kind: ${kind}
metadata: {${metadata}, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: "${policy}"}}
spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}
`;
const owned = (labels: string, annotations: string) => `, labels: {${labels}}, annotations: {${annotations}}`;

export const CASES: readonly Case[] = [
  {
    name: "the installed revision has an object of a kind that is not served any more",
    before: {
      "crds/a.yaml": crd("Gone"),
      ...template("apiVersion: ends.example/v1\nkind: Gone\nmetadata: {name: g}\n"),
    },
    byHand: [["delete", "crd", "gones.ends.example"]],
    after: template(configMap("a", "a: b")),
    says: ["it cannot read the objects of the installed revision", "Gone", "mapkubeapis", "Fix:"],
    helm: /unable to build kubernetes objects from current release manifest/,
  },
  {
    name: "the CRDs of this upgrade no longer serve the version that the installed revision uses",
    before: {
      "crds/a.yaml": crd("Old", { versions: "v1,v1alpha1" }),
      ...template("apiVersion: ends.example/v1alpha1\nkind: Old\nmetadata: {name: g}\n"),
    },
    after: { "crds/a.yaml": crd("Old"), ...template("apiVersion: ends.example/v1\nkind: Old\nmetadata: {name: g}\n") },
    says: ["it cannot read the objects of the installed revision", "v1alpha1", "Fix:"],
  },
  {
    name: "a CRD that is a hook, and exists",
    before: { "templates/h.yaml": crd("Hooked", { meta: ", annotations: {helm.sh/hook: pre-install}" }) },
    after: { "templates/h.yaml": crd("Hooked", { meta: ", annotations: {helm.sh/hook: pre-upgrade}" }) },
    says: ["hookeds.ends.example", "helm never deletes a CRD of a hook"],
    helm: /already exists/,
  },
  {
    name: "a hook's Job that is left, and that helm may not replace",
    before: { "templates/h.yaml": configMap("h", "a: b", ", annotations: {helm.sh/hook: pre-install}") },
    after: {
      "templates/h.yaml": configMap(
        "h",
        "a: b",
        ", annotations: {helm.sh/hook: pre-upgrade, helm.sh/hook-delete-policy: hook-failed}",
      ),
    },
    says: ["an earlier run of this hook is still there", "hook-failed", "delete configmap h"],
    helm: /already exists/,
  },
  {
    name: "a hook that runs before and after, and that nothing deletes in between",
    before: template(configMap("a", "a: b")),
    after: template(
      configMap(
        "h",
        "a: b",
        ', annotations: {helm.sh/hook: "pre-upgrade,post-upgrade", helm.sh/hook-delete-policy: hook-failed}',
      ),
    ),
    says: ["runs before and after the upgrade", "hook-delete-policy: before-hook-creation"],
    helm: /post-upgrade hooks failed[^]*already exists/,
  },
  {
    name: "a namespace that a hook makes, for an object of the chart",
    before: template(configMap("a", "a: b")),
    after: template(
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: "{{ .Release.Namespace }}-made", annotations: {helm.sh/hook: pre-upgrade}}\n---\n' +
        configMap("in-there", "a: b", ", namespace: '{{ .Release.Namespace }}-made'"),
    ),
    review: ({ verdict, objects }) => {
      expect(verdict).to.equal("changes");
      expect(objects.find(({ name }) => name === "in-there")?.check.message).to.contain("created by this upgrade");
    },
    helm: "succeeds",
  },
  {
    name: "an object that is being deleted: helm changes it, and then it is gone",
    before: template(configMap("going", "a: b", ", finalizers: [example.com/x]")),
    byHand: [["delete", "configmap", "going", "--wait=false"]],
    after: template(configMap("going", "a: c", ", finalizers: [example.com/x]")),
    review: ({ warnings }) => {
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.match(
        /ConfigMap \S+\/going is being deleted since .*finalizers \(example.com\/x\).*wait --for=delete/,
      );
    },
    helm: "succeeds",
  },
  {
    name: "an object in a namespace that nobody made",
    before: template(configMap("a", "a: b")),
    after: template(configMap("a", "a: b", ", namespace: nowhere-at-all")),
    says: [/namespaces "nowhere-at-all" not found/, /kubectl --context \S+ create namespace nowhere-at-all/],
    helm: /namespaces "nowhere-at-all" not found/,
  },
  {
    name: "a namespace that is being deleted",
    before: template(configMap("stays", "a: b", ", finalizers: [example.com/x]")),
    byHand: [["delete", "namespace", "NS", "--wait=false"]],
    after: template(configMap("stays", "a: c", ", finalizers: [example.com/x]")),
    says: [/Namespace \S+: it is being deleted since/, "get namespace"],
    helm: /because it is being terminated/,
  },
  {
    name: "a hook with generateName",
    before: template(configMap("a", "a: b")),
    after: { "templates/h.yaml": hook("Job", "hook-succeeded", "generateName: h-") },
    says: ["generateName", "Fix:"],
    helm: /resource name may not be empty/,
  },
  {
    name: "a template with generateName",
    before: template(configMap("a", "a: b")),
    after: template("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n"),
    says: ["it has no name (generateName)", "Fix:"],
    helm: /resource name may not be empty/,
  },
  {
    name: "a new CRD whose short name another CRD of the group has",
    live: crd("Kept", { names: ", shortNames: [kk]" }),
    before: template(configMap("a", "a: b")),
    after: { "crds/a.yaml": crd("Clash", { names: ", shortNames: [kk]" }), ...template(configMap("a", "a: c")) },
    says: ["clashs.ends.example", 'has the name "kk" already', "kepts.ends.example"],
  },
  {
    name: "a record that is larger than a Secret may be",
    before: template(configMap("a", "a: b")),
    after: {
      ...template(configMap("a", "a: b")),
      ...Object.fromEntries([1, 2, 3, 4].map((i) => [`files/${i}.txt`, noise(600_000)])),
    },
    says: [/its record of the revision would have \d{7} bytes/, "Fix:"],
    helm: /Too long: may not be more than 1048576 bytes|must have at most 1048576/,
  },
  {
    name: "a CRD that Argo CD keeps",
    live: crd("Argo", { meta: owned("a: b", 'argocd.argoproj.io/tracking-id: "platform:x"') }),
    before: template(configMap("a", "a: b")),
    after: { "crds/a.yaml": crd("Argo", { field: "length" }), ...template(configMap("a", "a: c")) },
    says: ["argos.ends.example", "belongs to Argo CD application platform", "takeOverCrds"],
  },
  {
    name: "a CRD of another helm release, and the same when the config takes it over",
    live: crd("Other", {
      meta: owned(
        "app.kubernetes.io/managed-by: Helm",
        "meta.helm.sh/release-name: b, meta.helm.sh/release-namespace: c",
      ),
    }),
    before: template(configMap("a", "a: b")),
    after: { "crds/a.yaml": crd("Other", { field: "length" }), ...template(configMap("a", "a: c")) },
    config: { takeOverCrds: ["others.ends.example"] },
    review: ({ crds }) =>
      expect(crds.map(({ name, action }) => `${action} ${name}`)).to.include("update others.ends.example"),
  },
  {
    name: "a CRD that Flux keeps, and that this upgrade does not change",
    live: crd("Flux", {
      meta: owned("helm.toolkit.fluxcd.io/name: app, helm.toolkit.fluxcd.io/namespace: flux", "a: b"),
    }),
    before: template(configMap("a", "a: b")),
    after: { "crds/a.yaml": crd("Flux"), ...template(configMap("a", "a: c")) },
    review: ({ crds }) =>
      expect(crds.map(({ name, action }) => `${action} ${name}`)).to.include("unchanged fluxs.ends.example"),
  },
  {
    name: "a release whose record is lost",
    before: template(configMap("a", "a: b")),
    byHand: [["delete", "secret", "sh.helm.release.v1.ends.v1"]],
    after: template(configMap("a", "a: c")),
    config: { allowInstall: true },
    says: ["helm has no record of release", "ConfigMap", "belong to it", "Fix:"],
  },
  {
    name: "an install over what an uninstall was told to keep",
    live: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: NS, labels: {app.kubernetes.io/managed-by: Helm}, annotations: {helm.sh/resource-policy: keep, meta.helm.sh/release-name: ends, meta.helm.sh/release-namespace: NS}}\n",
    after: template(configMap("a", "a: c")),
    config: { allowInstall: true },
    review: ({ objects }) => expect(objects.map(({ name, action }) => `${action} ${name}`)).to.include("update a"),
    helm: "succeeds",
  },
  {
    name: "an image tag of digits only that was set as a number",
    before: template(configMap("a", "a: b")),
    after: template(deployment("d", { container: 'image: "a:{{ .Values.image.tag }}"' })),
    values: { image: { tag: 20240101 } },
    says: ['would run image "a:2.0240101e+07"', "values.image.tag", "--type string"],
    helm: "succeeds",
  },
  {
    name: "a Namespace of the chart that goes",
    before: template('apiVersion: v1\nkind: Namespace\nmetadata: {name: "{{ .Release.Namespace }}-extra"}\n'),
    after: template(configMap("a", "a: c")),
    review: ({ contents }) =>
      expect(contents?.map(({ kind, why }) => `${kind}: ${why}`).join()).to.match(/Namespace: .*everything in it/),
  },
  {
    name: "a Namespace that a hook makes anew",
    before: {
      "templates/h.yaml":
        'apiVersion: v1\nkind: Namespace\nmetadata: {name: "{{ .Release.Namespace }}-hook", annotations: {helm.sh/hook: pre-install}}\n',
    },
    after: {
      "templates/h.yaml":
        'apiVersion: v1\nkind: Namespace\nmetadata: {name: "{{ .Release.Namespace }}-hook", annotations: {helm.sh/hook: pre-upgrade}}\n',
    },
    review: ({ contents }) => expect(contents?.map(({ why }) => why).join()).to.contain("a helm hook makes it anew"),
  },
  {
    name: "a CRD among the templates that goes, with its objects",
    before: { "templates/c.yaml": crd("Going") },
    byHand: [
      ["wait", "--for=condition=Established", "crd/goings.ends.example"],
      ["apply", "-f", "FILE:apiVersion: ends.example/v1\nkind: Going\nmetadata: {name: one}\n"],
    ],
    after: template(configMap("a", "a: b")),
    review: ({ contents }) =>
      expect(contents?.map(({ kind, why }) => `${kind}: ${why}`).join()).to.match(
        /CustomResourceDefinition: .*its 1 Going objects/,
      ),
  },
  {
    name: "a CRD among the templates that goes, without any object: nothing is lost with it",
    before: { "templates/c.yaml": crd("Leaving") },
    byHand: [["wait", "--for=condition=Established", "crd/leavings.ends.example"]],
    after: template(configMap("a", "a: b")),
    review: ({ objects, contents }) => {
      expect(contents).to.deep.equal([]);
      const ofCrd = objects.filter(({ name }) => name === "leavings.ends.example");
      expect(ofCrd.map(({ action }) => action)).to.deep.equal(["delete"]);
    },
  },
  {
    name: "a CRD that moves from the templates to crds/: it is kept",
    before: { "templates/c.yaml": crd("Moving") },
    byHand: [["wait", "--for=condition=Established", "crd/movings.ends.example"]],
    after: { "crds/c.yaml": crd("Moving") },
    review: ({ objects, contents }) => {
      expect(contents).to.deep.equal([]);
      const ofCrd = objects.filter(({ name }) => name === "movings.ends.example");
      expect(ofCrd.map(({ action, writer }) => `${action} by ${writer}`)).to.have.members([
        "update by crds",
        "keep by helm",
      ]);
    },
  },
  {
    name: "a CRD that moves from crds/ to the templates: no word of deleting it, and the lines that hand it over",
    before: { "crds/c.yaml": crd("Mirror"), ...template(configMap("a", "a: b")) },
    after: { "templates/c.yaml": crd("Mirror") },
    says: ["mirrors.ends.example belongs to no helm release", "kubectl annotate", /^(?![\s\S]*kubectl delete crd)/],
    helm: /invalid ownership metadata/,
  },
  {
    name: "a CRD among the templates that loses a field which objects have",
    before: { "templates/c.yaml": crd("Losing") },
    byHand: [
      ["wait", "--for=condition=Established", "crd/losings.ends.example"],
      ["apply", "-f", "FILE:apiVersion: ends.example/v1\nkind: Losing\nmetadata: {name: one}\nspec: {size: 1}\n"],
    ],
    after: { "templates/c.yaml": crd("Losing", { field: "length" }) },
    review: ({ crds }) => {
      const found = crds.find(({ name }) => name === "losings.ends.example");
      expect(found?.customResources).to.include({ total: 1, pruned: 1 });
      expect(found?.findings.map(({ rule }) => rule)).to.include("existingFieldRemoval");
    },
  },
  {
    name: "a conversion webhook that an operator set on the live CRD",
    live: crd("Converted", {
      versions: "v1,v1alpha1",
      more: '  conversion: {strategy: Webhook, webhook: {conversionReviewVersions: [v1], clientConfig: {url: "https://127.0.0.1:1/x"}}}\n',
    }),
    before: template(configMap("a", "a: b")),
    after: { "crds/a.yaml": crd("Converted", { versions: "v1,v1alpha1" }), ...template(configMap("a", "a: c")) },
    review: ({ crds }) =>
      expect(crds.map(({ name, action }) => `${action} ${name}`)).to.include("unchanged converteds.ends.example"),
  },
  {
    name: "replicas that leave the chart, and others that an autoscaler holds",
    before: {
      "templates/a.yaml": deployment("leaves", { spec: "replicas: 6" }),
      "templates/b.yaml": deployment("held", { spec: "replicas: 1" }),
      "templates/h.yaml":
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: held}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: held}, minReplicas: 3, maxReplicas: 5}\n",
    },
    byHand: [["scale", "deployment", "held", "--replicas=3"]],
    after: {
      "templates/a.yaml": deployment("leaves", { spec: "revisionHistoryLimit: 3" }),
      "templates/b.yaml": deployment("held", { spec: "replicas: 1" }),
      "templates/h.yaml":
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: held}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: held}, minReplicas: 3, maxReplicas: 5}\n",
    },
    review: ({ objects, risks }) => {
      expect(risks[0]).to.include({ id: "replicas-unset", severity: "high" });
      const held = objects.find(({ name, kind }) => name === "held" && kind === "Deployment");
      expect(held?.fields.map(({ path, cause }) => `${path} ${cause}`)).to.deep.equal(["spec.replicas autoscaler"]);
    },
  },
  {
    name: "a claim that is bound with its first pod, and that nothing mounts",
    live: "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: late}\nprovisioner: example/none\nvolumeBindingMode: WaitForFirstConsumer\n",
    before: template(configMap("a", "a: b")),
    after: template(
      "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: idle}\nspec: {storageClassName: late, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}\n",
    ),
    review: ({ warnings }) =>
      expect(warnings.join()).to.contain("PersistentVolumeClaim idle is bound, which happens with its first pod"),
  },
  {
    name: "a load balancer without an address",
    before: template(
      "apiVersion: v1\nkind: Service\nmetadata: {name: lb}\nspec: {type: LoadBalancer, selector: {a: b}, ports: [{port: 80}]}\n",
    ),
    after: {
      ...template(
        "apiVersion: v1\nkind: Service\nmetadata: {name: lb}\nspec: {type: LoadBalancer, selector: {a: b}, ports: [{port: 80}]}\n",
      ),
      "templates/b.yaml": configMap("b", "a: b"),
    },
    review: ({ warnings }) => expect(warnings.join()).to.contain("Service lb has a load balancer's address"),
  },
  {
    name: "an install of a chart that renders an object twice",
    after: template(join(configMap("a", "a: c"), configMap("twice", "a: b"), configMap("twice", "a: c"))),
    config: { allowInstall: true },
    says: ["twice", "renders it twice", "Fix:"],
    helm: /configmaps "twice" already exists/,
  },
  {
    name: "a Secret that holds words of our own",
    before: template(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: update, b: ends, c: ConfigMap, d: changes, e: '2'}\n",
    ),
    after: template(
      `apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: update, b: ends, c: ConfigMap, d: changes, e: '2'}\n---\n${configMap("cm", "url: told")}`,
    ),
    review: (review) => {
      expect(review.verdict).to.equal("changes");
      expect(review.identity.release.name).to.equal("ends");
      expect(review.objects.map(({ action, kind, name }) => `${action} ${kind} ${name}`)).to.include(
        "create ConfigMap cm",
      );
    },
  },
  {
    name: "more API kinds than one argument holds",
    before: template(configMap("a", "a: b")),
    live: Array.from({ length: 25 }, (_, i) =>
      crd(`Many${"x".repeat(40)}${i}`, {
        group: `${"long.".repeat(22)}example`,
        versions: Array.from({ length: 20 }, (_v, v) => `v${v + 1}`).join(","),
      }),
    ).join("---\n"),
    after: template(configMap("a", "a: c")),
    review: ({ objects }) => expect(objects.map(({ name }) => name)).to.include("a"),
  },
];

/** Text that does not compress. */
function noise(length: number): string {
  let seed = 7;
  const next = () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648);
  return Array.from({ length }, () => String.fromCharCode(33 + ((next() >> 8) % 90))).join("");
}
