import { ApiError, UnreachableError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import type { WorkloadKind } from "../../../kubernetes/workload";
import { readWorkload } from "../../../kubernetes/workloads";
import { keepsAll } from "../replaced-pods";
import { whyNot } from "../restarts";
import type { SkipReason } from "../skipped";

/**
 * Why a workload must be left alone by now, although the plan restarts it: it may have been deleted, paused or scaled
 * down since. Where it cannot be looked at, the restart itself says what is wrong.
 */
export async function lookAgain(
  client: ClusterClient,
  workload: { kind: WorkloadKind; namespace: string; name: string },
  namedBy: string,
): Promise<SkipReason | undefined> {
  try {
    const live = (await readWorkload(client, workload))?.live;
    return live ? whyNot({ ...live, keepsAll: keepsAll(live) }, []) : { code: "not-found", namedBy };
  } catch (error) {
    if (error instanceof ApiError || error instanceof UnreachableError) return undefined;
    throw error;
  }
}
