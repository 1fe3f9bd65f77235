import { UserError } from "../../shared/user-error";
import type { LiveCrd } from "../../kubernetes/crds";

import type { Crd } from "../../crds/crds";
import {
  itemsOf,
  keepsUnknown,
  propertyOf,
  type SchemaNode,
  valuesOf,
  versionSchema,
} from "../../crds/objects/structural";
import { dig } from "../../kubernetes/objects";
import type { Segment } from "./paths";
import { type MigrationEntry, type MigrationRule, rulesProblems, type Step, stepOf } from "./rules";
import { MIGRATION_DOC } from "../../shared/doc-pages";
import { isTransitional } from "./transitional";

/** What is done to the objects of one CRD before its new schema is served. */
export interface CrMigration {
  readonly crd: string;
  /** Versions that the objects come from; empty when a begun migration is only brought to an end. */
  readonly from: readonly string[];
  /** Version that they are stored in afterwards. */
  readonly to: string;
  /** Version that they are read in before anything changes. */
  readonly readIn: string;
  /** The rules in force, in their order. */
  readonly rules: readonly MigrationRule[];
  /** Every object is written again, so that it is stored in `to` and the other versions can be dropped. */
  readonly storage: boolean;
  /** An earlier run began one: the CRD on the cluster is the transitional one. */
  readonly underWay: boolean;
}

/**
 * Which migration an update of a CRD needs; undefined when none.
 *
 * - From one version to another: when objects may be stored in the old one and the new CRD stores the new one. Rules
 *   whose target this CRD's schema does not know are for another release of the chart; without them the source counts
 *   as lost, so nothing is.
 * - Within a version: a rule is in force when the live schema knows the field that it takes and the new one does not.
 *   So a file may hold the way forward and the way back.
 *
 * @throws UserError when it cannot work.
 */
export function planCrMigration(
  live: LiveCrd | undefined,
  next: Crd,
  entries: readonly MigrationEntry[],
): CrMigration | undefined {
  if (!live) return undefined;
  const crd = next.metadata.name;
  const to = next.spec.versions.find(({ storage }) => storage)?.name ?? "";
  const underWay = isTransitional(live.object);
  const inForce = entries
    .filter((entry) => entry.crd === crd && entry.to === to && live.versions.some(({ name }) => name === entry.from))
    .flatMap((entry) =>
      entry.from === to ? sameVersion(entry, live, next, underWay) : otherVersion(entry, live, next, underWay),
    );
  if (inForce.length === 0 && !underWay) return undefined;
  const from = [...new Set(inForce.map((entry) => entry.from))];
  const rules = inForce.flatMap((entry) => entry.rules);
  refuseWhatCannotWork({ live, next, to, from, rules, underWay });
  const stored = live.storedVersions.filter((version) => version !== to);
  return {
    crd,
    from,
    to,
    readIn: readableIn(live, underWay ? [to] : from),
    rules,
    storage: stored.length > 0,
    underWay,
  };
}

/** The rules of a migration as the machine takes them. */
export function stepsOf({ rules }: Pick<CrMigration, "rules">): Step[] {
  return rules.map(stepOf);
}

function otherVersion(entry: MigrationEntry, live: LiveCrd, next: Crd, underWay: boolean): MigrationEntry[] {
  // While a migration is under way both versions are served, so somebody may write the old form at any time.
  if (!underWay && !live.storedVersions.includes(entry.from)) return [];
  const after = versionSchema(next, entry.to);
  const rules = entry.rules.filter((rule) => {
    const { to } = stepOf(rule);
    return to === undefined || knows(after, to);
  });
  return [{ ...entry, rules }];
}

function sameVersion(entry: MigrationEntry, live: LiveCrd, next: Crd, underWay: boolean): MigrationEntry[] {
  const before = versionSchema(live.object, entry.from);
  const after = versionSchema(next, entry.to);
  const rules = entry.rules.filter((rule) => {
    const { from, to = [] } = stepOf(rule);
    if (from) return knows(before, from) && !knows(after, from);
    return knows(after, to) && (underWay || !knows(before, to) || (requires(after, to) && !requires(before, to)));
  });
  return rules.length > 0 ? [{ ...entry, rules }] : [];
}

/** Whether a schema keeps a field. */
function knows(schema: SchemaNode | undefined, path: readonly Segment[]): boolean {
  if (path[0]?.kind === "field" && path[0].name === "metadata") return true;
  let at = schema;
  for (const segment of path) {
    const unknown = keepsUnknown(at);
    at = below(at, segment);
    if (at === undefined) return unknown;
  }
  return true;
}

/** Whether a field must be there; false for one that is only behind a wildcard. */
function requires(schema: SchemaNode | undefined, path: readonly Segment[]): boolean {
  const last = path.at(-1);
  const parent = path.slice(0, -1).reduce<SchemaNode | undefined>((at, segment) => below(at, segment), schema);
  const required = parent?.["required"];
  return last?.kind === "field" && Array.isArray(required) && required.includes(last.name);
}

function below(node: SchemaNode | undefined, segment: Segment): SchemaNode | undefined {
  if (segment.kind === "items") return itemsOf(node);
  if (segment.kind === "values") return valuesOf(node);
  return propertyOf(node, segment.name) ?? valuesOf(node);
}

function readableIn(live: LiveCrd, wanted: readonly string[]): string {
  const served = live.versions.filter((version) => version.served);
  const found = served.find(({ name }) => wanted.includes(name)) ?? served.find(({ storage }) => storage) ?? served[0];
  return found?.name ?? "";
}

interface Considered {
  live: LiveCrd;
  next: Crd;
  to: string;
  from: readonly string[];
  rules: readonly MigrationRule[];
  underWay: boolean;
}

function refuseWhatCannotWork({ live, next, to, from, rules, underWay }: Considered): void {
  const { name } = live;
  const webhook = [next, live.object].some((crd) => dig(crd, "spec", "conversion", "strategy") === "Webhook");
  if (webhook && from.length > 0) {
    throw new UserError(
      "custom-resource-migration",
      `objects of CRD ${name} are to be migrated from ${from.join(", ")} to ${to} by rules, but the CRD converts them by a webhook`,
      `leave it to the webhook: remove the migration of ${name} from the file (customResourceMigrations)`,
    );
  }
  const problems = rulesProblems(rules);
  if (problems.length > 0) {
    throw new UserError(
      "custom-resource-migration",
      `the migration rules for CRD ${name} do not go together: ${problems.join("; ")}`,
      `correct them in the file (customResourceMigrations); see ${MIGRATION_DOC}`,
    );
  }
  const kept = next.spec.versions.map((version) => version.name);
  const lost = live.storedVersions.filter((version) => !kept.includes(version) && !from.includes(version));
  if (lost.length === 0) return;
  const begun = underWay ? ", and a migration to another version was begun" : "";
  throw new UserError(
    "custom-resource-migration",
    `objects of CRD ${name} may be stored in ${lost.join(", ")}, which its new version lacks${begun}`,
    `${underWay ? "choose the version again that was being upgraded to, and finish that; or " : ""}declare the migration from ` +
      `${lost.join(", ")} to ${to} in the file (customResourceMigrations); see ${MIGRATION_DOC}`,
  );
}
