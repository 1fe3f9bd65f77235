import { z } from "zod";
import type { ChildNames } from "../components/child-names";
import { shellWord } from "../shared/shell-word";
import { readStackState } from "../shared/stack-state";
import { UserError } from "../shared/user-error";

const answer = z.looseObject({ outputs: z.record(z.string(), z.unknown()) });

/**
 * Restart records that the stack's state has and the cluster has not. The kubernetes provider would say no more of them
 * than "not found", in a preview, too.
 *
 * @param missing names of the ConfigMaps that are not on the cluster.
 * @param called what their resources are called.
 * @throws UserError with the line that makes it right.
 */
export async function refuseLostRecords(
  stack: string,
  namespace: string,
  missing: readonly string[],
  called: ChildNames,
): Promise<void> {
  if (missing.length === 0) return;
  const lost = lostRecords(await readStackState(stack), missing, called);
  if (lost.length === 0) return;
  const targets = lost.map((name) => `--target ${shellWord(`**::${called(name)}`)}`).join(" ");
  throw new UserError(
    "refused",
    `the restart records ${lost.map((name) => `${namespace}/${name}`).join(" and ")} were deleted from the cluster, ` +
      "and the stack's state still has them",
    `pulumi refresh --yes ${targets} (they are made anew by the next run; workloads with the stamp of now are not restarted)`,
  );
}

/** Which of these the engine's answer has. */
export function lostRecords(state: unknown, missing: readonly string[], called: ChildNames = (name) => name): string[] {
  const urns = Object.keys(answer.safeParse(state).data?.outputs ?? {});
  return missing.filter((name) => urns.some((urn) => urn.endsWith(`kubernetes:core/v1:ConfigMap::${called(name)}`)));
}
