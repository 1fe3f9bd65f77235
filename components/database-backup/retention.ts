import type { BackupManifest } from "./manifest";

/** Which backups belong together for retention and for `latest`. */
export type BackupOwner = Pick<BackupManifest, "stack" | "cluster" | "name"> & {
  release: { name: string; namespace: string };
};

/** Backups of one database of one release and stack, newest first. */
export function backupsOf<T extends BackupManifest>(owner: BackupOwner, all: readonly T[]): T[] {
  return all
    .filter(
      ({ stack, cluster, name, release }) =>
        stack === owner.stack &&
        cluster === owner.cluster &&
        name === owner.name &&
        release.name === owner.release.name &&
        release.namespace === owner.release.namespace,
    )
    .sort((a, b) => (a.run < b.run ? 1 : -1));
}

/**
 * Backups to remove so that `keep` are left. Every manifest is of a verified backup, so the newest one stays whatever
 * `keep` is; and the newest one of a release that was in order stays, too, because those made after a failed upgrade
 * may hold what that upgrade broke.
 */
export function surplus<T extends BackupManifest>(owner: BackupOwner, all: readonly T[], keep: number): T[] {
  const own = backupsOf(owner, all);
  const good = own.find(({ release }) => release.status === "deployed");
  return own.slice(Math.max(1, keep)).filter((backup) => backup !== good);
}
