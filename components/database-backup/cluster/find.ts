import { UserError } from "../../../shared/user-error";
import { readFile } from "node:fs/promises";
import * as path from "node:path";
import type { Readable } from "node:stream";
import { type BackupManifest, parseManifest } from "../manifest";
import { backupsOf, type BackupOwner } from "../retention";
import { LocalStore } from "./local-store";

import { type BackupStore, manifestFile } from "./store";

/** A verified backup that can be restored. */
export interface FoundBackup {
  manifest: BackupManifest;
  /** Path or URL of the dump. */
  location: string;
  read: () => Promise<Readable>;
}

/**
 * Finds a backup of a database. The latest one is always of this stack, cluster and release; one that is named may be
 * of another: a runtime that was lost is rebuilt on another cluster.
 *
 * @param from `latest`, name, path or URL of a dump in the store, or path of one elsewhere with its manifest beside it.
 * @throws UserError when there is none, or it is of another database.
 */
export async function findBackup(store: BackupStore, owner: BackupOwner, from: string): Promise<FoundBackup> {
  const all = await store.list();
  const own = backupsOf(owner, all);
  const inStore = (manifest: BackupManifest): FoundBackup => {
    return { manifest, location: store.locate(manifest.file), read: () => store.read(manifest.file) };
  };
  if (from === "latest") {
    if (own[0]) return inStore(own[0]);
    throw new UserError(
      "backup",
      `there is not a verified backup of database ${owner.name} at backup.destination`,
      "name one that is elsewhere: --from FILE",
    );
  }
  const known = all.find(({ file }) => [file, store.locate(file)].includes(from));
  const found = known ? inStore(known) : await elsewhere(from);
  if (found?.manifest.name === owner.name) return found;
  const list = own.map(({ file, at }) => `    ${store.locate(file)} (${at})`).join("\n") || "    (there is none)";
  throw new UserError(
    "backup",
    found
      ? `${from} is a backup of database ${found.manifest.name}, not of ${owner.name}`
      : `${from} is not a verified backup: it is not in the destination, and no manifest is beside it`,
    `--from one of these, or latest:\n${list}`,
  );
}

async function elsewhere(file: string): Promise<FoundBackup | undefined> {
  const dump = path.resolve(file);
  const manifest = parseManifest(await readFile(manifestFile(dump), "utf8").catch(() => ""));
  // The file may have been renamed; the folder is taken as it is, without one for the stack below it.
  const store = new LocalStore(path.dirname(dump), "");
  return manifest && { manifest, location: dump, read: () => store.read(path.basename(dump)) };
}
