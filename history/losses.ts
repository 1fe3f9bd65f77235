import type { Review } from "../review/report/schema";
import { count } from "../review/report/words";

/** What is known of the database's schema on the way back. */
export type SchemaOnTheWay =
  /** There is no table of revisions, or it holds what the old version ran with. */
  | { readonly kind: "fits" }
  | { readonly kind: "unknown"; readonly why: string }
  | {
      readonly kind: "newer";
      readonly now: string;
      readonly then: string;
      readonly backup: string;
      /** Undefined: that of the auth service. */
      readonly database?: string;
    };

/** What a rollback would lose, and what nobody can know; in words. */
export interface Losses {
  /** Refuses the rollback unless it is accepted. */
  readonly refused: readonly string[];
  readonly warnings: readonly string[];
}

/** Judges the review of a rollback. What the API server refuses is no loss: it can never be accepted. */
export function lossesOf(
  {
    crds,
    claims,
    databases = [],
    risks,
  }: Pick<Review, "crds" | "claims" | "risks"> & Partial<Pick<Review, "databases">>,
  schema: SchemaOnTheWay | readonly SchemaOnTheWay[],
): Losses {
  const schemas = [schema].flat();
  const pruned = crds.flatMap(({ name, customResources: { total, pruned: lost, prunedFields } }) => {
    if (lost === 0) return [];
    const fields = prunedFields.slice(0, 10).map(({ path, objects }) => `${path} (${count(objects, "object")})`);
    return [
      `${lost} of ${total} objects of CRD ${name} lose fields that its old schema does not know: ${fields.join(", ")}\n` +
        "      Fix: declare the way back (docs/custom-resource-migration.md)",
    ];
  });
  const unfit = crds.flatMap(({ name, customResources: { total, rejected } }) =>
    rejected === 0
      ? []
      : [`${rejected} of ${total} objects of CRD ${name} do not fit its old schema; writes to them may be refused`],
  );
  const deleted = claims.map(
    ({ namespace, name, why }) =>
      `PersistentVolumeClaim ${namespace}/${name} is deleted with its data: ${why}\n` +
      "      Fix: switch its persistence on in the values after the rollback's config, or back it up",
  );
  const servers = databases.map(({ text, fix }) => `${text}\n      Fix: ${fix}`);
  const contents = risks
    .filter(({ id }) => id === "contents-deleted")
    .map(({ title, detail, fix }) => `${title}: ${detail}${fix === undefined ? "" : `\n      Fix: ${fix}`}`);
  const removed = crds.flatMap(({ name, migration }) =>
    (migration?.rules ?? []).flatMap(({ rule, form, objects }) =>
      form === "remove" && objects > 0
        ? [`CRD ${name}, by a declared rule: ${rule} (${count(objects, "object")})`]
        : [],
    ),
  );
  const unread = crds.flatMap(({ name, customResources: { unchecked } }) =>
    unchecked.map((text) => `objects of CRD ${name}: not checked: ${text}`),
  );
  return {
    refused: [...pruned, ...deleted, ...servers, ...contents, ...schemas.flatMap(schemaRefusal)],
    warnings: [...unfit, ...removed, ...unread, ...schemas.flatMap(schemaWarning)],
  };
}

function schemaRefusal(schema: SchemaOnTheWay): string[] {
  if (schema.kind !== "newer") return [];
  const { now, then, backup, database = "auth" } = schema;
  return [
    `the ${database} database has schema revision ${now}; that version ran with ${then} and may not know a newer one\n` +
      `      Fix: accept it if the old version works with it, and afterwards, or if it does not: casa-upgrade restore --database ${database} --from ${backup}`,
  ];
}

function schemaWarning(schema: SchemaOnTheWay): string[] {
  if (schema.kind !== "unknown") return [];
  return [
    `whether the old version works with the database's schema is not known (${schema.why}); the gate waits until its pods are ready`,
  ];
}
