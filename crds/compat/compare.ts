import { isDeepStrictEqual } from "node:util";
import type { Crd } from "../crds";
import { canonicalJson } from "../../shared/digest";
import { dig } from "../../kubernetes/objects";
import type { CrdFinding } from "./finding";
import { compareField, compareVersion, compareWhole, storedVersions } from "./extra-rules";
import { compareNode, type PropertyRuleId } from "./property-rules";
import { type Change, finding } from "./rules";
import { flattenSchema, normalizeSchema, type SchemaNode, withoutEqual } from "./schema-tree";
import { servedPairs } from "./served-versions";

type Version = Crd["spec"]["versions"][number];

/** Nodes of a schema by their path. */
type Fields = Map<string, SchemaNode>;

const SEVERITIES: CrdFinding["severity"][] = ["error", "warning", "none"];

/**
 * What an update of a CRD can break, by the rules of crdify and our own, with the severity that each rule has by itself
 * (`applySeverities` brings the configured ones in). Pure schema against schema: which objects are hurt is another
 * question.
 *
 * @param before the live CRD; `status.storedVersions` is read where it is there.
 * @returns the worst first, then by version, path and rule.
 */
export function compareCrds(before: Crd, after: Crd): CrdFinding[] {
  const both = before.spec.versions.flatMap((older): [Version, Version][] => {
    const newer = after.spec.versions.find(({ name }) => name === older.name);
    return newer ? [[older, newer]] : [];
  });
  return [
    ...sharedWhole(before, after),
    ...compareWhole(before, after),
    ...both.flatMap(([older, newer]) => [...sameVersion(older, newer), ...compareVersion(older, newer)]),
    ...servedVersions(before, after),
  ].sort(inOrder);
}

function sharedWhole(before: Crd, after: Crd): CrdFinding[] {
  const scope = { words: "scope", before: before.spec.scope, after: after.spec.scope };
  const kept = new Set(after.spec.versions.map(({ name }) => name));
  const lost = storedVersions(before).filter((name) => !kept.has(name));
  return [
    ...(scope.before === scope.after ? [] : [finding("scope", scope)]),
    ...(lost.length === 0
      ? []
      : [
          finding("storedVersionRemoval", {
            words: `objects may be stored in versions that are removed: ${lost.join(", ")}`,
          }),
        ]),
  ];
}

/** One version before and after. */
function sameVersion(before: Version, after: Version): CrdFinding[] {
  if (isDeepStrictEqual(before["schema"], after["schema"])) return [];
  const [older, newer] = withoutEqual(schemaOf(before), schemaOf(after)).map(fieldsOf) as [Fields, Fields];
  const { name: version } = before;
  const removed = [...older.keys()]
    .filter((path) => !newer.has(path))
    .map((path) => finding("existingFieldRemoval", { words: "the field is removed" }, { version, path }));
  const shared = compareFields(older, newer).map(({ rule, path, change }) => finding(rule, change, { version, path }));
  const extra = [...older].flatMap(([path, node]) => {
    const same = newer.get(path);
    const found = same ? compareField(node, same) : [];
    return found.map(({ rule, change, below = "" }) => finding(rule, change, { version, path: `${path}${below}` }));
  });
  return [...removed, ...shared, ...extra];
}

/**
 * Any two served versions of the new CRD against each other: what is written through one must do for the other. What
 * was so in the live CRD already is left out. A conversion webhook makes no difference, as in crdify's default.
 */
function servedVersions(before: Crd, after: Crd): CrdFinding[] {
  const known = new Set(differencesOfServed(before).map(identity));
  return differencesOfServed(after)
    .filter((difference) => !known.has(identity(difference)))
    .map(({ version, path, rule, change }) => finding(rule, change, { version, path }));
}

interface FieldDifference {
  path: string;
  rule: PropertyRuleId;
  change: Change;
}

function differencesOfServed(crd: Crd): (FieldDifference & { version: string })[] {
  return servedPairs(crd).flatMap(([older, newer]) => {
    const version = `${older.name} -> ${newer.name}`;
    const [olderFields, newerFields] = [fieldsOf(schemaOf(older)), fieldsOf(schemaOf(newer))];
    return compareFields(olderFields, newerFields).map((difference) => ({ ...difference, version }));
  });
}

function identity({ version, path, rule, change }: FieldDifference & { version: string }): string {
  // In `unhandled` crdify's text also holds unchanged neighbours of a changed keyword, so a finding there is new for it
  // when a neighbour changes in both versions. Ours stays known: nothing about it is new to anybody.
  return canonicalJson([version, path, rule, change]);
}

/**
 * By the rules of one field. Fields that are only in `newer` are no difference; one that is gone is like one without
 * any keyword.
 */
function compareFields(older: Fields, newer: Fields): FieldDifference[] {
  return [...older].flatMap(([path, node]) =>
    compareNode(node, newer.get(path) ?? {}).map(([rule, change]) => ({ path, rule, change })),
  );
}

function schemaOf(version: Version): unknown {
  return dig(version, "schema", "openAPIV3Schema");
}

function fieldsOf(schema: unknown): Fields {
  return flattenSchema(normalizeSchema(schema));
}

function inOrder(a: CrdFinding, b: CrdFinding): number {
  const text = ({ version = "", path = "", rule, text: words }: CrdFinding) => [version, path, rule, words].join("\0");
  const bySeverity = SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity);
  return bySeverity || (text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0);
}
