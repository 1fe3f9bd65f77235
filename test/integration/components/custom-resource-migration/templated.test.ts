import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { MIGRATION_ANNOTATION } from "../../../../crds/crds";
import { writeFiles } from "../../../fixtures/write-files";
import { previewed } from "../../world/reviews";
import { mustSucceed, World } from "../../world/world";

const NAME = "widgets.templated.example";
const NAMESPACE = "templated";
const FIELD = "{type: object, properties: {spec: {type: object, properties: {FIELD: {type: string}}}}}";

/** A CRD as charts with their CRDs among the templates have it, with labels of the chart's version. */
const crd = (version: string, field: string, label: string) => `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ${NAME}, labels: {chart: "${label}"}}
spec:
  group: templated.example
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - {name: ${version}, served: true, storage: true, schema: {openAPIV3Schema: ${FIELD.replace("FIELD", field)}}}
`;
const RULES = `migrations:
  - crd: ${NAME}
    from: v1beta1
    to: v1
    rules:
      - rename: {path: spec.size, to: width}
  - crd: wigdets.templated.example
    from: v1beta1
    to: v1
    rules: []
`;

describe("custom resources of a CRD among the templates", function () {
  this.timeout(300_000);
  let world: World;
  let rules: string;

  const chart = (version: string, template: string) =>
    writeFiles(join(world.scratch, `chart-${version}`), {
      "Chart.yaml": `apiVersion: v2\nname: templated\nversion: ${version}\n`,
      "templates/crd.yaml": template,
    });

  before(async () => {
    world = await World.open();
    rules = join(world.scratch, "migrations.yaml");
    await world.helm(
      ...["install", "rel", chart("0.1.0", crd("v1beta1", "size", "0.1.0")), "-n", NAMESPACE, "--create-namespace"],
    );
    const widget = (name: string) =>
      `apiVersion: templated.example/v1beta1\nkind: Widget\nmetadata: {name: ${name}}\nspec: {size: ${name}-size}\n`;
    await world.kubectl(["apply", "-n", NAMESPACE, "-f", "-"], `${widget("a")}---\n${widget("b")}`);
    await world.config({
      ...{ chart: chart("0.2.0", crd("v1", "width", "0.2.0")), release: "rel", namespace: NAMESPACE },
      ...{ restarts: { enabled: false }, migrationGate: { enabled: false } },
      backup: { enabled: false, destination: join(world.scratch, "saved") },
    });
  });
  after(async () => world?.close());

  const live = () =>
    world.json<{ metadata: { labels: Record<string, string> }; status: { storedVersions: string[] } }>("crd", NAME);

  it("helm alone cannot drop the version that objects are stored in; the preview says how it can be done", async () => {
    const next = join(world.scratch, "chart-0.2.0");
    const alone = await world
      .helm("upgrade", "rel", next, "-n", NAMESPACE, "--dry-run=server")
      .then(() => world.helm("upgrade", "rel", next, "-n", NAMESPACE).then(() => "went through", String), String);
    expect(alone).to.contain("missing from spec.versions");
    const { run } = await previewed(world);
    expect(run.ok).to.equal(false);
    expect(run.text).to.contain("missing from spec.versions").and.contain("declare their migration");
  });

  it("an object that would lose what no rule mentions: refused, naming the field", async () => {
    writeFileSync(
      rules,
      RULES.replace("      - rename: {path: spec.size, to: width}\n", "").replace("rules:\n", "rules: []\n"),
    );
    await world.config({ customResourceMigrations: rules });
    const { run } = await previewed(world);
    expect(run.ok).to.equal(false);
    expect(run.text).to.contain("2 of 2 objects would lose fields that no rule mentions: spec.size (2)");
  });

  it("is told by the preview, and carried out before helm comes; a name that the chart does not have is told, too", async () => {
    writeFileSync(rules, RULES);
    const { review, run } = await previewed(world);
    mustSucceed(run);
    expect(run.text).to.contain(
      `Custom resources of ${NAME} go from v1beta1 to v1 before the new CRD: 2 change by rules`,
    );
    expect(review.warnings.join()).to.contain("names CRD wigdets.templated.example, which templated 0.2.0 has neither");
    mustSucceed(await world.up());
    const { items } = await world.json<{ items: { spec: object }[] }>(NAME, "-n", NAMESPACE);
    expect(items.map(({ spec }) => spec)).to.deep.equal([{ width: "a-size" }, { width: "b-size" }]);
    const { metadata, status } = await live();
    expect(status.storedVersions).to.deep.equal(["v1"]);
    // helm's marks and those of the chart are as helm leaves them.
    expect(metadata.labels).to.deep.equal({ chart: "0.2.0", "app.kubernetes.io/managed-by": "Helm" });
    const history = await world.helm("history", "rel", "-n", NAMESPACE, "-o", "json");
    expect((JSON.parse(history) as { status: string }[]).at(-1)?.status).to.equal("deployed");
    mustSucceed(await world.up(["--expect-no-changes"]));
  });

  it("one that was begun and that the file does not name any more is not left half done", async () => {
    await world.kubectl(["annotate", "crd", NAME, `${MIGRATION_ANNOTATION}={"to":"v2","rules":"r","backup":"b"}`]);
    await world.config({
      customResourceMigrations: undefined,
      chart: chart("0.3.0", crd("v1", "width", "0.3.0")),
    });
    const { run } = await previewed(world);
    expect(run.ok).to.equal(false);
    expect(run.text).to.contain("a migration of its objects was begun").and.contain("customResourceMigrations");
  });
});
