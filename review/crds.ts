import type { LiveCrd } from "../kubernetes/crds";
import type { ClusterClient } from "../kubernetes/connect";
import { reviewCustomResources } from "./custom-resources/live";
import { dryRunCreate, dryRunReplace } from "../kubernetes/dry-run";
import { compareCrds } from "../crds/compat/compare";
import { applySeverities, type CrdRuleOverride, DEFAULT_SEVERITIES } from "../crds/compat/overrides";
import type { CrMigration } from "../components/custom-resource-migration/plan";
import type { Crd, PlannedCrd } from "../crds/crds";
import { fieldChanges } from "./diff/object-change";
import type { Redactor } from "../kubernetes/redact";
import type { KubeObject } from "../kubernetes/objects";
import type { CrdReview, ObjectChange } from "./report/schema";
import { acceptedByRules, dryRunMigration, migrationReview, unfit } from "./crd-migration";

const KIND = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };

/** The CRDs of this upgrade, and what is known of those on the cluster. */
export interface CrdInput {
  planned: readonly PlannedCrd[];
  /** Names of CRDs that stay although the chart no longer ships them. */
  dropped: readonly string[];
  live: ReadonlyMap<string, LiveCrd>;
  /** As the installed chart version ships them. */
  installed: readonly Crd[];
  overrides: readonly CrdRuleOverride[];
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
): Promise<{ crds: CrdReview[]; changes: ObjectChange[] }> {
  const planned = await Promise.all(input.planned.map((crd) => reviewCrd(client, crd, input, redactor)));
  const retained = await Promise.all(input.dropped.map((name) => retainedCrd(client, name)));
  return {
    crds: [...planned.map(({ crd }) => crd), ...retained],
    changes: planned.flatMap(({ change }) => change ?? []),
  };
}

async function reviewCrd(
  client: ClusterClient,
  planned: PlannedCrd,
  input: CrdInput,
  redactor: Redactor,
): Promise<{ crd: CrdReview; change?: ObjectChange }> {
  const { name, manifest } = planned;
  const live = input.live.get(name);
  const common = { ...KIND, name, writer: "crds" as const };
  if (!live) {
    const { check } = await dryRunCreate(client, manifest, "");
    return {
      crd: { name, action: "create", findings: [], customResources: noObjects(0) },
      change: { ...common, action: "create", fields: [], folded: 0, check },
    };
  }
  const version = live.object.metadata["resourceVersion"];
  const replacement = { ...manifest, metadata: { ...manifest.metadata, resourceVersion: version } };
  const migration = input.migrations.get(name);
  const result = migration
    ? await dryRunMigration(client, live, planned, migration)
    : await dryRunReplace(client, replacement, "");
  const installed = input.installed.find((crd) => crd.metadata.name === name);
  const versions = { live: live.object, after: result.after ?? manifest, installed, target: manifest };
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
      : (unfit(objects, migration, input.rulesFile) ?? result.check);
  // While a migration is under way the live schema says nothing; what it replaced is what the installed chart brought.
  const before = migration?.underWay ? installed : (live.object as Crd);
  const findings = applySeverities(name, before ? compareCrds(before, manifest) : [], [
    ...DEFAULT_SEVERITIES,
    ...(migration ? acceptedByRules(name, migration) : []),
    ...input.overrides,
  ]);
  return {
    crd: {
      name,
      action: "update",
      findings,
      ...(migration ? { migration: migrationReview(migration, objects, input.destination) } : {}),
      customResources: objects.findings,
    },
    change: { ...common, action: "update", fields, folded, check },
  };
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

function countOf(client: ClusterClient, live: KubeObject): Promise<number> {
  const { group, names, versions } = (live as Crd).spec;
  const served = versions.find((version) => version.served)?.name ?? "";
  return client.api.count({ apiVersion: `${group}/${served}`, kind: names.kind });
}

function noObjects(total: number): CrdReview["customResources"] {
  return { total, rejected: 0, pruned: 0, unchecked: [], examples: [], prunedFields: [] };
}
