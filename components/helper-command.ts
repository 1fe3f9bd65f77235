import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { type ClusterAccess, environment } from "../shared/shell";

/** A command of the upgrade: what it runs, what it is told, and when it runs again. */
export interface HelperCommandArgs {
  /** The command line; shared/shell.ts makes those of `kubectl` and of this project's programs. */
  readonly line: string;
  readonly access: ClusterAccess;
  /**
   * What the command is told, as JSON on stdin. It runs again whenever this differs from what it was told when it last
   * succeeded, so everything that makes another run necessary is in it.
   */
  readonly job: pulumi.Input<object>;
  /** The job holds secrets, so the engine encrypts it. Default false. */
  readonly secret?: boolean;
  /**
   * This run has nothing for the command to do. What the last one that had was told and put out is kept then, or the
   * record would change after every upgrade. A command that never succeeded runs all the same.
   */
  readonly idle: boolean;
  /**
   * What shows while it runs. `stderr` for a program that tells what it does; `none` for a wait that is silent until it
   * fails, whose output is in the error. Default `stderr`.
   */
  readonly logging?: "stderr" | "none";
  /** The command reads what it put out the last time. Default false. */
  readonly readsLastOutput?: boolean;
}

/** All inputs of a command: in an idle run none of them is compared. */
const INPUTS = ["create", "stdin", "environment", "logging", "addPreviousOutputInEnv", "triggers"];

/**
 * Whether the command of this run is what the engine has on record. It is not when the run left the command out
 * (`--target`, `--exclude`): then the record is the one of an earlier run.
 */
export function isInRun(command: local.Command, { job, idle }: HelperCommandArgs): pulumi.Output<boolean> {
  if (idle) return pulumi.output(true);
  return pulumi.all([command.stdin, job]).apply(([told, planned]) => told === JSON.stringify(planned));
}

/** Declares a command of the upgrade. Nothing happens on `destroy`. */
export function helperCommand(name: string, args: HelperCommandArgs, opts: pulumi.CustomResourceOptions) {
  const { line, access, job, secret = false, idle, logging = "stderr", readsLastOutput = false } = args;
  const stdin = pulumi.output(job).apply((told) => JSON.stringify(told));
  return new local.Command(
    name,
    {
      create: line,
      stdin: secret ? pulumi.secret(stdin) : stdin,
      environment: environment(access),
      logging,
      ...(readsLastOutput ? {} : { addPreviousOutputInEnv: false }),
    },
    { ...opts, ignoreChanges: idle ? INPUTS : [] },
  );
}
