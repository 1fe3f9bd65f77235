import type { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { type GateJob, type GateReport, type GateSettings, parseReport } from "./settings";
import type { ComparableBackup } from "../database-backup/job";
import { type ClusterAccess, program } from "../../shared/shell";
import { helperCommand } from "../helper-command";

/** What {@link MigrationGate} waits for. */
export interface MigrationGateArgs {
  /** What to look at and how long; undefined when the chart has no auth service to wait for. */
  readonly settings?: GateSettings;
  /** Why there is none, in words. */
  readonly missing?: string;
  /** Configured secrets, which error texts must not show. Default none. */
  readonly secrets?: readonly string[];
  /** Hash of what the chart renders. */
  readonly digest: string;
  /** helm's revision of the release: the gate runs once for each. */
  readonly revision: pulumi.Input<number>;
  /** The gate was passed for exactly this, by a version of this program that recorded it in another form. */
  readonly passed: boolean;
  /** Backups of this run, which the databases are compared with. */
  readonly backups?: pulumi.Input<ComparableBackup[]>;
  /** Config `migrationGate.compareData` is false. */
  readonly acceptsLoss?: boolean;
  readonly access: ClusterAccess;
}

/** What a passed gate found. */
export interface MigrationGateResult {
  /** Names of the auth service's pods, all ready. */
  readonly podsReady: string[];
  /**
   * Revisions of the schema (alembic's heads); null when there is no table or it was not checked, `revisionNote` says
   * why.
   */
  readonly revision: string[] | null;
  readonly revisionNote: string;
  /** What the HTTP probe answered, in words. */
  readonly probe: string;
}

/**
 * Lets the upgrade go on only when the auth service's schema migration went well: every replica runs the new template
 * and is ready, no log says that the migration failed, the optional HTTP probe answers, the schema revision is
 * plausible.
 *
 * - One program of ours does it, once for each revision of the release. A gate that failed is not in the state, so the
 *   next `pulumi up` looks again; one that passed is not repeated.
 * - The digest shows at preview that the gate will run. helm's revision, known only afterwards, makes it run for what
 *   the digest leaves out: changed secrets, and a way back to a version that passed before.
 * - It changes nothing on the cluster, and nothing happens on `destroy`.
 */
export class MigrationGate extends pulumi.ComponentResource {
  /** Null when there was nothing to wait for. */
  readonly result: pulumi.Output<MigrationGateResult | null>;

  constructor(name: string, args: MigrationGateArgs, opts?: pulumi.ComponentResourceOptions) {
    const { settings, missing, digest } = args;
    const { known: _known, rollback: _rollback, ...looksAt } = settings ?? { known: [], rollback: {} };
    super("casa-upgrade:index:MigrationGate", name, { ...looksAt, missing, digest }, opts);
    this.result = settings ? resultOf(this.gate(name, args, settings)) : pulumi.output(null);
    this.registerOutputs({ result: this.result });
  }

  private gate(name: string, args: MigrationGateArgs, settings: GateSettings): local.Command {
    const { secrets = [], digest: chart, access, passed } = args;
    return helperCommand(
      `${name}-passed`,
      {
        line: program("migration-gate", access),
        access,
        job: pulumi.all([args.revision, args.backups ?? []]).apply(([revision, backups]): GateJob => ({
          ...{ settings, secrets: [...secrets], chart, revision },
          // What an earlier version recorded has neither, and must stay as it is.
          ...(backups.length > 0 && !args.acceptsLoss ? { backups } : {}),
          ...(args.acceptsLoss ? { acceptsLoss: true } : {}),
        })),
        secret: secrets.length > 0,
        idle: passed,
        // The schema revisions that earlier gates saw.
        readsLastOutput: true,
      },
      { parent: this },
    );
  }
}

/** The secrets on stdin make the engine treat the output as secret too; the program has masked it, so it may show. */
function resultOf(command: { stdout: pulumi.Output<string> }): pulumi.Output<MigrationGateResult | null> {
  return pulumi.unsecret(command.stdout).apply((text) => {
    const report: GateReport | undefined = parseReport(text);
    if (!report) return null;
    const { seen: _seen, data: _data, logs: _logs, ...result } = report;
    return result;
  });
}
