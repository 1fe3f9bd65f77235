import { lastCarriedOut } from "../helm/carried-out";
import type { ReleaseRevision } from "./updates";

/**
 * The newest revision when it failed, and the one that ran well before it. An upgrade compares with the latter, so what
 * only the failed one added (a container, a variable, an annotation) would stay on the cluster; `helm rollback`
 * compares with the failed one.
 */
export function failedOnTop<T extends ReleaseRevision>(revisions: readonly T[]): { failed: T; good: T } | undefined {
  const failed = [...revisions].sort((a, b) => b.revision - a.revision)[0];
  if (failed?.status !== "failed") return undefined;
  const good = lastCarriedOut(revisions);
  return good && { failed, good };
}
