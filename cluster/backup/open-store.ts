import type { Destination } from "../../plan/backup/destination";
import { LocalStore } from "./local-store";
import { S3Store } from "./s3-store";
import type { BackupStore } from "./store";

/** Opens a destination for the backups of a stack; says nothing yet about whether it works. */
export function openStore(to: Destination, stack: string): BackupStore {
  return to.kind === "folder" ? new LocalStore(to.path, stack) : new S3Store(to, stack);
}
