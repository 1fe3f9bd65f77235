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

/** One of this project's helper programs as a command line; the working directory of a command is the project's. */
export function program(path: string, access: ClusterAccess): string {
  return ["node", "--require", "esbuild-register", path, "--context", access.context].map(shellWord).join(" ");
}

/** Environment of a command: only what it needs beyond the one `pulumi` was started with. */
export function environment(access: ClusterAccess): Record<string, string> {
  return access.kubeconfig === undefined ? {} : { KUBECONFIG: access.kubeconfig };
}
