import { expect } from "chai";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parse, parseAllDocuments } from "yaml";
import { helm, HelmError } from "../../plan/helm";
import { dig, digList, type KubeObject, ManifestError, objectKey, parseManifest } from "../../plan/objects";
import { configStamp } from "../../plan/stamp";
import { findUnstable } from "../../plan/unstable";

const CHARTS = join(__dirname, "../fixtures/charts");
const VERSIONS = ["0.1.0", "0.2.0", "0.2.1", "0.3.0"] as const;
const MODES = ["istio", "cilium"] as const;
const COMPONENTS = [
  "auth-service",
  "keycloak",
  "operator",
  "postgres-auth",
  "postgres-keycloak",
  "sidecar",
  "ui-explorer",
];
type Version = (typeof VERSIONS)[number];
type Mode = (typeof MODES)[number];

const runtime = (version: Version) => join(CHARTS, `casa-runtime-${version}`);

async function render(chart: string, ...args: string[]): Promise<{ source: string; object: KubeObject }[]> {
  const common = ["--namespace", "casa-runtime", "--kube-version", "v1.34.4", "--include-crds"];
  return parseManifest(await helm(["template", "casa", chart, ...common, ...args]));
}

const isCrdFile = ({ source }: { source: string }) => /(^|\/)crds\//.test(source);

async function objectsOf(chart: string, ...args: string[]): Promise<KubeObject[]> {
  return (await render(chart, ...args)).filter((doc) => !isCrdFile(doc)).map(({ object }) => object);
}

async function crdsOf(chart: string, ...args: string[]): Promise<KubeObject[]> {
  return (await render(chart, ...args)).filter(isCrdFile).map(({ object }) => object);
}

const keyed = (objects: KubeObject[]) => new Map(objects.map((object) => [nameOf(object), object]));
const nameOf = (object: KubeObject) => `${object.kind}/${object.metadata.name ?? ""}`;
const find = (objects: KubeObject[], name: string): KubeObject => {
  const found = objects.find((object) => nameOf(object) === name);
  if (!found) throw new Error(`no ${name} among ${objects.map(nameOf).join(", ")}`);
  return found;
};
const podSpec = (object: unknown) => dig(object, "spec", "template", "spec");
const image = (objects: KubeObject[], name: string) =>
  dig(digList(podSpec(find(objects, name)), "containers")[0], "image");

/** Without the labels that every version changes. */
function withoutVersion(object: KubeObject): KubeObject {
  const labels = { ...object.metadata.labels };
  delete labels["helm.sh/chart"];
  delete labels["app.kubernetes.io/version"];
  return { ...object, metadata: { ...object.metadata, labels } };
}

/** `Kind/name` of everything that differs between two versions; added and removed objects carry a sign. */
async function changes(from: Version, to: Version, mode: Mode): Promise<string[]> {
  const [before, after] = await Promise.all(
    [from, to].map(async (version) =>
      keyed((await objectsOf(runtime(version), "--set", `mode=${mode}`)).map(withoutVersion)),
    ),
  );
  if (!before || !after) throw new Error("unreachable");
  return [
    ...[...before.keys()].filter((key) => !after.has(key)).map((key) => `-${key}`),
    ...[...after.keys()].filter((key) => !before.has(key)).map((key) => `+${key}`),
    ...[...after]
      .filter(([key, object]) => before.has(key) && !isDeepStrictEqual(object, before.get(key)))
      .map(([key]) => key),
  ].sort();
}

describe("fixture charts: casa-runtime", function () {
  // Every rendering starts a helm process.
  this.timeout(60_000);

  for (const version of VERSIONS) {
    describe(version, () => {
      it("is a chart that helm lints and packages", async () => {
        const lint = await helm(["lint", "--strict", runtime(version)]);
        expect(lint).to.contain("0 chart(s) failed");
        const scratch = await mkdtemp(join(tmpdir(), "casa-fixtures-"));
        try {
          await helm(["package", runtime(version), "--destination", scratch]);
          expect(readdirSync(scratch)).to.deep.equal([`casa-runtime-${version}.tgz`]);
        } finally {
          await rm(scratch, { recursive: true });
        }
      });

      it("has its release notes in CHANGELOG.md and in the annotation", () => {
        const chart: unknown = parse(readFileSync(join(runtime(version), "Chart.yaml"), "utf8"));
        expect(dig(chart, "name")).to.equal("casa-runtime");
        expect(dig(chart, "version")).to.equal(version);
        const notes: unknown = parse(String(dig(chart, "annotations", "artifacthub.io/changes")));
        expect(notes).to.be.an("array").that.is.not.empty;
        for (const note of notes as unknown[]) {
          expect(dig(note, "kind")).to.be.oneOf(["added", "changed", "fixed", "removed"]);
          expect(dig(note, "description")).to.be.a("string");
        }
        expect(readFileSync(join(runtime(version), "CHANGELOG.md"), "utf8")).to.contain(`\n## ${version}\n`);
      });

      it("has no values.schema.json, like the real chart", () => {
        expect(existsSync(join(runtime(version), "values.schema.json"))).to.equal(false);
      });

      it("has the Deployments of the real chart, rolled 25 %/25 %, with selectors that no version changes", async () => {
        const deployments = (await objectsOf(runtime(version))).filter(({ kind }) => kind === "Deployment");
        expect(deployments.map(({ metadata }) => metadata.name).sort()).to.deep.equal(
          COMPONENTS.map((name) => `casa-${name}`),
        );
        for (const deployment of deployments) {
          expect(dig(deployment, "spec", "replicas")).to.equal(1);
          expect(dig(deployment, "spec", "strategy")).to.deep.equal({
            type: "RollingUpdate",
            rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" },
          });
          const labels = {
            "app.kubernetes.io/name": "casa-runtime",
            "app.kubernetes.io/instance": "casa",
            "app.kubernetes.io/component": deployment.metadata.name?.replace("casa-", ""),
          };
          expect(dig(deployment, "spec", "selector", "matchLabels")).to.deep.equal(labels);
          expect(dig(deployment, "spec", "template", "metadata", "labels")).to.deep.equal(labels);
          expect(deployment.metadata.labels).to.include({ ...labels, "helm.sh/chart": `casa-runtime-${version}` });
        }
      });

      it("uses fixed image tags", async () => {
        for (const mode of MODES) {
          const text = JSON.stringify(await objectsOf(runtime(version), "--set", `mode=${mode}`));
          expect(text).not.to.contain(":latest");
          expect(text).to.match(/registry\.example\/casa\/sidecar:\d/);
        }
      });

      it("istio mode: denies without the sidecar's answer", async () => {
        const objects = await objectsOf(runtime(version));
        const patch = digList(find(objects, "EnvoyFilter/casa-ext-auth-filter"), "spec", "configPatches")[0];
        const filter = dig(patch, "patch", "value", "typed_config");
        expect(dig(filter, "failure_mode_allow")).to.equal(false);
        expect(dig(filter, "grpc_service", "envoy_grpc", "cluster_name")).to.contain("casa-sidecar.casa-runtime.svc");
        expect(objects.filter(({ kind }) => kind === "WasmPlugin")).to.have.length(2);
        expect(objects.filter(({ kind }) => kind === "MutatingWebhookConfiguration")).to.be.empty;
      });

      it("cilium mode: a webhook instead, without a CA bundle until values give one", async () => {
        const objects = await objectsOf(runtime(version), "--set", "mode=cilium");
        expect(objects.filter(({ kind }) => ["EnvoyFilter", "WasmPlugin"].includes(kind))).to.be.empty;
        find(objects, "Service/casa-sidecar-injector");
        find(objects, "Deployment/casa-sidecar-injector");
        const webhook = digList(find(objects, "MutatingWebhookConfiguration/casa-sidecar-injector"), "webhooks")[0];
        expect(dig(webhook, "namespaceSelector", "matchLabels")).to.deep.equal({ "casa.io/injection": "enabled" });
        expect(dig(webhook, "failurePolicy")).to.equal("Ignore");
        expect(dig(webhook, "clientConfig")).not.to.have.property("caBundle");
        const given = await objectsOf(runtime(version), "--set", "mode=cilium,injector.caBundle=Q0E=");
        const other = digList(find(given, "MutatingWebhookConfiguration/casa-sidecar-injector"), "webhooks")[0];
        expect(dig(other, "clientConfig", "caBundle")).to.equal("Q0E=");
      });

      it("gives up the volume claim with persistence.enabled=false", async () => {
        const claims = async (...args: string[]) =>
          (await objectsOf(runtime(version), ...args))
            .filter(({ kind }) => kind === "PersistentVolumeClaim")
            .map(nameOf);
        expect((await claims()).sort()).to.deep.equal([
          "PersistentVolumeClaim/casa-postgres-auth",
          "PersistentVolumeClaim/casa-postgres-keycloak",
        ]);
        expect(await claims("--set", "postgresAuth.persistence.enabled=false")).to.deep.equal([
          "PersistentVolumeClaim/casa-postgres-keycloak",
        ]);
      });

      it("passes passwords, replicas and pod annotations on from the values", async () => {
        const set = [
          "keycloak.replicaCount=2",
          "postgresAuth.password=other",
          "podAnnotations.everywhere=a",
          "podAnnotations.both=a",
          "sidecar.podAnnotations.both=b",
        ];
        const objects = await objectsOf(runtime(version), ...set.flatMap((value) => ["--set", value]));
        const annotations = (name: string) => dig(find(objects, name), "spec", "template", "metadata", "annotations");
        expect(annotations("Deployment/casa-keycloak")).to.deep.equal({ everywhere: "a", both: "a" });
        expect(annotations("Deployment/casa-sidecar")).to.include({ everywhere: "a", both: "b" });
        expect(dig(find(objects, "Deployment/casa-keycloak"), "spec", "replicas")).to.equal(2);
        expect(dig(find(objects, "Secret/casa-postgres-auth"), "stringData", "password")).to.equal("other");
        expect(dig(find(objects, "Secret/casa-postgres-keycloak"), "stringData", "password")).to.equal("postgres");
        expect(dig(find(objects, "Secret/casa-keycloak"), "stringData", "password")).to.equal("admin");
      });

      it("leaves the sidecar and what points at it out with sidecar.enabled=false", async () => {
        const names = (await objectsOf(runtime(version), "--set", "sidecar.enabled=false")).map(nameOf);
        expect(names).not.to.include("Deployment/casa-sidecar");
        expect(names).not.to.include("EnvoyFilter/casa-ext-auth-filter");
      });
    });
  }

  describe("what the versions differ in", () => {
    const expected: { from: Version; to: Version; istio: string[]; cilium: string[] }[] = [
      {
        from: "0.1.0",
        to: "0.2.0",
        istio: ["ConfigMap/casa-sidecar", "Deployment/casa-keycloak", "Deployment/casa-sidecar"],
        cilium: [
          "ConfigMap/casa-sidecar",
          "ConfigMap/casa-sidecar-injector",
          "Deployment/casa-keycloak",
          "Deployment/casa-sidecar",
        ],
      },
      { from: "0.2.0", to: "0.2.1", istio: ["Deployment/casa-ui-explorer"], cilium: ["Deployment/casa-ui-explorer"] },
      {
        from: "0.2.1",
        to: "0.3.0",
        istio: [
          "Deployment/casa-auth-service",
          "EnvoyFilter/casa-ext-auth-filter",
          "WasmPlugin/casa-a2a-parser",
          "WasmPlugin/casa-mcp-parser",
        ],
        cilium: ["ConfigMap/casa-sidecar-injector", "Deployment/casa-auth-service"],
      },
    ];
    for (const { from, to, ...modes } of expected) {
      for (const mode of MODES) {
        it(`${from} -> ${to}, ${mode}: ${modes[mode].join(", ")}`, async () => {
          expect(await changes(from, to, mode)).to.deep.equal(modes[mode]);
        });
      }
    }

    for (const mode of MODES) {
      it(`${mode}: the injected configuration changes in 0.2.0 and 0.3.0, not in 0.2.1`, async () => {
        const rules = { namespace: "casa-runtime", sidecarDeployment: "casa-sidecar", inputs: [] };
        const stamps = await Promise.all(
          VERSIONS.map(async (version) =>
            configStamp(await objectsOf(runtime(version), "--set", `mode=${mode}`), { paths: new Map() }, rules),
          ),
        );
        expect(stamps[1]).not.to.equal(stamps[0]);
        expect(stamps[2]).to.equal(stamps[1]);
        expect(stamps[3]).not.to.equal(stamps[2]);
      });
    }

    it("images", async () => {
      const all = await Promise.all(VERSIONS.map((version) => objectsOf(runtime(version))));
      const tags = (component: string) =>
        all.map((objects) => String(image(objects, `Deployment/casa-${component}`)).split(":")[1]);
      expect(tags("keycloak")).to.deep.equal(["24.0.5", "25.0.6", "25.0.6", "25.0.6"]);
      expect(tags("sidecar")).to.deep.equal(["1.0.0", "1.1.0", "1.1.0", "1.1.0"]);
      expect(tags("ui-explorer")).to.deep.equal(["1.0.0", "1.0.0", "1.0.1", "1.0.1"]);
      expect(tags("auth-service")).to.deep.equal(["1.0.0", "1.0.0", "1.0.0", "1.1.0"]);
    });

    it("values: openai.* goes in 0.2.0, jwtToken in 0.3.0, and both work until then", async () => {
      const values = await Promise.all(
        VERSIONS.map(
          async (version) => parse(await helm(["show", "values", runtime(version)])) as Record<string, unknown>,
        ),
      );
      expect(values.map((keys) => "openai" in keys)).to.deep.equal([true, false, false, false]);
      expect(values.map((keys) => "jwtToken" in keys)).to.deep.equal([true, true, true, false]);
      const set = ["--set", "openai.apiKey=k,jwtToken=t"];
      const secrets = async (version: Version) =>
        (await objectsOf(runtime(version), ...set))
          .map(nameOf)
          .filter((name) => /^Secret\/casa-(operator|ui)/.test(name));
      expect(await secrets("0.1.0")).to.have.members(["Secret/casa-operator-openai", "Secret/casa-ui-explorer"]);
      expect(await secrets("0.2.1")).to.deep.equal(["Secret/casa-ui-explorer"]);
      expect(await secrets("0.3.0")).to.be.empty;
    });

    it("everything else: the same files, so that copies do not drift apart", () => {
      const same = [
        "_helpers.tpl",
        "auth-service.yaml",
        "cilium.yaml",
        "keycloak.yaml",
        "postgres.yaml",
        "sidecar.yaml",
        "NOTES.txt",
      ];
      const read = (version: Version, file: string) => readFileSync(join(runtime(version), "templates", file), "utf8");
      for (const file of same) {
        for (const version of VERSIONS) expect(read(version, file), `${version} ${file}`).to.equal(read("0.1.0", file));
      }
      for (const file of ["operator.yaml", "ui-explorer.yaml", "istio.yaml"]) {
        expect(read("0.2.1", file), file).to.equal(read("0.2.0", file));
      }
    });
  });

  describe("CRDs", () => {
    const spec = (crd: KubeObject) =>
      dig(digList(crd, "spec", "versions")[0], "schema", "openAPIV3Schema", "properties", "spec", "properties");
    const fields = async (version: Version) => {
      const crd = find(await crdsOf(runtime(version)), "CustomResourceDefinition/multiagentsystems.casa.io");
      const tree = spec(crd);
      const app = dig(tree, "apps", "items", "properties");
      return { spec: Object.keys(tree as object).sort(), app: Object.keys(app as object).sort() };
    };

    it("casapolicies.casa.io comes with 0.2.0", async () => {
      const names = async (version: Version) => (await crdsOf(runtime(version))).map(({ metadata }) => metadata.name);
      expect(await names("0.1.0")).to.deep.equal(["multiagentsystems.casa.io"]);
      for (const version of ["0.2.0", "0.2.1", "0.3.0"] as const) {
        expect(await names(version)).to.have.members(["multiagentsystems.casa.io", "casapolicies.casa.io"]);
      }
      const policy = find(await crdsOf(runtime("0.2.0")), "CustomResourceDefinition/casapolicies.casa.io");
      expect(dig(spec(policy), "targetRef", "properties", "kind", "enum")).to.deep.equal([
        "Deployment",
        "StatefulSet",
        "Pod",
      ]);
    });

    it("0.2.0 adds a field; 0.3.0 renames one and removes another", async () => {
      const app = ["kubernetesWorkloadName", "llmModel", "name", "protocol"];
      expect(await fields("0.1.0")).to.deep.equal({ spec: ["apps", "displayName", "realm"], app });
      const second = { spec: ["apps", "contact", "displayName", "realm"], app };
      expect(await fields("0.2.0")).to.deep.equal(second);
      expect(await fields("0.2.1")).to.deep.equal(second);
      expect(await fields("0.3.0")).to.deep.equal({
        spec: ["apps", "contact", "displayName", "keycloakRealm"],
        app: ["kubernetesWorkloadName", "name", "protocol"],
      });
    });

    it("keep to one served and stored version that prunes unknown fields", async () => {
      for (const version of VERSIONS) {
        for (const crd of await crdsOf(runtime(version))) {
          expect(digList(crd, "spec", "versions").map((at) => dig(at, "name"))).to.deep.equal(["v1alpha1"]);
          expect(JSON.stringify(crd)).not.to.contain("preserve");
        }
      }
    });

    it("0.3.0 has both in one file", () => {
      const folder = join(runtime("0.3.0"), "crds");
      expect(readdirSync(folder)).to.deep.equal(["casa.io.yaml"]);
      const documents = parseAllDocuments(readFileSync(join(folder, "casa.io.yaml"), "utf8"));
      expect(documents.filter((document) => (document.toJS() as unknown) !== null)).to.have.length(2);
    });

    it("0.3.0's subchart brings a CRD only when it is enabled", async () => {
      const enabled = await crdsOf(runtime("0.3.0"), "--set", "casa-observability.enabled=true");
      expect(enabled.map(({ metadata }) => metadata.name)).to.include("casatraces.casa.io");
      expect(enabled).to.have.length((await crdsOf(runtime("0.3.0"))).length + 1);
    });
  });
});

describe("fixture charts: broken ones and another shape", function () {
  this.timeout(60_000);

  const failure = async (run: Promise<unknown>): Promise<Error> => {
    const error: unknown = await run.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof Error)) throw new Error("it rendered");
    return error;
  };

  it("broken-yaml: helm names the template", async () => {
    const error = await failure(render(join(CHARTS, "broken-yaml")));
    expect(error).to.be.instanceOf(HelmError);
    expect(error.message).to.contain("broken-yaml/templates/config.yaml");
  });

  it("broken-template: helm says which value is missing, and renders with it", async () => {
    const error = await failure(render(join(CHARTS, "broken-template")));
    expect(error).to.be.instanceOf(HelmError);
    expect(error.message).to.contain("region is required");
    expect(await objectsOf(join(CHARTS, "broken-template"), "--set", "region=eu")).to.have.length(1);
  });

  it("broken-crd: helm prints it without a look, only a YAML parser notices", async () => {
    const error = await failure(render(join(CHARTS, "broken-crd")));
    expect(error).to.be.instanceOf(ManifestError);
    expect(error.message).to.contain("broken-crd/crds/widgets.yaml");
  });

  it("broken-not-a-chart: no chart", async () => {
    const error = await failure(render(join(CHARTS, "broken-not-a-chart")));
    expect(error).to.be.instanceOf(HelmError);
    expect(error.message).to.contain("Chart.yaml file is missing");
  });

  it("other-runtime: generated values differ between two renderings, and only they", async () => {
    const [first, second] = [await objectsOf(other), await objectsOf(other)];
    const unstable = findUnstable(first, second, "casa-runtime");
    const named = (name: string) => objectKey(find(first, name), "casa-runtime");
    expect([...unstable.paths.keys()]).to.have.members([
      named("Secret/casa-store"),
      named("Secret/casa-webhook-tls"),
      named("MutatingWebhookConfiguration/casa-defaults"),
    ]);
    expect(unstable.paths.get(named("MutatingWebhookConfiguration/casa-defaults"))).to.deep.equal([
      ["webhooks", "0", "clientConfig", "caBundle"],
    ]);
  });

  it("other-runtime: a List, a hook, a StatefulSet, another namespace, a CRD among the templates", async () => {
    const objects = await objectsOf(other);
    expect(dig(find(objects, "ConfigMap/casa-limits"), "data")).to.deep.equal({ strict: "yes", mode: "0755" });
    find(objects, "ConfigMap/casa-routes");
    find(objects, "StatefulSet/casa-store");
    find(objects, "CustomResourceDefinition/gauges.other.example");
    expect(find(objects, "Job/casa-prepare").metadata.annotations).to.have.property("helm.sh/hook");
    expect(find(objects, "ConfigMap/casa-endpoint").metadata.namespace).to.equal("kube-public");
    // `.helmignore` keeps the drafts out; rendering them would fail.
    expect(existsSync(join(other, "templates/job.draft.yaml"))).to.equal(true);
  });

  it("other-runtime: crds/ holds something else too, the CRD is in a subchart with an alias, as JSON", async () => {
    const documents = (await render(other)).filter(isCrdFile);
    expect(documents.map(({ source, object }) => `${source} ${nameOf(object)}`)).to.have.members([
      "other-runtime/crds/defaults.yaml PriorityClass/other-background",
      "other-runtime/charts/definitions/crds/widgets.json CustomResourceDefinition/widgets.other.example",
    ]);
    expect(await crdsOf(other, "--set", "tags.crds=false")).to.have.length(1);
  });

  const other = join(CHARTS, "other-runtime");
});
