import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { type BackupOutput, backupResult, comparableBackup, type ComparableBackup } from "./job";
import type { BackupPlan } from "./plan";
import { type ClusterAccess, program } from "../../shared/shell";
import { helperCommand, isInRun } from "../helper-command";

/** What {@link DatabaseBackup} makes. */
export interface DatabaseBackupArgs {
  readonly plan: BackupPlan;
  readonly access: ClusterAccess;
}

/**
 * Verified backups of the runtime's databases, made before anything changes, and only when something will.
 *
 * - The dumps are begun together, each in one snapshot with its row counts.
 * - Each is read back from the destination, restored elsewhere (`backup.proof`) and compared; only then
 *   it counts. Anything that goes wrong fails this component, and so everything that depends on it.
 * - A run that changes nothing keeps what the last one that did has put out. The inputs say what this run does, so they
 *   would be a change of their own after each upgrade; therefore they are ignored in a run without one.
 *
 * Its inputs are plain values, known at preview: `enabled`, `willRun`, `releaseWillChange`, `verified`, `databases`,
 * `destination`, `keep`. Policies read them.
 */
export class DatabaseBackup extends pulumi.ComponentResource {
  /** The verified backups made by the last upgrade, one for each database. */
  readonly backups: pulumi.Output<BackupOutput[]>;
  /** The same with what the data is compared with after the chart; none of what an earlier version made. */
  readonly comparable: pulumi.Output<ComparableBackup[]>;
  /** False when this run needs the backups, and `--target` left them out. */
  readonly isInRun: pulumi.Output<boolean>;

  constructor(name: string, { plan, access }: DatabaseBackupArgs, opts?: pulumi.ComponentResourceOptions) {
    const { enabled, willRun, releaseWillChange, databases, destination, keep } = plan;
    const inputs = { enabled, willRun, releaseWillChange, verified: true, databases, destination, keep };
    super("casa-upgrade:index:DatabaseBackup", name, inputs, {
      ...opts,
      ignoreChanges: releaseWillChange ? [] : Object.keys(inputs),
    });
    const command = {
      line: program("backup", access),
      access,
      job: plan.job,
      idle: !releaseWillChange,
    };
    const made = helperCommand(`${name}-verified`, command, { parent: this });
    this.isInRun = isInRun(made, command);
    const results = made.stdout.apply((text) => z.array(backupResult).parse(JSON.parse(text)));
    this.backups = results.apply((all) => all.map(({ comparison: _comparison, ...told }) => told));
    this.comparable = results.apply((all) => all.flatMap((one) => comparableBackup.safeParse(one).data ?? []));
    this.registerOutputs({ backups: this.backups });
  }
}
