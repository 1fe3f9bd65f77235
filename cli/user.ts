import { formatMessage } from "../history/recorded-texts";
import type { Review } from "../review/report/schema";
import * as os from "node:os";

/** Who runs this, for the history. A container's user may have a number only, which makes the call throw. */
export function userName(): string {
  try {
    return os.userInfo().username;
  } catch {
    return process.env["USER"] ?? `uid-${process.getuid?.() ?? "unknown"}`;
  }
}

/** The message of the update that carries a review out. */
export function messageFor({ identity: { chart } }: Review, user: string, rollbackTo?: number): string {
  return formatMessage({ chart: chart.name, before: chart.before ?? undefined, after: chart.after, user, rollbackTo });
}
