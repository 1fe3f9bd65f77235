/** What kind of problem a user has. Programs decide by it; the words may change. */
export type UserErrorCode =
  /** The command line cannot be understood. */
  | "usage"
  /** The stack's configuration is wrong. */
  | "config"
  /** A question must be asked, and there is no terminal. */
  | "no-terminal"
  /** A program that is needed is not on PATH. */
  | "tool-missing"
  /** The stack, its file or its state cannot be used. */
  | "stack"
  /** The stack's history cannot be read, or has nothing to go back to. */
  | "history"
  /** A preview ended without a review. */
  | "no-review"
  /** A file that should hold a review does not, or cannot be written. */
  | "plan-file"
  /** The cluster or the chart is not as in the review that was approved. */
  | "plan-changed"
  /** What is about to be done was not in the review of this run, or a step before it was left out. */
  | "not-reviewed"
  /** A rule, the API server or the user's own limits refuse this. */
  | "refused"
  /** Going back would lose data. */
  | "data-loss"
  | "kubeconfig"
  /** The API server cannot be reached, or does not accept the credentials. */
  | "connection"
  /** It is another cluster than the stack's. */
  | "wrong-cluster"
  /** The user of the context may not do something that the upgrade needs. */
  | "permission"
  /** An object on the cluster is not as its kind says. */
  | "malformed-object"
  /** The chart cannot be fetched, read or rendered. */
  | "chart"
  /** A CRD in the chart cannot be used. */
  | "crd"
  /** helm's record of the release is missing, damaged, or in a state that cannot be upgraded. */
  | "release"
  | "not-installed"
  /** Objects of the chart belong to somebody else. */
  | "ownership"
  /** Restarted pods would not get the new configuration. */
  | "injection"
  | "backup"
  | "custom-resource-migration";

/**
 * Something that the user can do something about. It is shown as it is, without a stack trace; any other error is a
 * mistake of this program and keeps its own.
 */
export class UserError extends Error {
  /**
   * @param problem what is wrong, with the names of the objects.
   * @param fix what to type or to do; left out where the problem says it.
   */
  constructor(
    readonly code: UserErrorCode,
    readonly problem: string,
    readonly fix?: string,
  ) {
    super(errorText(problem, fix));
  }
}

/** How a problem and its fix are shown, everywhere. */
export function errorText(problem: string, fix: string | undefined): string {
  return fix === undefined ? problem : `${problem}\n  Fix: ${fix}`;
}
