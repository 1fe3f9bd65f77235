import execa from "execa";

/** How kubectl reaches the cluster. */
export interface KubectlAccess {
  readonly context: string;
  /** Kubeconfig path; unset: `$KUBECONFIG`, else `~/.kube/config`. */
  readonly kubeconfig?: string;
}

/**
 * Starts kubectl for what the API client cannot do: exec and port-forward, which are streams over an upgraded
 * connection.
 */
export function startKubectl(access: KubectlAccess, args: string[], options: execa.Options = {}) {
  const env = access.kubeconfig ? { KUBECONFIG: access.kubeconfig } : {};
  return execa("kubectl", ["--context", access.context, ...args], { reject: false, ...options, env });
}

/** The last line of kubectl's stderr without its prefix: what went wrong. */
export function kubectlProblem(stderr: string): string {
  const lines = stderr
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^(Defaulted container|[IW]\d{4} )/.test(line));
  // What kubectl logs of a connection that breaks is a consequence of what the command said before.
  const said = lines.filter((line) => !/^E\d{4} /.test(line));
  const reason =
    said.findLast((line) => !/^command terminated with exit code/.test(line)) ?? said.at(-1) ?? lines.at(-1);
  return (reason ?? "kubectl failed and printed nothing").replace(/^(Error from server|error):? ?/, "").trim();
}
