/** Whether helm carried a revision out; one that failed or never ended runs nothing of its own, and upgrades do not compare with it. */
export function isCarriedOut({ status }: { readonly status: string }): boolean {
  return status === "deployed" || status === "superseded";
}
