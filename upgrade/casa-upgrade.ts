// The modules of what is used: the whole package takes a tenth of a second to load.
import { Provider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import { finished } from "./finished";
import { planFor, previewLines, type UpgradePlan } from "./plan";
import { childNames } from "../components/child-names";
import { CrdSet } from "../components/crd-set/component";
import { CustomResourceMigration } from "../components/custom-resource-migration/component";
import { DatabaseBackup } from "../components/database-backup/component";
import { MigrationGate } from "../components/migration-gate/component";
import { RuntimeRelease } from "../components/runtime-release/component";
import { reviewArgs, UpgradeReview } from "./upgrade-review";
import { restartRecord, WorkloadRestarts } from "../components/workload-restarts/component";
import { inWordsFor, loadArguments } from "../config/arguments";
import { showUserErrors } from "../config/show-errors";
import type { CasaUpgradeArgs } from "../config/upgrade-args";
import type { CasaUpgradeResults } from "./results";
import { refuseIncompleteRun } from "./last-look";
import { startCommandPlugin } from "./start-plugins";

export type { CasaUpgradeArgs, CasaUpgradeResults };

/** What the stack's state records as outputs; the cluster is among the inputs. */
type RecordedResults = Omit<CasaUpgradeResults, "cluster">;

/**
 * One upgrade of a CASA runtime: a verified backup, custom resources in their next form, CRDs, then the chart, then its
 * migration, then the MAS workloads. Each step depends on the one before; a failed step leaves the later ones
 * untouched, and the next `pulumi up` goes on from there.
 *
 * Chart and cluster are read, and all is decided, before the first resource is declared, in a preview too. What cannot
 * work is refused then. Paths in the arguments are relative to the Pulumi program's folder.
 */
export class CasaUpgrade extends pulumi.ComponentResource<RecordedResults> implements CasaUpgradeResults {
  /** The cluster that is upgraded. */
  readonly cluster: CasaUpgradeResults["cluster"];
  /** Chart version before this upgrade and after it; `before` is null after a first install. */
  readonly versions: CasaUpgradeResults["versions"];
  /** Verified backups that the last upgrade made before it changed anything. */
  readonly backups: CasaUpgradeResults["backups"];
  /** What the last migration of custom resources did, for each CRD. */
  readonly customResourcesMigrated: CasaUpgradeResults["customResourcesMigrated"];
  /** CRDs applied for this chart version. */
  readonly crdsApplied: CasaUpgradeResults["crdsApplied"];
  /** CRDs that stay on the cluster although this chart version does not ship them. */
  readonly crdsRetained: CasaUpgradeResults["crdsRetained"];
  /** What the gate after the chart found; null when it is turned off or had nothing to wait for. */
  readonly migration: CasaUpgradeResults["migration"];
  /** MAS workloads (`Kind/namespace/name`) restarted for this configuration. */
  readonly workloadsRestarted: CasaUpgradeResults["workloadsRestarted"];
  /** MAS workloads left alone, and why. */
  readonly workloadsSkipped: CasaUpgradeResults["workloadsSkipped"];

  /** What the constructor was given, for {@link initialize}. */
  readonly #given: { name: string; plan: Promise<UpgradePlan>; inWords: (text: string) => string };

  constructor(name: string, args: CasaUpgradeArgs, opts?: pulumi.ComponentResourceOptions) {
    const inWords = inWordsFor(name, args);
    startCommandPlugin();
    const plan = planAfter(name, args, opts, inWords);
    const inputs = {
      cluster: plan.then(({ cluster }) => cluster),
      before: plan.then(({ versions }) => versions.before),
      after: plan.then(({ versions }) => versions.after),
    };
    super("casa-upgrade:index:CasaUpgrade", name, inputs, opts);
    this.#given = { name, plan, inWords };
    const results = this.getData();
    const result = <T>(of: (all: RecordedResults) => pulumi.Output<T>) => pulumi.output(results.then(of));
    this.cluster = pulumi.output(inputs.cluster);
    this.versions = result(({ versions }) => versions);
    this.backups = result(({ backups }) => backups);
    this.customResourcesMigrated = result(({ customResourcesMigrated }) => customResourcesMigrated);
    this.crdsApplied = result(({ crdsApplied }) => crdsApplied);
    this.crdsRetained = result(({ crdsRetained }) => crdsRetained);
    this.migration = result(({ migration }) => migration);
    this.workloadsRestarted = result(({ workloadsRestarted }) => workloadsRestarted);
    this.workloadsSkipped = result(({ workloadsSkipped }) => workloadsSkipped);
  }

  /** Declares the steps once the plan is there; the SDK makes who depends on this component wait for that. */
  protected override async initialize(): Promise<RecordedResults> {
    await Promise.resolve(); // it is called by the base's constructor, so ours has to end first
    const { name, plan: planned, inWords } = this.#given;
    const plan = await planned;
    for (const warning of plan.warnings) await pulumi.log.warn(inWords(warning), this);
    const results = this.declare(name, plan);
    this.registerOutputs(results);
    // A reviewer reads the essence at the end of the preview; `casa-upgrade plan` writes the whole review.
    if (pulumi.runtime.isDryRun()) {
      for (const line of previewLines(plan)) await pulumi.log.info(inWords(line), this);
    }
    return results;
  }

  private declare(name: string, plan: UpgradePlan): RecordedResults {
    const called = childNames(name);
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
      restartRecord(called(plan.before.name), plan.before, plan.release.namespace, plan.before.recorded, {
        ...{ parent: this, provider, dependsOn },
      });
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
    const crds = new CrdSet(`${name}-crds`, { ...plan.crds, access: plan.access, called }, step([objects]));
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
    // Of a chart without crds/ nothing waits for the migration but helm.
    const runtime = new RuntimeRelease(name, { ...plan.release, lastLook }, step([objects, crds, ...before]));
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
          { ...plan.restarts, access: plan.access, called },
          step([gate ?? runtime, ...before]),
        )
      : undefined;

    return {
      versions: pulumi.output({ before: plan.versions.before ?? null, after: plan.versions.after }),
      backups: backup.backups,
      customResourcesMigrated: objects.migrated,
      crdsApplied: crds.applied,
      crdsRetained: crds.retained,
      migration: gate ? gate.result : pulumi.output(null),
      workloadsRestarted: restarts ? restarts.restarted : pulumi.output([]),
      workloadsSkipped: restarts ? restarts.skipped : pulumi.output([]),
    };
  }
}

/** The plan of an upgrade, made once what it depends on is done. */
async function planAfter(
  name: string,
  args: CasaUpgradeArgs,
  opts: pulumi.ComponentResourceOptions | undefined,
  inWords: (text: string) => string,
): Promise<UpgradePlan> {
  await finished(opts?.dependsOn);
  try {
    return await showUserErrors(async () => planFor(await loadArguments(args), pulumi.getStack(), name), inWords);
  } catch (error) {
    throw error instanceof Error ? withItsOwnMessage(error) : error;
  }
}

/**
 * The component's inputs come of the plan, and the SDK puts the name of an input in front of the message of an error
 * that it gets in the place of one. The error must stay the same object, or it would be told more than once.
 */
function withItsOwnMessage(error: Error): Error {
  const { message } = error;
  return Object.defineProperty(error, "message", { get: () => message, set: () => undefined });
}
