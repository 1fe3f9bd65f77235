/**
 * Whether helm carried a revision out; one that failed or never ended runs nothing of its own, and upgrades do not
 * compare with it.
 */
export function isCarriedOut({ status }: { readonly status: string }): boolean {
  return status === "deployed" || status === "superseded";
}

/** The newest revision that helm carried out; undefined when there is none. Whatever the order of the list. */
export function lastCarriedOut<T extends { readonly revision: number; readonly status: string }>(
  revisions: readonly T[],
): T | undefined {
  return [...revisions].sort((a, b) => b.revision - a.revision).find(isCarriedOut);
}
