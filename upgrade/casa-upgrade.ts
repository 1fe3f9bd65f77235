// The modules of what is used: the whole package takes a tenth of a second to load.
import { Provider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import type { UpgradePlan } from "./plan";
import { CrdSet } from "../components/crd-set/component";
import { CustomResourceMigration } from "../components/custom-resource-migration/component";
import { DatabaseBackup } from "../components/database-backup/component";
import { MigrationGate, type MigrationGateResult } from "../components/migration-gate/component";
import { RuntimeRelease } from "../components/runtime-release/component";
import { reviewArgs, UpgradeReview } from "./upgrade-review";
import { restartRecord, WorkloadRestarts } from "../components/workload-restarts/component";
import { refuseIncompleteRun } from "./last-look";

/** What {@link CasaUpgrade} carries out. */
export interface CasaUpgradeArgs {
  /** The decisions, made from config, chart and cluster before the first resource. */
  readonly plan: UpgradePlan;
}

/**
 * One upgrade of a CASA runtime: a verified backup, custom resources in their next form, CRDs, then the chart, then its
 * migration, then the MAS workloads. Each step depends on the one before; a failed step leaves the later ones
 * untouched, and the next `pulumi up` goes on from there.
 */
export class CasaUpgrade extends pulumi.ComponentResource {
  /** Chart version before this upgrade and after it; `before` is null after a first install. */
  readonly versions: pulumi.Output<{ before: string | null; after: string }>;
  /** Verified backups that the last upgrade made before it changed anything. */
  readonly backups: DatabaseBackup["backups"];
  /** What the last migration of custom resources did, for each CRD. */
  readonly customResourcesMigrated: CustomResourceMigration["migrated"];
  /** CRDs applied for this chart version. */
  readonly crdsApplied: pulumi.Output<string[]>;
  /** CRDs that stay on the cluster although this chart version does not ship them. */
  readonly crdsRetained: pulumi.Output<string[]>;
  /** What the gate after the chart found; null when it is turned off or had nothing to wait for. */
  readonly migration: pulumi.Output<MigrationGateResult | null>;
  /** MAS workloads (`Kind/namespace/name`) restarted for this configuration. */
  readonly workloadsRestarted: pulumi.Output<string[]>;
  /** MAS workloads left alone, and why. */
  readonly workloadsSkipped: pulumi.Output<{ workload: string; reason: string }[]>;

  constructor(name: string, args: CasaUpgradeArgs, opts?: pulumi.ComponentResourceOptions) {
    const { plan } = args;
    super(
      "casa-upgrade:index:CasaUpgrade",
      name,
      { cluster: plan.cluster, before: plan.versions.before, after: plan.versions.after },
      opts,
    );
    const provider = new Provider(
      `${name}-cluster`,
      {
        kubeconfig: plan.access.kubeconfig,
        context: plan.access.context,
        // One fixed identifier per stack: a kubeconfig that moved or a renamed context must never make the engine
        // replace (uninstall here, install there) the runtime. Pre-flight guards against the wrong cluster.
        clusterIdentifier: `${pulumi.getProject()}/${pulumi.getStack()}`,
        enableConfigMapMutable: true,
      },
      { parent: this },
    );
    const step = (dependsOn: pulumi.Resource[]) => ({ parent: this, providers: { kubernetes: provider }, dependsOn });

    // First of all, and everything waits for it: what a policy refuses there must not have begun.
    const review = new UpgradeReview(`${name}-review`, reviewArgs(plan.review), { parent: this });
    const recordBefore = (dependsOn: pulumi.Resource[]) =>
      restartRecord(plan.before, plan.release.namespace, plan.before.recorded, { parent: this, provider, dependsOn });
    const backup = new DatabaseBackup(
      `${name}-backup`,
      { plan: plan.backup, access: plan.access },
      { parent: this, dependsOn: [review] },
    );
    const objects = new CustomResourceMigration(
      `${name}-custom-resources`,
      { ...plan.customResources, access: plan.access },
      { parent: this, dependsOn: [backup] },
    );
    const crds = new CrdSet(`${name}-crds`, { ...plan.crds, access: plan.access }, step([objects]));
    // An install finds no namespace for the record: helm makes that first. Killed in between, the next run knows by
    // helm's own record that the release is ours and every workload older.
    const before = plan.release.exists ? [recordBefore([backup])] : [];
    // What the run leaves out never says so, and what it does not leave out has said so by then.
    const inRun = new Set<string>();
    const note = (what: string, { isInRun }: { isInRun: pulumi.Output<boolean> }) =>
      isInRun.apply((is) => void (is && inRun.add(what)));
    const steps = { "the backup": backup, "the migration of custom resources": objects, "the CRDs": crds };
    for (const [what, component] of Object.entries(steps)) note(what, component);
    const lastLook = async () => {
      refuseIncompleteRun(Object.keys(steps).filter((what) => !inRun.has(what)));
      await plan.release.lastLook();
    };
    const runtime = new RuntimeRelease(name, { ...plan.release, lastLook }, step([crds, ...before]));
    if (!plan.release.exists) before.push(recordBefore([runtime]));
    const gate = plan.migrationGate
      ? new MigrationGate(
          `${name}-migration`,
          { ...plan.migrationGate, revision: runtime.revision, backups: backup.comparable, access: plan.access },
          step([runtime]),
        )
      : undefined;
    const restarts = plan.restarts
      ? new WorkloadRestarts(
          `${name}-restarts`,
          { ...plan.restarts, access: plan.access },
          step([gate ?? runtime, ...before]),
        )
      : undefined;

    this.versions = pulumi.output({ before: plan.versions.before ?? null, after: plan.versions.after });
    this.backups = backup.backups;
    this.customResourcesMigrated = objects.migrated;
    this.crdsApplied = crds.applied;
    this.crdsRetained = crds.retained;
    this.migration = gate ? gate.result : pulumi.output(null);
    this.workloadsRestarted = restarts ? restarts.restarted : pulumi.output([]);
    this.workloadsSkipped = restarts ? restarts.skipped : pulumi.output([]);
    this.registerOutputs({
      versions: this.versions,
      backups: this.backups,
      customResourcesMigrated: this.customResourcesMigrated,
      crdsApplied: this.crdsApplied,
      crdsRetained: this.crdsRetained,
      migration: this.migration,
      workloadsRestarted: this.workloadsRestarted,
      workloadsSkipped: this.workloadsSkipped,
    });
  }
}
