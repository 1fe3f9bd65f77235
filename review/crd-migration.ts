import type { ClusterClient } from "../kubernetes/connect";
import type { LiveCrd } from "../kubernetes/crds";
import type { CustomResourcesReview } from "./custom-resources/findings";
import { type DryRun, dryRunReplace } from "../kubernetes/dry-run";
import { type CrMigration, stepsOf } from "../components/custom-resource-migration/plan";
import { MIGRATION_DOC } from "../shared/doc-pages";
import type { Segment } from "../components/custom-resource-migration/paths";
import { transitionalCrd, withStoredVersions } from "../components/custom-resource-migration/transitional";
import type { CrdRuleOverride } from "../crds/compat/overrides";
import { PROPERTY_RULES } from "../crds/compat/property-rules";
import type { Crd } from "../crds/crds";
import { isMap, type KubeObject } from "../kubernetes/objects";
import type { CrMigrationReview, Review } from "./report/schema";
import type { ObjectCheck } from "../kubernetes/object-check";

/** A CRD whose objects are migrated. */
export interface MigratedCrd {
  readonly live: LiveCrd;
  readonly manifest: Crd;
  readonly migration: CrMigration;
}

/**
 * Asks the API server about both CRDs that a migration puts in place. It would refuse the new one as long as objects
 * may be stored in versions that it lacks, so that is tried with them.
 */
export async function dryRunMigration(
  client: ClusterClient,
  { live, manifest, migration }: MigratedCrd,
): Promise<DryRun> {
  const { to } = migration;
  const said = { to, rules: "", backup: "" };
  const between = await dryRunReplace(client, transitionalCrd(live.object, manifest, to, said), "");
  if (between.check.result === "rejected") return { check: between.check };
  const resourceVersion = live.object.metadata["resourceVersion"];
  const next = withStoredVersions(manifest, live.object, live.storedVersions);
  const { check, after } = await dryRunReplace(
    client,
    { ...next, metadata: { ...manifest.metadata, resourceVersion } },
    "",
  );
  return { check, ...(after ? { after: withoutVersions(after, manifest) } : {}) };
}

/** The answer without the versions that only the dry-run had. */
function withoutVersions(after: KubeObject, manifest: Crd): KubeObject {
  const spec = after["spec"];
  if (!isMap(spec) || !Array.isArray(spec["versions"])) return after;
  const kept = manifest.spec.versions.map(({ name }) => name);
  const versions = spec["versions"].filter((version) => isMap(version) && kept.includes(String(version["name"])));
  return { ...after, spec: { ...spec, versions } };
}

/** What a reviewer sees of it. */
export function migrationReview(
  migration: CrMigration,
  { changedBy, changed }: CustomResourcesReview,
  backup: string,
): CrMigrationReview {
  const { from, to, storage, underWay } = migration;
  const rules = stepsOf(migration).map(({ text, form }, i) => ({ rule: text, form, objects: changedBy[i] ?? 0 }));
  return { from: [...from], to, rules, changed, storage, underWay, backup };
}

/**
 * Refuses what would lose data that no rule mentions, or end half-way because an object does not fit; undefined when
 * all do.
 */
export function unfit(
  { findings }: CustomResourcesReview,
  migration: CrMigration | undefined,
  file: string | undefined,
): ObjectCheck | undefined {
  if ((!migration && file === undefined) || findings.pruned + findings.rejected === 0) return undefined;
  // Without a migration an object that does not fit stays as it is until it is written.
  if (!migration && findings.pruned === 0) return undefined;
  const { total, pruned, rejected, prunedFields, examples } = findings;
  const fields = prunedFields.slice(0, 5).map(({ path, objects }) => `${path} (${objects})`);
  const first = examples.find((example) => example.rejected.length > 0);
  const told = [
    ...(pruned > 0
      ? [`${pruned} of ${total} objects would lose fields that no rule mentions: ${fields.join(", ")}`]
      : []),
    ...(rejected > 0 && migration
      ? [`${rejected} of ${total} objects would not fit, e.g. ${first?.object ?? ""}: ${first?.rejected[0] ?? ""}`]
      : []),
  ];
  const from = migration && migration.from.length > 0 ? migration.from.join(", ") : "the version in use";
  return {
    result: "rejected",
    message: told.join("; "),
    fix:
      `add rules (rename, move, remove, default) for the migration from ${from} to the new version to ` +
      `${file ?? "the file of customResourceMigrations"}; see ${MIGRATION_DOC}`,
  };
}

/**
 * What the comparison of schemas finds is less serious where a rule takes care of the field. The objects themselves are
 * checked against the new schema as the rules leave them.
 */
export function acceptedByRules(crd: string, migration: CrMigration): CrdRuleOverride[] {
  const reason = `objects are migrated${migration.from.length > 0 ? ` from ${migration.from.join(", ")}` : ""} to ${migration.to}`;
  const whole = [
    { rule: "storedVersionRemoval", severity: "none" as const },
    { rule: "casa/storageVersionChange", severity: "none" as const },
    { rule: "casa/servedVersionRemoval", severity: "warning" as const },
  ].map((one) => ({ ...one, crd, reason }));
  const fields = stepsOf(migration).flatMap(({ from, text }) =>
    from === undefined
      ? []
      : ["", ".*"].flatMap((below) =>
          ["existingFieldRemoval", ...PROPERTY_RULES].map((rule) => ({
            ...{ crd, rule, path: `${schemaPath(from)}${below}` },
            severity: "warning" as const,
            reason: text,
          })),
        ),
  );
  return [...whole, ...fields];
}

/** As the comparison names a field: `^.spec.apps.items.model`. */
function schemaPath(path: readonly Segment[]): string {
  const steps = path.map((segment) => {
    if (segment.kind === "items") return ".items";
    return segment.kind === "values" ? ".additionalProperties" : `.${segment.name}`;
  });
  return `^${steps.join("")}`;
}

/** For each CRD whose objects are migrated, one line for the end of a preview. */
export function migrationLines({ crds }: Pick<Review, "crds">): string[] {
  return crds.flatMap(({ name, migration }) => {
    if (!migration) return [];
    const { from, to, changed, backup, storage } = migration;
    const versions = from.length === 0 ? `to ${to}` : `from ${from.join(", ")} to ${to}`;
    const all = storage ? ", all are stored anew" : "";
    return [
      `Custom resources of ${name} go ${versions} before the new CRD: ${changed} change by rules${all}; saved to ${backup} first`,
    ];
  });
}
