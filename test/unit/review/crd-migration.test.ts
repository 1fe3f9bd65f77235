import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { readMigrations } from "../../../components/custom-resource-migration/file";
import { planCrMigration } from "../../../components/custom-resource-migration/plan";
import { compareCrds } from "../../../crds/compat/compare";
import { applySeverities } from "../../../crds/compat/overrides";
import { type Crd, parseCrds } from "../../../crds/crds";
import type { LiveCrd } from "../../../kubernetes/crds";
import { parseManifest } from "../../../kubernetes/objects";
import { acceptedByRules } from "../../../review/crd-migration";

const ROOT = resolve(__dirname, "../../..");
const NAME = "multiagentsystems.casa.io";

describe("what migration rules take care of", () => {
  const crdOf = (version: string, file: string): Crd => {
    const text = readFileSync(join(ROOT, `test/fixtures/charts/casa-runtime-${version}/crds/${file}`), "utf8");
    const found = parseCrds(parseManifest(text)).find(({ metadata }) => metadata.name === NAME);
    if (!found) throw new Error(`no ${NAME} in ${version}`);
    return found;
  };
  const [before, after] = [crdOf("0.2.1", "multiagentsystems.yaml"), crdOf("0.3.0", "casa.io.yaml")];
  const live = { versions: before.spec.versions, storedVersions: ["v1alpha1"], object: before } as unknown as LiveCrd;
  const entries = readMigrations(join(ROOT, "docs/examples/custom-resource-migrations.yaml"));
  const errors = (rules: typeof entries) => {
    const migration = planCrMigration(live, after, rules);
    const accepted = migration ? acceptedByRules(NAME, migration) : [];
    return applySeverities(NAME, compareCrds(before, after), accepted).filter(({ severity }) => severity === "error");
  };

  it("everything that is found at a field which is renamed or may go", () => {
    expect(errors([]).map(({ rule, path }) => `${rule} ${path ?? ""}`)).to.include.members([
      "existingFieldRemoval ^.spec.realm",
      "type ^.spec.realm",
    ]);
    expect(errors(entries)).to.deep.equal([]);
  });

  it("nothing of a field that no rule names", () => {
    const within = entries.map((entry) => ({ ...entry, rules: entry.rules.filter((rule) => !("remove" in rule)) }));
    expect(new Set(errors(within).map(({ path }) => path))).to.deep.equal(new Set(["^.spec.apps.items.llmModel"]));
  });
});
