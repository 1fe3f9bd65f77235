import { lookAtStore } from "../database-backup/cluster/open-store";
import type { ClusterClient } from "../../kubernetes/connect";
import type { LiveCrd } from "../../kubernetes/crds";
import { missingPermissions, type Permission, permissionProblem, permissions } from "../../kubernetes/permissions";
import type { CustomResourceMigrationArgs } from "./component";
import { destinationOf } from "../database-backup/plan";
import type { UpgradeConfig } from "../../config/config";
import type { PlannedCrd } from "../../crds/crds";
import type { CrMigration } from "./plan";

/** The CRDs of an upgrade, and what is done to their objects first. */
export interface MigratedCrds {
  /** Of the chart's `crds/`, ready to be applied. */
  readonly planned: readonly PlannedCrd[];
  /** Among its templates, those whose objects are migrated: the migration puts them in place, helm finds them so. */
  readonly templated: readonly PlannedCrd[];
  /** Of custom resources, before the new schema is served. */
  readonly migrations: readonly CrMigration[];
}

function manifestOf({ planned, templated }: MigratedCrds, crd: string) {
  return [...planned, ...templated].find(({ name }) => name === crd)?.manifest;
}

/** What the component is given: one job for each CRD whose objects are migrated. */
export function customResourceJobs(
  config: UpgradeConfig,
  stack: string,
  crds: MigratedCrds,
  live: ReadonlyMap<string, LiveCrd>,
): Omit<CustomResourceMigrationArgs, "access"> {
  const { migrations } = crds;
  const jobs = migrations.map(({ crd, from, to, readIn, rules, storage }) => ({
    crd,
    from: [...from],
    to,
    readIn,
    rules: [...rules],
    storage,
    manifest: manifestOf(crds, crd) ?? {},
    stack,
    release: { name: config.release, namespace: config.namespace },
    destination: destinationOf(config),
    timeoutSeconds: config.timeouts.customResources,
  }));
  const versions = migrations.map(({ crd }) => {
    const version = live.get(crd)?.object.metadata["resourceVersion"];
    return `${crd} ${typeof version === "string" ? version : ""}`;
  });
  return { jobs, occasion: versions.join(", ") };
}

/**
 * Refuses at preview what would be refused half-way through a migration: missing permissions, no place to save the
 * objects in.
 */
export async function refuseUnlessMigratable(
  client: ClusterClient,
  config: UpgradeConfig,
  stack: string,
  crds: MigratedCrds,
): Promise<void> {
  const needed = crds.migrations.flatMap(({ crd }): Permission[] => {
    const { spec } = manifestOf(crds, crd) ?? {};
    if (!spec) return [];
    const { group, names } = spec;
    const status = { verb: "update", subresource: "status" };
    return [
      ...permissions(["get", "list", "update"], group, [names.plural]),
      { ...status, group, resource: names.plural },
      { ...status, group: "apiextensions.k8s.io", resource: "customresourcedefinitions" },
    ];
  });
  if (needed.length === 0) return;
  const problem = permissionProblem(await missingPermissions(client, needed), client.context);
  if (problem) throw problem;
  // A look into a claim takes a pod.
  if (client.readOnly) return;
  await lookAtStore(destinationOf(config), stack, { client, release: config.release, purpose: "backup" }).check();
}
