import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { tryPod } from "../../../kubernetes/try-pod";
import { type LiveWorkload, readWorkload } from "../../../kubernetes/workloads";
import { keepsAll } from "../replaced-pods";
import { type RestartTarget, whyNot } from "../restarts";
import type { SkipReason } from "../skipped";

const POLL_MS = 500;

/** Looks at workloads again when their turn comes: they may have been deleted, paused or scaled down since the plan. */
export class LookAgain {
  private end: number | undefined;

  /** @param seconds how long webhooks that did not answer are waited for, all together. */
  constructor(
    private readonly client: ClusterClient,
    private readonly seconds: number,
  ) {}

  /**
   * Why a workload must be left alone by now, although the plan restarts it. Where it cannot be looked at, the restart
   * itself says what is wrong.
   */
  async at(target: RestartTarget, namedBy: string): Promise<SkipReason | undefined> {
    try {
      const live = (await readWorkload(this.client, target))?.live;
      if (!live) return { code: "not-found", namedBy };
      const obstacle = whyNot({ ...live, keepsAll: keepsAll(live) }, []);
      return obstacle ?? (target.held ? await this.silentWebhook(live) : undefined);
    } catch (error) {
      if (error instanceof ApiError || error instanceof UnreachableError) return undefined;
      throw error;
    }
  }

  /** Nothing is restarted before its new pods can be created: a strategy that takes old ones first leaves none. */
  private async silentWebhook(live: LiveWorkload): Promise<SkipReason | undefined> {
    this.end ??= Date.now() + this.seconds * 1000;
    for (;;) {
      const answer = await tryPod(this.client, live);
      if (!("problem" in answer) || answer.problem !== "down") return undefined;
      if (Date.now() >= this.end) return { code: "webhook-down", message: answer.message };
      await sleep(POLL_MS);
    }
  }
}
