import { shellWord } from "../shared/shell-word";

/** Which release, through which kubeconfig context. */
export interface RollbackTarget {
  readonly release: string;
  readonly namespace: string;
  readonly context: string;
}

/** Arguments of the helm command that goes back to a revision and waits. */
export function helmRollbackArgs({ release, namespace, context }: RollbackTarget, revision: number): string[] {
  return ["rollback", release, `${revision}`, "--namespace", namespace, "--kube-context", context, "--wait"];
}

/** The same as a line to type. */
export function helmRollbackLine(target: RollbackTarget, revision: number): string {
  return ["helm", ...helmRollbackArgs(target, revision)].map(shellWord).join(" ");
}
