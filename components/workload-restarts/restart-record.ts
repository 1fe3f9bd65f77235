import { z } from "zod";
import type { RecordedStamp } from "./restarts";

/**
 * What workloads without a stamp of their own run under is remembered in two ConfigMaps beside the release: `before` is
 * written before the chart changes for the first time, `after` when every restart is done. A run that dies in between
 * leaves `after` as it was, so the next one still knows that the unstamped workloads are behind.
 *
 * On the cluster and not in Pulumi's state, because a lost or recreated stack must not restart everything.
 */
export function recordNames(release: string): { before: string; after: string } {
  return { before: `casa-upgrade-${release}-before`, after: `casa-upgrade-${release}-after` };
}

const recordData = z.object({
  stamp: z.string().min(1),
  reason: z.string().optional(),
  stale: z
    .string()
    .transform((text, ctx): string[] => {
      const parsed = z.array(z.string()).safeParse(safeJson(text));
      if (parsed.success) return parsed.data;
      ctx.addIssue({ code: "custom", message: "is not a JSON list of names" });
      return z.NEVER;
    })
    .optional(),
});

/** Reads the data of one record; undefined when it was damaged by hand, which the caller treats as absent. */
export function parseRecord(data: unknown): RecordedStamp | undefined {
  const parsed = recordData.safeParse(data);
  if (!parsed.success) return undefined;
  const { stamp, stale = [], reason } = parsed.data;
  return { stamp, stale, ...(reason === undefined ? {} : { reason }) };
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
