import { z } from "zod";
import type { ClaimDestination } from "./destination";

/** A PersistentVolumeClaim, as far as it decides whether backups can go there. */
export const claimSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string(), deletionTimestamp: z.string().optional() }),
  spec: z.looseObject({ accessModes: z.array(z.string()).nullish(), volumeMode: z.string().nullish() }),
  status: z.looseObject({ phase: z.string().nullish() }).nullish(),
});
export type Claim = z.infer<typeof claimSchema>;

/** Names that an error lists; a namespace may have very many. */
const MOST = 10;

/**
 * Why backups cannot go to a claim, and the fix; undefined when nothing speaks against it. A claim that is not bound
 * yet may be waiting for its first pod.
 *
 * @param others names of the claims in the namespace.
 */
export function claimProblem(
  to: Pick<ClaimDestination, "claim" | "namespace">,
  claim: Claim | undefined,
  others: readonly string[],
): { problem: string; fix: string } | undefined {
  const place = `PersistentVolumeClaim ${to.namespace}/${to.claim}`;
  const another = "pulumi config set --path backup.destination pvc://<claim>/<folder>";
  const existing = [...others].sort();
  const more = existing.length > MOST ? ` and ${existing.length - MOST} more` : "";
  const known = existing.length > 0 ? `it has: ${existing.slice(0, MOST).join(", ")}${more}` : "it has none";
  if (!claim) {
    const problem = `${place}, the backup destination, does not exist in the release's namespace (${known})`;
    return { problem, fix: `create it, or name one that is there: ${another}` };
  }
  if (claim.metadata.deletionTimestamp !== undefined) {
    return { problem: `${place}, the backup destination, is being deleted`, fix: `name another one: ${another}` };
  }
  if (claim.status?.phase === "Lost") {
    const problem = `${place}, the backup destination, has lost its volume (phase Lost)`;
    return { problem, fix: `bring the volume back (kubectl describe), or name another claim: ${another}` };
  }
  if (claim.spec.volumeMode === "Block") {
    const problem = `${place}, the backup destination, is a block device (volumeMode Block), not a file system`;
    return { problem, fix: `name a claim with volumeMode Filesystem: ${another}` };
  }
  const modes = claim.spec.accessModes ?? [];
  if (modes.length > 0 && modes.every((mode) => mode === "ReadOnlyMany")) {
    return { problem: `${place}, the backup destination, is for reading only`, fix: `name another one: ${another}` };
  }
  return undefined;
}

/** Cause and fix of a command in the helper pod that failed, by what it and kubectl printed. */
export function explainClaimFailure(to: ClaimDestination, said: string): { why: string; fix: string } {
  const another = "choose another place: pulumi config set --path backup.destination";
  const known: [RegExp, string, string][] = [
    [
      /No space left on device|Disk quota exceeded/i,
      "the disk is full",
      `make room on the claim (fewer backups: backup.keep; or a larger claim), or ${another}`,
    ],
    [
      /Forbidden|cannot (?:get|create) resource "pods\/exec"/i,
      `kubectl exec is not allowed (${said})`,
      `let the user get and create pods/exec in namespace ${to.namespace}`,
    ],
    [
      /Permission denied|Operation not permitted/i,
      `the helper pod may not write there (${said})`,
      `let its user and group write: chown the folder, or whatever the storage takes the owner from (see docs/backup.md); or ${another}`,
    ],
    [
      /Read-only file system/i,
      `the volume is read-only (${said})`,
      `look at the volume (a disk with errors is mounted so), or ${another}`,
    ],
    [
      /executable file not found|exec format error|: not found/i,
      `a program is missing in image ${to.image} (${said})`,
      "set backup.pvcImage to one with sh, cat, mkdir, mv, rm, sleep, sync and sha256sum, made for the nodes' processors",
    ],
    [
      /pods? ".*" not found|container not found|cannot exec .* completed pod|deadline/i,
      `its helper pod is gone (${said})`,
      "see who deletes pods there (eviction, drained node), then repeat; dumps that take long need a higher backup.timeoutSeconds",
    ],
  ];
  const [, why, fix] = known.find(([pattern]) => pattern.test(said)) ?? [];
  return { why: why ?? said, fix: fix ?? "repair what the message names, then repeat" };
}
