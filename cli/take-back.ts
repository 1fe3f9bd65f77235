import { UserError } from "../shared/user-error";
import execa from "execa";
import type { UpgradeConfig } from "../config/config";
import { failedOnTop } from "../history/failed";
import type { ReleaseRevision } from "../history/updates";
import { helmRollbackArgs } from "../helm/rollback-line";
import { shellWord } from "../shared/shell-word";
import { confirmed } from "./confirm";
import { say } from "./output";
import { withProgress } from "./progress";

/**
 * Takes a failed revision of the release back by `helm rollback`, before anything is previewed: an upgrade from here
 * would leave on the cluster what only that revision added.
 *
 * @param yes do not ask.
 * @returns false when the user does not want it.
 * @throws UserError with what helm said.
 */
export async function takeBackFailed(
  config: UpgradeConfig,
  revisions: readonly ReleaseRevision[],
  yes: boolean,
): Promise<boolean> {
  const found = failedOnTop(revisions);
  if (!found) return true;
  const { context, kubeconfig, namespace, timeouts } = config;
  const { failed, good } = found;
  const args = [...helmRollbackArgs(config, good.revision), "--timeout", `${timeouts.release}s`];
  const line = `helm ${args.map(shellWord).join(" ")}`;
  say(
    `revision ${failed.revision} failed; what only it added would stay, so it is taken back to revision ${good.revision} ` +
      `(${good.chartVersion}) first:\n  ${line}`,
  );
  if (!yes && !(await confirmed("Take it back?", `${line}, or casa-upgrade rollback --yes`))) return false;
  const env = kubeconfig === undefined ? {} : { KUBECONFIG: kubeconfig };
  const run = await withProgress("taking it back", () => execa("helm", args, { env, reject: false }));
  if (!run.failed) return true;
  throw new UserError(
    "release",
    `revision ${failed.revision} could not be taken back: ${run.stderr.trim().split("\n").at(-1) ?? ""}`,
    `look at the pods (kubectl --context ${shellWord(context)} --namespace ${namespace} get pods), then repeat`,
  );
}
