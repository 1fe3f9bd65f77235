import { isDeepStrictEqual } from "node:util";
import type { LiveCrd } from "../kubernetes/crds";
import type { ClusterClient } from "../kubernetes/connect";
import type { CustomResourcesReview } from "./custom-resources/findings";
import { reviewCustomResources } from "./custom-resources/live";
import { dryRunCreate, dryRunReplace } from "../kubernetes/dry-run";
import { compareCrds } from "../crds/compat/compare";
import { applySeverities, type CrdRuleOverride, DEFAULT_SEVERITIES } from "../crds/compat/overrides";
import { namesCheck, ownerCheck, sizeCheck } from "./crd-owners";
import type { CrMigration } from "../components/custom-resource-migration/plan";
import { asCrd, type Crd, type PlannedCrd } from "../crds/crds";
import type { ReleaseObject } from "./release-objects";
import { fieldChanges } from "./diff/object-change";
import type { Redactor } from "../kubernetes/redact";
import type { KubeObject } from "../kubernetes/objects";
import type { CrdReview, ObjectChange } from "./report/schema";
import type { ObjectCheck } from "../kubernetes/object-check";
import { isTransitional } from "../components/custom-resource-migration/transitional";
import { MIGRATION_DOC } from "../shared/doc-pages";
import { acceptedByRules, dryRunMigration, migrationReview, unfit } from "./crd-migration";

const KIND = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };

/** The CRDs of this upgrade, and what is known of those on the cluster. */
export interface CrdInput {
  planned: readonly PlannedCrd[];
  /** CRDs among the templates whose objects are migrated. */
  templated: readonly PlannedCrd[];
  /** Names of CRDs that stay although the chart no longer ships them. */
  dropped: readonly string[];
  live: ReadonlyMap<string, LiveCrd>;
  /** As the installed chart version ships them. */
  installed: readonly Crd[];
  overrides: readonly CrdRuleOverride[];
  release: { name: string; namespace: string };
  /** CRDs of others that the config lets this upgrade change. */
  takeOver: readonly string[];
  /** The installed revision was made by this program, so its CRDs are on record. */
  isOurs: boolean;
  /** By CRD, what is done to its objects first. */
  migrations: ReadonlyMap<string, CrMigration>;
  /** The file of rules, as configured. */
  rulesFile?: string;
  /** Where objects are saved. */
  destination: string;
}

/**
 * Compares each CRD with the live one, tries it as a dry-run, and checks every custom resource that exists against it.
 */
export async function reviewCrds(
  client: ClusterClient,
  input: CrdInput,
  redactor: Redactor,
): Promise<{ crds: CrdReview[]; changes: ObjectChange[]; byHand: string[] }> {
  const isNew = input.planned.some(({ name }) => !input.live.has(name));
  // All of them may be megabytes: read once, and only for the names of a new one.
  const onCluster = isNew ? await client.api.list(KIND) : [];
  const planned = await Promise.all(input.planned.map((crd) => reviewCrd(client, crd, input, onCluster, redactor)));
  const retained = await Promise.all(input.dropped.map((name) => retainedCrd(client, name)));
  return {
    crds: [...planned.map(({ crd }) => crd), ...retained],
    changes: planned.flatMap(({ change }) => change ?? []),
    byHand: planned.flatMap(({ change }) => (change ? changedByHand(change, input) : [])),
  };
}

/** A CRD that the last upgrade left as this one wants it: so the record says, and the engine by itself does nothing. */
function changedByHand({ name, action }: ObjectChange, { planned, installed, isOurs }: CrdInput): string[] {
  const before = installed.find((crd) => crd.metadata.name === name);
  const now = planned.find((crd) => crd.name === name);
  if (!isOurs || !before || now?.byCommand || !isDeepStrictEqual(before.spec, now?.manifest.spec)) return [];
  const what = action === "create" ? "deleted" : "changed";
  return [`CRD ${name} was ${what} by hand since the last upgrade; this makes it right: pulumi up --refresh`];
}

async function reviewCrd(
  client: ClusterClient,
  planned: PlannedCrd,
  input: CrdInput,
  onCluster: readonly object[],
  redactor: Redactor,
): Promise<{ crd: CrdReview; change?: ObjectChange }> {
  const { name, manifest } = planned;
  const live = input.live.get(name);
  const common = { ...KIND, name, writer: "crds" as const };
  if (!live) {
    const { check: asked } = await dryRunCreate(client, manifest, "");
    const check =
      asked.result === "rejected" ? asked : (sizeCheck(manifest) ?? namesCheck(manifest, onCluster) ?? asked);
    return {
      crd: { name, action: "create", findings: [], customResources: noObjects(0) },
      change: { ...common, action: "create", fields: [], folded: 0, check },
    };
  }
  const version = live.object.metadata["resourceVersion"];
  const replacement = { ...manifest, metadata: { ...manifest.metadata, resourceVersion: version } };
  const migration = input.migrations.get(name);
  const result = migration
    ? await dryRunMigration(client, { live, manifest, migration })
    : await dryRunReplace(client, replacement, "");
  const installed = input.installed.find((crd) => crd.metadata.name === name);
  const versions = { live: live.object, after: result.after ?? withDefaults(manifest), installed, target: manifest };
  const { fields, folded } = fieldChanges(versions, redactor);
  if (fields.length + folded === 0 && !migration) {
    const customResources = noObjects(await countOf(client, live.object));
    return { crd: { name, action: "unchanged", findings: [], customResources } };
  }
  const objects = await reviewCustomResources(client, manifest, live.object as Crd, migration);
  const check = live.terminating
    ? beingDeleted(name, client.context)
    : result.check.result === "rejected"
      ? result.check
      : (ownerCheck(live, input.release, input.takeOver) ??
        sizeCheck(manifest) ??
        unfit(objects, migration, input.rulesFile) ??
        result.check);
  // While a migration is under way the live schema says nothing; what it replaced is what the installed chart brought.
  const before = migration?.underWay ? installed : (live.object as Crd);
  return {
    crd: updated(before, manifest, objects, input),
    change: { ...common, action: "update", fields, folded, check },
  };
}

/** What is told of a CRD that changes, and of its objects. */
function updated(
  before: Crd | undefined,
  next: Crd,
  objects: CustomResourcesReview,
  { migrations, overrides, destination }: CrdInput,
): CrdReview {
  const { name } = next.metadata;
  const migration = migrations.get(name);
  const findings = applySeverities(name, before ? compareCrds(before, next) : [], [
    ...DEFAULT_SEVERITIES,
    ...(migration ? acceptedByRules(name, migration) : []),
    ...overrides,
  ]);
  const migrated = migration ? { migration: migrationReview(migration, objects, destination) } : {};
  return { name, action: "update", findings, ...migrated, customResources: objects.findings };
}

/** As the API server would keep it, where it cannot be asked. */
function withDefaults(manifest: Crd): KubeObject {
  const { names } = manifest.spec;
  const named = { singular: names.kind.toLowerCase(), listKind: `${names.kind}List`, ...names };
  return { ...manifest, spec: { conversion: { strategy: "None" }, ...manifest.spec, names: named } };
}

function beingDeleted(name: string, context: string): ObjectChange["check"] {
  return {
    result: "rejected",
    message: "it is being deleted, and waits for objects of its kind that have finalizers",
    fix: `let the deletion finish, or find what holds it: kubectl --context ${context} describe crd ${name}`,
  };
}

async function retainedCrd(client: ClusterClient, name: string): Promise<CrdReview> {
  const live = (await client.api.get(KIND, "", name)) as KubeObject | undefined;
  const total = live ? await countOf(client, live) : 0;
  return { name, action: "retained", findings: [], customResources: noObjects(total) };
}

/** How many objects of its kind there are. */
export function countOf(client: ClusterClient, live: KubeObject): Promise<number> {
  const { group, names, versions } = (live as Crd).spec;
  const served = versions.find((version) => version.served)?.name ?? "";
  return client.api.count({ apiVersion: `${group}/${served}`, kind: names.kind });
}

/**
 * The CRDs among the templates, which helm itself changes: compared and checked like those of a `crds/` folder.
 *
 * @param objects of the release.
 */
export async function reviewTemplatedCrds(
  client: ClusterClient,
  objects: readonly ReleaseObject[],
  input: CrdInput,
): Promise<TemplatedCrds> {
  const changed = objects.flatMap(({ key, live, after, change }) => {
    const [before, next] = [asCrd(live), asCrd(after)];
    return before && next && change?.action === "update" ? [{ key, before, next }] : [];
  });
  const refused = new Map<string, ObjectCheck>();
  const crds = await Promise.all(
    changed.map(async ({ key, before, next }): Promise<CrdReview> => {
      const migration = input.migrations.get(next.metadata.name);
      const found = await reviewCustomResources(client, next, before, migration);
      const check = unfit(found, migration, input.rulesFile) ?? (migration ? undefined : unfinished(before));
      if (check) refused.set(key, check);
      return updated(before, next, found, input);
    }),
  );
  return { crds, refused };
}

/** What is known of the CRDs among the templates. */
export interface TemplatedCrds {
  readonly crds: CrdReview[];
  /** By the key of the object: why helm must not change it now. */
  readonly refused: ReadonlyMap<string, ObjectCheck>;
}

/** helm would end a migration that was begun, with objects in their old form. */
function unfinished(live: Crd): ObjectCheck | undefined {
  if (!isTransitional(live)) return undefined;
  return {
    result: "rejected",
    message: "a migration of its objects was begun, and the file of migrations does not name it any more",
    fix: `name it again (customResourceMigrations; see ${MIGRATION_DOC}), so that the migration is finished`,
  };
}

function noObjects(total: number): CrdReview["customResources"] {
  return { total, rejected: 0, pruned: 0, unchecked: [], examples: [], prunedFields: [] };
}
