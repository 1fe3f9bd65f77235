import { UserError } from "../../../shared/user-error";

/** Does the same for all at once; the first failure stops the rest. */
export async function together<T, R>(
  timeoutSeconds: number,
  items: readonly T[],
  act: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const abort = new AbortController();
  const late = new UserError(
    "backup",
    `the backup was not done within ${timeoutSeconds} s`,
    `allow more: pulumi config set --path backup.timeoutSeconds ${timeoutSeconds * 2}`,
  );
  let cause: unknown;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = !abort.signal.aborted;
    abort.abort(late);
  }, timeoutSeconds * 1000);
  const all = await Promise.allSettled(
    items.map(async (item) => {
      try {
        return await act(item, abort.signal);
      } catch (error) {
        cause ??= error;
        abort.abort(cause);
        throw error;
      }
    }),
  );
  clearTimeout(timer);
  // The one that knows what it waited for says most.
  const told = all.flatMap((one) => (one.status === "rejected" && one.reason instanceof UserError ? [one.reason] : []));
  if (isLate && cause !== undefined) throw told.find(({ message }) => message !== late.message) ?? late;
  // Thrown only when all have ended: nothing of ours writes any more then.
  if (cause !== undefined) throw cause as Error;
  return all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
}
