import type { ClusterClient } from "../../../kubernetes/connect";
import { checkClaim } from "./claim-check";
import { readNewestRun } from "./claim-record";
import type { ClaimDestination, Destination } from "../destination";
import { LocalStore } from "./local-store";
import { type ClaimAccess, PvcStore } from "./pvc-store";
import { S3Store } from "./s3-store";
import type { BackupStore } from "./store";

/** Opens a destination for the backups of a stack; says nothing yet about whether it works. To be closed. */
export function openStore(to: Exclude<Destination, ClaimDestination>, stack: string): BackupStore;
export function openStore(to: Destination, stack: string, access: ClaimAccess): BackupStore;
export function openStore(to: Destination, stack: string, access?: ClaimAccess): BackupStore {
  if (to.kind === "folder") return new LocalStore(to.path, stack);
  if (to.kind === "s3") return new S3Store(to, stack);
  if (!access) throw new Error("a claim is only reached through the cluster");
  return new PvcStore(to, stack, access);
}

/** What a preview asks of a destination: nothing is written, and no pod is started. */
export type StoreLook = Pick<BackupStore, "check" | "newestRun">;

/** Looks at a destination without opening it for backups. */
export function lookAtStore(to: Destination, stack: string, { client, release, purpose }: LookAccess): StoreLook {
  if (to.kind !== "pvc") return openStore(to, stack);
  return {
    check: () => checkClaim(client, to, { stack, release, purpose }),
    newestRun: () => readNewestRun(client, { namespace: to.namespace, release, stack }),
  };
}

interface LookAccess extends Pick<ClaimAccess, "release" | "purpose"> {
  client: ClusterClient;
}

/** What is stored is safe, and what could not be given back ends by itself: it must not hide how the work went. */
export async function closeStore(store: BackupStore, say: (line: string) => void): Promise<void> {
  await store
    .close()
    .catch((error: unknown) => say(`clean-up: ${error instanceof Error ? error.message : String(error)}`));
}
