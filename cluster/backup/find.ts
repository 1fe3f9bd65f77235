import { readFile } from "node:fs/promises";
import * as path from "node:path";
import type { Readable } from "node:stream";
import { type BackupManifest, parseManifest } from "../../plan/backup/manifest";
import { backupsOf, type BackupOwner } from "../../plan/backup/retention";
import { LocalStore } from "./local-store";
import { BackupError } from "./problem";
import { type BackupStore, manifestFile } from "./store";

/** A verified backup that can be restored. */
export interface FoundBackup {
  manifest: BackupManifest;
  /** Path or URL of the dump. */
  location: string;
  read: () => Promise<Readable>;
}

/**
 * Finds a backup of a database.
 *
 * @param from `latest`, or path or URL of a dump or its manifest; also outside of the store.
 * @throws BackupError when there is none, or it belongs to another database.
 */
export async function findBackup(store: BackupStore, owner: BackupOwner, from: string): Promise<FoundBackup> {
  const all = await store.list();
  if (from === "latest") {
    const manifest = backupsOf(owner, all)[0];
    const where = path.dirname(store.locate("x"));
    if (manifest) return foundIn(store, manifest);
    throw new BackupError(`there is no verified backup of database ${owner.name} in ${where}`, "name one: --from FILE");
  }
  const dump = from.replace(/\.json$/, ".dump");
  const known = all.find(({ file }) => store.locate(file) === dump);
  const found = known ? foundIn(store, known) : await foundAt(dump);
  if (found.manifest.name === owner.name) return found;
  throw new BackupError(
    `${from} is a backup of database ${found.manifest.name}, not of ${owner.name}`,
    `--database ${found.manifest.name}, or another file`,
  );
}

function foundIn(store: BackupStore, manifest: BackupManifest): FoundBackup {
  return { manifest, location: store.locate(manifest.file), read: () => store.read(manifest.file) };
}

async function foundAt(dump: string): Promise<FoundBackup> {
  const manifest = parseManifest(await readFile(manifestFile(dump), "utf8").catch(() => ""));
  if (!manifest) {
    throw new BackupError(
      `${dump} is no verified backup: there is no manifest ${manifestFile(dump)}, or it cannot be read`,
      "name a dump that has its manifest beside it, or leave --from out for the latest one",
    );
  }
  // Its name may have been changed; the folder is taken as it is.
  const store = new LocalStore(path.dirname(dump), "");
  return { manifest, location: dump, read: () => store.read(path.basename(dump)) };
}
