import { launcher } from "./launcher";
import { shellWord } from "./shell-word";

/** How a command line reaches the cluster of the stack. */
export interface ClusterAccess {
  /** Kubeconfig context; always named, so that a changed current-context never sends a command elsewhere. */
  context: string;
  /** Kubeconfig path; unset: `$KUBECONFIG`, else `~/.kube/config`. */
  kubeconfig?: string;
}

/** A `kubectl` command line against the stack's cluster. */
export function kubectl(access: ClusterAccess, ...args: string[]): string {
  return ["kubectl", "--context", access.context, ...args].map(shellWord).join(" ");
}

/**
 * One of this package's helper programs as a command line; the working directory of a command is the Pulumi program's.
 *
 * @param name as bundle/entries.json has it.
 */
export function program(name: ProgramName, access: ClusterAccess): string {
  return ["node", launcher(), ...[name, "--context", access.context].map(shellWord)].join(" ");
}

/** The helper programs. */
export type ProgramName = "backup" | "crds" | "injection" | "migration" | "migration-gate" | "restart-gate" | "soak";

/** Environment of a command: only what it needs beyond the one `pulumi` was started with. */
export function environment(access: ClusterAccess): Record<string, string> {
  return access.kubeconfig === undefined ? {} : { KUBECONFIG: access.kubeconfig };
}
